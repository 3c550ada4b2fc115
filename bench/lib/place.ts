/** Owns the stage of a benchmark: a real hub process, a pair of topics, and scripts that may publish and read. */

import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { activate, AgentruxClient } from "../../scripts/lib/client.ts";
import { Hub } from "../../scripts/lib/hub.ts";
import { type AccountPaths, accountPaths } from "../../src/credentials/home.ts";
import type { ServiceCredentials } from "../../src/service/types.ts";
import { assertSuccess } from "./load.ts";
import { Connection, requestBytes } from "./connection.ts";

/** As it is published: run from its sources, the hub carries the compiler that strips their types. */
const PUBLISHED_HUB = path.join(import.meta.dirname, "..", "..", "hub", "dist", "cli", "main.js");

/** A pair of topics, and who uses it. */
export interface Pair {
  readonly commandTopicId: string;
  readonly resultTopicId: string;
  /** May read commands and write results. */
  readonly agentScriptId: string;
  /** A token that may write commands and read both. */
  readonly askerToken: string;
}

/** A started hub. */
export class Place {
  readonly dir: string;
  readonly hub: Hub;
  readonly hubPid: number;
  #pairs = 0;

  private constructor(dir: string, hub: Hub, hubPid: number) {
    this.dir = dir;
    this.hub = hub;
    this.hubPid = hubPid;
  }

  /** Starts a hub with its data and log in `dir`, as its command line starts it. */
  static async open(dir: string): Promise<Place> {
    const dataDir = path.join(dir, "hub");
    await mkdir(dir, { recursive: true });
    const hub = await Hub.start({
      dataDir,
      port: 0,
      logFile: path.join(dir, "hub.log"),
      program: PUBLISHED_HUB,
      extraArgs: ["--log-level", "warn"],
    });
    return new Place(dir, hub, await hubPid(dataDir));
  }

  async pair(): Promise<Pair> {
    const name = `pair-${(this.#pairs += 1)}`;
    const commandTopicId = await this.hub.createTopic(`${name}-commands`);
    const resultTopicId = await this.hub.createTopic(`${name}-results`);
    const agentScriptId = await this.hub.createScript(`${name}-agent`, { read: commandTopicId, write: resultTopicId });
    return { commandTopicId, resultTopicId, agentScriptId, askerToken: await this.askerToken(commandTopicId) };
  }

  /** A token of a new script that may write to and read from the topic. */
  async askerToken(topicId: string): Promise<string> {
    return await (await this.asker(topicId)).token();
  }

  /** A client of a new script that may write to and read from the topic; it renews its tokens. */
  async asker(topicId: string): Promise<AgentruxClient> {
    const script = await this.hub.createScript(`asker-${(this.#pairs += 1)}`, { write: topicId, read: topicId });
    return new AgentruxClient(await activate(this.hub.url, await this.hub.issueCode(script)));
  }

  /** Credentials of the pair's agent. */
  async agentCredentials(pair: Pair): Promise<ServiceCredentials> {
    const issued = await activate(this.hub.url, await this.hub.issueCode(pair.agentScriptId));
    const { scriptId: clientId, clientSecret } = issued;
    return { generation: "a", baseUrl: this.hub.url, clientId, clientSecret };
  }

  /** A home folder with an activation code of the pair's agent in it. */
  async agentHome(pair: Pair): Promise<AccountPaths> {
    const paths = accountPaths("default", path.join(this.dir, `home-${pair.commandTopicId}`, ".agentrux"));
    await mkdir(paths.dir, { recursive: true, mode: 0o700 });
    const code = await this.hub.issueCode(pair.agentScriptId);
    await writeFile(paths.bootstrap, `# activation\n${code}\n`, { mode: 0o600 });
    return paths;
  }

  eventsUrl(topicId: string): string {
    return `${this.hub.url}/topics/${topicId}/events`;
  }

  /** Publishes `count` commands of `EVENT_BYTES` in batches, before anything is measured. */
  async fill(pair: Pair, count: number): Promise<void> {
    const url = `${this.eventsUrl(pair.commandTopicId)}/batch`;
    const [connection] = await Connection.openMany(this.hub.url, 1);
    for (let sent = 0; sent < count; sent += FILL_BATCH) {
      const events = Array.from({ length: Math.min(FILL_BATCH, count - sent) }, () => commandEvent(""));
      const json = `{"events":[${events.join(",")}]}`;
      const answer = await connection?.send(requestBytes({ method: "POST", url, token: pair.askerToken, json }));
      if (answer !== undefined) assertSuccess(answer);
    }
    connection?.close();
  }

  close(): Promise<void> {
    return this.hub.stop();
  }
}

/** Payload of the events that are measured with, in bytes of JSON. */
export const EVENT_BYTES = 1024;
const FILL_BATCH = 500;
const CONVERSATIONS = 1_000;
let lastRequest = 0;

/** The JSON of a command event of `EVENT_BYTES`, whose message begins with `head`. */
export function commandEvent(head: string): string {
  const request = (lastRequest += 1).toString().padStart(12, "0");
  const conversation = (lastRequest % CONVERSATIONS).toString().padStart(4, "0");
  const start = `{"request_id":"${request}","conversation_key":"c${conversation}","message":"${head}`;
  const payload = `${start.padEnd(EVENT_BYTES - 2, ".")}"}`;
  return `{"type":"openclaw.request","payload":${payload}}`;
}

async function hubPid(dataDir: string): Promise<number> {
  const document: unknown = JSON.parse(await readFile(path.join(dataDir, "hub.json"), "utf8"));
  if (typeof document === "object" && document !== null && "pid" in document && typeof document.pid === "number") {
    return document.pid;
  }
  throw new Error("the hub has not written down its process");
}
