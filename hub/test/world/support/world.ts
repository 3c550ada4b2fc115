/** Owns calling a Flux API in tests, and watching one. */
import { once } from "node:events";
import { connect } from "node:net";
import { randomUUID } from "node:crypto";
import { onTestFinished } from "vitest";
import { WebSocket } from "ws";
import type { Answer, CallOptions, Json } from "../../support/hub.ts";
import { call } from "../../support/hub.ts";

/** An event about an entity; fields given here take the place of the usual ones. */
export function event(entityId: unknown, properties: unknown, fields: object = {}): object {
  const payload = { entity_id: entityId, properties };
  return { stream: "sensors", source: "suite", timestamp: 1_700_000_000_000, payload, ...fields };
}

/** An id that nothing else uses. */
export function fresh(name = "e"): string {
  return `${name}-${randomUUID().slice(0, 8)}`;
}

export interface FluxClient {
  readonly url: string;
  publish(entityId: unknown, properties: unknown, fields?: object, options?: CallOptions): Promise<Answer>;
  batch(events: readonly unknown[], options?: CallOptions): Promise<Answer>;
  /** The entity, or undefined when there is none. */
  entity(id: string, query?: string): Promise<Json | undefined>;
  list(query: string): Promise<readonly Json[]>;
  remove(id: string, options?: CallOptions): Promise<Answer>;
  history(query: string): Promise<readonly Json[]>;
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
}

export function fluxClient(url: string, token?: string): FluxClient {
  const ask = (method: string, path: string, options: CallOptions = {}) =>
    call(url, method, path, { ...(token === undefined ? {} : { token }), ...options });
  const listed = async (path: string) => (await ask("GET", path)).json as unknown as readonly Json[];
  const path = (id: string) => `/api/state/entities/${encodeURIComponent(id)}`;
  return {
    url,
    call: ask,
    publish: (id, properties, fields, options) =>
      ask("POST", "/api/events", { body: event(id, properties, fields), ...options }),
    batch: (events, options) => ask("POST", "/api/events/batch", { body: { events }, ...options }),
    async entity(id, query = "") {
      const answer = await ask("GET", path(id) + query);
      if (answer.status === 404) return undefined;
      return answer.json;
    },
    list: (query) => listed(`/api/state/entities${query}`),
    remove: (id, options) => ask("DELETE", path(id), options),
    history: (query) => listed(`/api/events${query}`),
  };
}

/** An open WebSocket and everything that came on it, figures left out. */
export interface Watch {
  readonly ws: WebSocket;
  readonly messages: readonly Json[];
  send(message: object | string): void;
  /** Resolves with the messages so far once one fits. */
  until(fits: (message: Json) => boolean): Promise<readonly Json[]>;
  /** Resolves with the close code. */
  closed(): Promise<number>;
}

export async function watch(url: string, query = "", headers: Record<string, string> = {}): Promise<Watch> {
  const ws = new WebSocket(`${url.replace(/^http/, "ws")}/api/ws${query}`, { headers });
  onTestFinished(() => ws.terminate());
  const messages: Json[] = [];
  const listeners = new Set<() => void>();
  ws.on("message", (data: Buffer) => {
    const message = JSON.parse(data.toString()) as Json;
    if (fieldIs(message, "type", "metrics_update") && !query.includes("metrics")) return;
    messages.push(message);
    for (const listener of listeners) listener();
  });
  const closing = once(ws, "close");
  await once(ws, "open");
  return {
    ws,
    messages,
    send: (message) => ws.send(typeof message === "string" ? message : JSON.stringify(message)),
    until: (fits) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!messages.some(fits)) return;
          listeners.delete(look);
          resolve(messages);
        };
        listeners.add(look);
        void closing.then(() => reject(new Error("the connection was closed")));
        look();
      }),
    closed: async () => Number((await closing)[0]),
  };
}

/** The status that a request to become a WebSocket is answered with; undefined when the connection ends without one. */
export async function upgradeStatus(url: string, target: string, headers: object = {}): Promise<string | undefined> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  const usual = { Host: "localhost", Upgrade: "websocket", Connection: "Upgrade", "Sec-WebSocket-Version": "13" };
  const all = { ...usual, "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`GET ${target} HTTP/1.1\r\n${lines.join("")}\r\n`);
  const head = await Promise.race([once(socket, "data"), once(socket, "close")]);
  return Buffer.isBuffer(head[0]) ? head[0].toString().split(" ")[1] : undefined;
}

/** What a message says, without the time. */
export function said(message: Json): object {
  const { timestamp: _timestamp, cursor: _cursor, eventId: _eventId, version: _version, ...rest } = message;
  return rest;
}

export function fieldIs(message: Json, name: string, value: unknown): boolean {
  return (message[name] as unknown) === value;
}
