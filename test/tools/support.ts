/** A real hub in either generation, a home folder with credentials, and a way to call one tool as an agent would. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createScript, createTopic, issueActivationCode } from "../../hub/src/admin/operations.ts";
import { type RunningHub, startHub } from "../../hub/src/server.ts";
import type { AccountConfig } from "../../src/config/account.ts";
import { resolveAccountConfig } from "../../src/config/resolve.ts";
import { type AccountPaths, accountPaths } from "../../src/credentials/home.ts";
import { ensurePrivateDirectories } from "../../src/credentials/private-files.ts";
import { formatCredentials, type StoredCredentials } from "../../src/credentials/schema.ts";
import { type CredentialedClient, createServiceClient } from "../../src/service/client.ts";
import type { Generation } from "../../src/service/types.ts";
import { runTool, type ToolOutcome } from "../../src/tools/run.ts";
import type { Tool, ToolContext, ToolFiles, TopicTurn } from "../../src/tools/tool.ts";

/** A marker no test text holds, so that what is quoted can be told from what is not. */
export const QUOTED = /<<q:([^>]*)>>([\s\S]*?)<<\/q>>/g;

export interface CallOptions {
  readonly turn?: TopicTurn;
  readonly owner?: boolean;
  readonly files?: ToolFiles;
  readonly signal?: AbortSignal;
  readonly progress?: (line: string) => void;
}

export async function redeem(hub: RunningHub, generation: Generation, script: string): Promise<StoredCredentials> {
  const { code } = await issueActivationCode(hub.deps, { script, generation });
  const [way, body] =
    generation === "a" ? ["/auth/activate", { activation_code: code }] : ["/auth/redeem-activation-code", { code }];
  const answer = await fetch(hub.url + way, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(10_000),
  });
  const issued = (await answer.json()) as { script_id: string; client_id?: string; client_secret: string };
  return {
    generation,
    baseUrl: hub.url,
    clientId: issued.client_id ?? issued.script_id,
    clientSecret: issued.client_secret,
    scriptId: issued.script_id,
  };
}

/** An agent's place: its own topics, two it shares with a peer, and one it has no grant for. */
export class Workshop {
  readonly hub: RunningHub;
  readonly paths: AccountPaths;
  readonly topics: Readonly<Record<"commands" | "results" | "news" | "desk" | "closed", string>>;
  readonly client: CredentialedClient;
  /** Reads and writes every topic. */
  readonly peer: CredentialedClient;
  readonly secrets: readonly string[];
  readonly #dir: string;

  private constructor(parts: {
    hub: RunningHub;
    dir: string;
    topics: Workshop["topics"];
    client: CredentialedClient;
    peer: CredentialedClient;
    secrets: readonly string[];
  }) {
    this.hub = parts.hub;
    this.#dir = parts.dir;
    this.paths = accountPaths("default", path.join(parts.dir, "home", ".agentrux"));
    this.topics = parts.topics;
    this.client = parts.client;
    this.peer = parts.peer;
    this.secrets = parts.secrets;
  }

  static async open(generation: Generation): Promise<Workshop> {
    const dir = await mkdtemp(path.join(tmpdir(), "agentrux-tools-"));
    const hub = await startHub({ dataDir: path.join(dir, "hub"), port: 0, logLevel: "silent" });
    const names = ["commands", "results", "news", "desk", "closed"] as const;
    const entries = await Promise.all(names.map(async (name) => [name, (await createTopic(hub.deps, { name })).id]));
    const topics = Object.fromEntries(entries) as Workshop["topics"];
    const agent = await createScript(hub.deps, {
      name: "agent",
      read: ["commands", "results", "news", "desk"],
      write: ["commands", "results", "desk"],
    });
    const peer = await createScript(hub.deps, { name: "peer", read: [...names], write: [...names] });
    const own = await redeem(hub, generation, agent.id);
    const other = await redeem(hub, generation, peer.id);
    const shop = new Workshop({
      hub,
      dir,
      topics,
      client: createServiceClient(own),
      peer: createServiceClient(other),
      secrets: [own.clientSecret, other.clientSecret],
    });
    await ensurePrivateDirectories([shop.paths.dir]);
    await writeFile(shop.paths.credentials, formatCredentials(own), { mode: 0o600 });
    return shop;
  }

  account(keys: object = {}): AccountConfig {
    const { commands, results, news, desk } = this.topics;
    const messagingTopics = [
      { id: "news", topicId: news, mode: "read" },
      { id: "desk", topicId: desk, mode: "write" },
    ];
    const section = { commandTopicId: commands, resultTopicId: results, agentId: "main", baseUrl: this.hub.url };
    return resolveAccountConfig({ channels: { agentrux: { ...section, messagingTopics, ...keys } } }, "default");
  }

  call(
    tool: Tool,
    args: unknown,
    options: CallOptions = {},
    account: AccountConfig = this.account(),
  ): Promise<ToolOutcome> {
    const context: ToolContext = {
      account,
      paths: this.paths,
      ...(options.turn === undefined ? {} : { turn: options.turn }),
      service: () => Promise.resolve(this.client),
      world: () => Promise.reject(new Error("no world here")),
      watches: () => undefined,
      trace: () => Promise.resolve(options.turn === undefined ? undefined : { id: "t-1", hops: 3 }),
      health: () => undefined,
      quote: (text, sender) => `<<q:${sender}>>${text}<</q>>`,
      files: options.files ?? {
        attach: () => Promise.reject(new Error("no files here")),
        send: () => Promise.reject(new Error("no files here")),
      },
    };
    const caller = { senderIsOwner: options.owner === true };
    return runTool(tool, args, context, caller, options.signal ?? new AbortController().signal, options.progress);
  }

  async close(): Promise<void> {
    await this.client.close();
    await this.peer.close();
    await this.hub.close();
    await rm(this.#dir, { recursive: true, force: true });
  }
}
