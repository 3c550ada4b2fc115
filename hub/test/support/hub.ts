/** A hub of its own for a test: temporary folder, port 0, a clock that can be moved. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { pino } from "pino";
import type { Logger } from "pino";
import { onTestFinished } from "vitest";
import * as admin from "../../src/admin/operations.ts";
import type { HubOptions, RunningHub } from "../../src/server.ts";
import { startHub } from "../../src/server.ts";

export async function tempFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "agentrux-hub-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A logger whose lines a test can look at. */
export function logLines(): { readonly log: Logger; readonly lines: readonly string[] } {
  const lines: string[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });
  return { log: pino(sink), lines };
}

/** Real time plus an offset the test controls. */
export class MovableClock {
  offsetMs = 0;
  now(): number {
    return Date.now() + this.offsetMs;
  }
  advance(ms: number): void {
    this.offsetMs += ms;
  }
}

export interface TestHub extends RunningHub {
  readonly clock: MovableClock;
  readonly dataDir: string;
}

export async function testHub(options: Partial<HubOptions> = {}): Promise<TestHub> {
  const dataDir = options.dataDir ?? (await tempFolder());
  const clock = new MovableClock();
  const hub = await startHub({ port: 0, logLevel: "silent", clock, ...options, dataDir });
  onTestFinished(() => hub.close());
  return { ...hub, clock, dataDir };
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed body; throws when it is no JSON. */
  readonly json: Json;
}

/** A JSON document as tests look into it: members by name, absent ones undefined. Leaves are compared or printed. */
export interface Json {
  readonly [member: string]: Json | undefined;
}

/** A leaf as text; throws where there is none. */
export function textOf(json: unknown): string {
  if (typeof json === "string") return json;
  if (typeof json === "number" || typeof json === "boolean") return String(json);
  throw new TypeError(`not a leaf: ${JSON.stringify(json)}`);
}

export function listOf(json: Json | undefined): readonly Json[] {
  if (!Array.isArray(json)) throw new TypeError(`not a list: ${JSON.stringify(json)}`);
  return json;
}

export interface CallOptions {
  readonly body?: unknown;
  /** Sent as it is, in place of `body`. */
  readonly raw?: string | Uint8Array<ArrayBuffer>;
  readonly token?: string;
  readonly headers?: Record<string, string>;
}

export async function call(url: string, method: string, path: string, options: CallOptions = {}): Promise<Answer> {
  const { body, raw, token, headers } = options;
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(raw === undefined ? {} : { body: raw }),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    get json() {
      return JSON.parse(text) as Json;
    },
  };
}

export const form = (fields: Record<string, string>): CallOptions => ({
  raw: new URLSearchParams(fields).toString(),
  headers: { "Content-Type": "application/x-www-form-urlencoded" },
});

export interface Agent {
  readonly scriptId: string;
  /** Generation A's name and secret. */
  readonly secret: string;
  readonly clientId: string;
  /** Access tokens of both generations. */
  readonly tokenA: string;
  readonly tokenB: string;
}

/** A script with grants, activated through the real endpoints, with a token of each generation. */
export async function activate(
  hub: RunningHub,
  grants: { readonly read?: readonly string[]; readonly write?: readonly string[] },
  name = "agent",
): Promise<Agent> {
  const script = await admin.createScript(hub.deps, { name, ...grants });
  const { code } = await admin.issueActivationCode(hub.deps, { script: script.id, generation: "b" });
  const redeemed = await call(hub.url, "POST", "/auth/redeem-activation-code", { body: { code } });
  const clientId = textOf(redeemed.json["client_id"]);
  const secret = textOf(redeemed.json["client_secret"]);
  return {
    scriptId: script.id,
    secret,
    clientId,
    tokenA: await tokenA(hub, script.id, secret),
    tokenB: await tokenB(hub, clientId, secret),
  };
}

export async function tokenA(hub: RunningHub, scriptId: string, secret: string): Promise<string> {
  const answer = await call(hub.url, "POST", "/auth/token", { body: { script_id: scriptId, client_secret: secret } });
  return textOf(answer.json["access_token"]);
}

export async function tokenB(hub: RunningHub, clientId: string, secret: string): Promise<string> {
  const fields = { grant_type: "client_credentials", client_id: clientId, client_secret: secret };
  const answer = await call(hub.url, "POST", "/oauth/token", form(fields));
  return textOf(answer.json["access_token"]);
}

export interface Bench extends Agent {
  readonly hub: TestHub;
  /** Bare UUID. */
  readonly topicId: string;
  /** Paths of the topic's events in both dialects. */
  readonly eventsA: string;
  readonly eventsB: string;
  readonly publishA: (type: string, payload?: unknown) => Promise<Answer>;
  readonly postA: (path: string, options: CallOptions) => Promise<Answer>;
  readonly postB: (path: string, options: CallOptions) => Promise<Answer>;
  readonly getA: (query: string) => Promise<Answer>;
  readonly getB: (query: string) => Promise<Answer>;
}

/** A hub with one topic and one script that may do everything on it. */
export async function testBench(options: Partial<HubOptions> = {}): Promise<Bench> {
  const hub = await testHub(options);
  const topic = await admin.createTopic(hub.deps, { name: "commands", retentionS: 3600 });
  const agent = await activate(hub, { read: [topic.id], write: [topic.id] });
  const eventsA = `/topics/${topic.id}/events`;
  const eventsB = `/topics/top_${topic.id}/events`;
  return {
    ...agent,
    hub,
    topicId: topic.id,
    eventsA,
    eventsB,
    publishA: (type, payload) => call(hub.url, "POST", eventsA, { token: agent.tokenA, body: { type, payload } }),
    postA: (path, options) => call(hub.url, "POST", eventsA + path, { token: agent.tokenA, ...options }),
    postB: (path, options) => call(hub.url, "POST", eventsB + path, { token: agent.tokenB, ...options }),
    getA: (query) => call(hub.url, "GET", eventsA + query, { token: agent.tokenA }),
    getB: (query) => call(hub.url, "GET", eventsB + query, { token: agent.tokenB }),
  };
}
