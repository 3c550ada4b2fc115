/** A world-state server, real or stock-like, and an agent's tools at work on it. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type RunningHub, startHub } from "../../../hub/src/server.ts";
import type { AccountConfig } from "../../../src/config/account.ts";
import { resolveAccountConfig } from "../../../src/config/resolve.ts";
import { type AccountPaths, accountPaths } from "../../../src/credentials/home.ts";
import { ensurePrivateDirectories } from "../../../src/credentials/private-files.ts";
import { formatCredentials } from "../../../src/credentials/schema.ts";
import { createFluxClient, type FluxClient, type FluxServer } from "../../../src/flux/client.ts";
import type { WatchRegistry } from "../../../src/flux/watch/types.ts";
import { runTool, type ToolOutcome } from "../../../src/tools/run.ts";
import type { Tool, ToolContext, TopicTurn } from "../../../src/tools/tool.ts";

export const CLIENT_SECRET = "the-clients-own-secret-9f3c";
/** What stands inside the boundary of the host, which is played by marks that no test text holds. */
export const QUOTED = /<<q:[^>]*>>[\s\S]*?<<\/q>>/g;

export interface FluxCall {
  readonly turn?: TopicTurn;
  readonly owner?: boolean;
  readonly signal?: AbortSignal;
  readonly watches?: WatchRegistry;
  /** Settings of `flux`, in place of the agent's usual ones. */
  readonly flux?: object;
  readonly client?: FluxClient;
}

/** An agent with tools. */
export class Agent {
  readonly paths: AccountPaths;
  readonly client: FluxClient;
  readonly #flux: object;
  readonly #dir: string;

  private constructor(dir: string, server: FluxServer, flux: object) {
    this.#dir = dir;
    this.paths = accountPaths("default", path.join(dir, ".agentrux"));
    this.client = createFluxClient(server);
    this.#flux = { ...server, ...flux };
  }

  /** @param flux Settings besides the server's. */
  static async at(server: FluxServer, flux: object = {}): Promise<Agent> {
    const agent = new Agent(await mkdtemp(path.join(tmpdir(), "agentrux-flux-")), server, flux);
    await ensurePrivateDirectories([agent.paths.dir]);
    const credentials = {
      generation: "a",
      baseUrl: "https://api.example",
      clientId: "scr_1",
      scriptId: "scr_1",
    } as const;
    await writeFile(agent.paths.credentials, formatCredentials({ ...credentials, clientSecret: CLIENT_SECRET }), {
      mode: 0o600,
    });
    return agent;
  }

  account(flux: object = this.#flux): AccountConfig {
    const id = "0192f0c0-0000-7000-8000-000000000001";
    const section = { commandTopicId: id, resultTopicId: id.replace(/1$/, "2"), agentId: "main", flux };
    return resolveAccountConfig({ channels: { agentrux: section } }, "default");
  }

  call(tool: Tool, args: unknown, options: FluxCall = {}): Promise<ToolOutcome> {
    const context: ToolContext = {
      account: this.account(options.flux),
      paths: this.paths,
      ...(options.turn === undefined ? {} : { turn: options.turn }),
      service: () => Promise.reject(new Error("no topics here")),
      world: () => Promise.resolve(options.client ?? this.client),
      watches: () => options.watches,
      trace: () => Promise.resolve(undefined),
      health: () => undefined,
      quote: (text, sender) => `<<q:${sender}>>${text}<</q>>`,
      files: { attach: () => Promise.reject(new Error("no files")), send: () => Promise.reject(new Error("no files")) },
    };
    const caller = { senderIsOwner: options.owner === true };
    return runTool(tool, args, context, caller, options.signal ?? new AbortController().signal);
  }

  async close(): Promise<void> {
    await this.client.close();
    await rm(this.#dir, { recursive: true, force: true });
  }
}

/** A hub with a world, and in auth mode the namespaces `lab`, `other` and the private `hidden`. */
export class World {
  readonly hub: RunningHub;
  readonly tokens: Readonly<Record<"lab" | "other" | "hidden", string>>;
  readonly #dir: string;

  private constructor(dir: string, hub: RunningHub, tokens: World["tokens"]) {
    this.#dir = dir;
    this.hub = hub;
    this.tokens = tokens;
  }

  static async open(auth: boolean): Promise<World> {
    const dir = await mkdtemp(path.join(tmpdir(), "agentrux-world-"));
    const hub = await startHub({ dataDir: dir, port: 0, logLevel: "silent", flux: { auth } });
    const tokens = { lab: "", other: "", hidden: "" };
    if (auth) {
      const operator = createFluxClient({ url: hub.url, adminToken: hub.adminToken });
      for (const name of ["lab", "other", "hidden"] as const) {
        tokens[name] = (await operator.createNamespace(name, name === "hidden", never())).token;
      }
      await operator.close();
    }
    return new World(dir, hub, tokens);
  }

  /** An agent with the token of a namespace. */
  agent(namespace: "lab" | "other" | "hidden" = "lab", flux: object = {}): Promise<Agent> {
    const token = this.tokens[namespace];
    return Agent.at({ url: this.hub.url, ...(token === "" ? {} : { token }) }, flux);
  }

  async close(): Promise<void> {
    await this.hub.close();
    await rm(this.#dir, { recursive: true, force: true });
  }
}

/** What a test has opened, ended in the other order. */
export class Closing {
  readonly #open: (() => Promise<unknown>)[] = [];

  later(close: () => Promise<unknown>): void {
    this.#open.push(close);
  }

  async after<T extends { close(): Promise<unknown> }>(opening: Promise<T>): Promise<T> {
    const opened = await opening;
    this.later(() => opened.close());
    return opened;
  }

  async all(): Promise<void> {
    for (const close of this.#open.splice(0).toReversed()) await close();
  }
}

export function never(): AbortSignal {
  return AbortSignal.timeout(15_000);
}

/** The error a call ended with. */
export function errorOf(outcome: ToolOutcome): Readonly<Record<string, unknown>> {
  return outcome.details["error"] as Readonly<Record<string, unknown>>;
}

/** What stands outside the boundary. */
export function outside(text: string): string {
  return text.replaceAll(QUOTED, "");
}
