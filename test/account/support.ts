/** A real hub, a real home folder and a real journal; only the agent's turns are scripted. */

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { issueActivationCode, createScript, createTopic } from "../../hub/src/admin/operations.ts";
import { type RunningHub, startHub } from "../../hub/src/server.ts";
import { runAccount } from "../../src/account/account.ts";
import type { AccountState } from "../../src/account/state.ts";
import type { AccountOptions, RunningAccount } from "../../src/account/types.ts";
import { resolveAccountConfig } from "../../src/config/resolve.ts";
import { type AccountPaths, accountPaths } from "../../src/credentials/home.ts";
import type { TurnRequest, TurnResult } from "../../src/replies/turn.ts";
import { createServiceClient } from "../../src/service/client.ts";
import type { ServiceClient, TopicEvent } from "../../src/service/types.ts";

export type Turn = (request: TurnRequest, signal: AbortSignal) => Promise<TurnResult>;

export const echo: Turn = (request) =>
  Promise.resolve({ kind: "replied", text: `echo: ${request.command.message}`, media: [] });

/** What an account can be given in place of the machine's own. */
export type Ports = Pick<AccountOptions, "service" | "clock" | "current" | "skip" | "presence">;

/** Waits until `check` holds; fails with `what` after 15 s. */
export async function until(what: string, check: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 15_000; Date.now() < end;) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`waited in vain: ${what}`);
}

/** One account that runs, and what it has said of itself. */
export class Running {
  readonly states: AccountState[] = [];
  readonly lines: string[] = [];
  readonly turns: TurnRequest[] = [];
  account: RunningAccount | undefined;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  constructor(place: Place, turn: Turn, settings: object, ports: Ports) {
    const log = (line: string) => void this.lines.push(line);
    this.#done = runAccount({
      config: resolveAccountConfig({ channels: { agentrux: { ...place.keys, ...settings } } }, "default"),
      runner: {
        run: (request, signal) => {
          this.turns.push(request);
          return turn(request, signal);
        },
        owner: () => Promise.resolve("nobody"),
      },
      log: { debug: log, info: log, warn: log, error: log },
      setState: (state) => void this.states.push(state),
      onActivity: () => undefined,
      onRunning: (account) => {
        this.account = account;
      },
      paths: place.paths,
      signal: this.#stop.signal,
      ...ports,
    });
  }

  get state(): AccountState | undefined {
    return this.states.at(-1);
  }

  ready(): Promise<void> {
    return until("the account is ready", () => this.state?.kind === "ready");
  }

  stop(): Promise<void> {
    this.#stop.abort();
    return this.#done;
  }
}

/** A hub with a pair of topics, a home folder, and a client that asks. */
export class Place {
  readonly dir: string;
  readonly paths: AccountPaths;
  hub: RunningHub;
  keys: { commandTopicId: string; resultTopicId: string; agentId: string; baseUrl: string };
  agentScript: string;
  client: ServiceClient;
  readonly #running: Running[] = [];

  private constructor(dir: string, hub: RunningHub, provisioned: Provisioned) {
    this.dir = dir;
    this.hub = hub;
    this.paths = accountPaths("default", path.join(dir, "home", ".agentrux"));
    this.keys = provisioned.keys;
    this.agentScript = provisioned.agentScript;
    this.client = provisioned.client;
  }

  static async create(): Promise<Place> {
    const dir = await mkdtemp(path.join(tmpdir(), "agentrux-account-"));
    const hub = await startHub({ dataDir: path.join(dir, "hub"), port: 0, logLevel: "silent" });
    return new Place(dir, hub, await provision(hub));
  }

  code(generation: "a" | "b" = "a"): Promise<string> {
    return issueActivationCode(this.hub.deps, { script: this.agentScript, generation }).then(({ code }) => code);
  }

  async drop(code: string): Promise<void> {
    await mkdir(this.paths.dir, { recursive: true, mode: 0o700 });
    await writeFile(this.paths.bootstrap, `# activation\n${code}\n`, { mode: 0o600 });
  }

  start(turn: Turn = echo, settings: object = {}, ports: Ports = {}): Running {
    const running = new Running(this, turn, { pollIntervalMs: 1_000, ...settings }, ports);
    this.#running.push(running);
    return running;
  }

  /** Removes everything the account has stored. */
  async forget(): Promise<void> {
    await rm(this.paths.base, { recursive: true, force: true });
  }

  /** Stops the hub and starts it again on the same port. */
  async restartHub(): Promise<void> {
    const port = Number(new URL(this.hub.url).port);
    await this.hub.close();
    this.hub = await startHub({ dataDir: path.join(this.dir, "hub"), port, logLevel: "silent" });
  }

  async publish(payload: object, type = "openclaw.request"): Promise<string> {
    const { commandTopicId: topicId } = this.keys;
    return (await this.client.publish({ topicId, type, payload, signal: AbortSignal.timeout(10_000) })).eventId;
  }

  async replies(): Promise<Record<string, unknown>[]> {
    const { resultTopicId: topicId } = this.keys;
    const page = await this.client.pull({ topicId, after: "", limit: 100, signal: AbortSignal.timeout(10_000) });
    return page.events.map((event: TopicEvent) => event.payload as Record<string, unknown>);
  }

  async reply(requestId: string): Promise<Record<string, unknown>> {
    let found: Record<string, unknown> | undefined;
    await until(`a reply to ${requestId}`, async () => {
      found = (await this.replies()).find((reply) => reply["request_id"] === requestId);
      return found !== undefined;
    });
    return found as Record<string, unknown>;
  }

  async close(): Promise<void> {
    await Promise.all(this.#running.map((running) => running.stop()));
    await this.client.close();
    await this.hub.close();
    await rm(this.dir, { recursive: true, force: true });
  }
}

interface Provisioned {
  readonly keys: Place["keys"];
  readonly agentScript: string;
  readonly client: ServiceClient;
}

async function provision(hub: RunningHub): Promise<Provisioned> {
  const commands = (await createTopic(hub.deps, { name: "commands" })).id;
  const results = (await createTopic(hub.deps, { name: "results" })).id;
  const agent = await createScript(hub.deps, { name: "agent", read: [commands], write: [results] });
  const asker = await createScript(hub.deps, { name: "asker", read: [results], write: [commands] });
  const { code } = await issueActivationCode(hub.deps, { script: asker.id });
  const answer = await fetch(`${hub.url}/auth/activate`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ activation_code: code }),
    signal: AbortSignal.timeout(10_000),
  });
  const issued = (await answer.json()) as { script_id: string; client_secret: string };
  return {
    keys: { commandTopicId: commands, resultTopicId: results, agentId: "main", baseUrl: hub.url },
    agentScript: agent.id,
    client: createServiceClient({
      generation: "a",
      baseUrl: hub.url,
      clientId: issued.script_id,
      clientSecret: issued.client_secret,
    }),
  };
}
