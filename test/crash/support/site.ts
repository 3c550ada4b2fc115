/** One pair of topics with somebody who asks, and an account that is killed and started again over the same files. */

import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { activate } from "../../../src/activation/activate.ts";
import { redeemOverHttp } from "../../../src/activation/redeem.ts";
import { type AccountPaths, accountPaths } from "../../../src/credentials/home.ts";
import { createServiceClient } from "../../../src/service/client.ts";
import type { ServiceClient } from "../../../src/service/types.ts";
import { type Asked, terminalReplies, violations, wholeTopic } from "../../support/checker.ts";
import { httpAnswer, Proxy, type Rule } from "../../support/proxy.ts";
import type { CrashHub } from "./hub.ts";
import { type End, homeOf, Life, type LifeOptions, turnLogOf } from "./life.ts";

export type Generation = "a" | "b";

export interface SiteOptions {
  readonly generation: Generation;
  readonly settings?: Readonly<Record<string, unknown>>;
}

const PATIENCE_MS = 120_000;
const LOOK_EVERY_MS = 50;
const LOG_LINES = 60;
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Redeems a code as the plugin does, into `home`. */
async function credentialsIn(paths: AccountPaths, baseUrl: string, code: string) {
  await mkdir(paths.dir, { recursive: true, mode: 0o700 });
  await writeFile(paths.bootstrap, `${code}\n`, { mode: 0o600 });
  const signal = AbortSignal.timeout(30_000);
  const redeem = redeemOverHttp(baseUrl);
  const activation = await activate({ paths, baseUrl, redeem, now: () => new Date(), log: silent, signal });
  if (activation.kind !== "ready") throw new Error(activation.reason);
  return activation.credentials;
}

export interface LoggedTurn {
  readonly requestId: string;
  readonly attempt: number;
  /** What a watch told it. */
  readonly told?: string;
}

export class Site {
  readonly dir: string;
  readonly paths: AccountPaths;
  readonly hub: CrashHub;
  readonly proxy: Proxy;
  readonly agentScript: string;
  readonly generation: Generation;
  /** Whoever asks: may read both topics. */
  readonly client: ServiceClient;
  readonly commandTopic: string;
  readonly resultTopic: string;
  readonly asked: Asked[] = [];
  readonly lives: Life[] = [];
  readonly #settings: Readonly<Record<string, unknown>>;

  private constructor(parts: {
    readonly dir: string;
    readonly hub: CrashHub;
    readonly proxy: Proxy;
    readonly agentScript: string;
    readonly generation: Generation;
    readonly commandTopic: string;
    readonly resultTopic: string;
    readonly client: ServiceClient;
    readonly settings: Readonly<Record<string, unknown>>;
  }) {
    this.dir = parts.dir;
    this.paths = accountPaths("default", homeOf(parts.dir));
    this.hub = parts.hub;
    this.proxy = parts.proxy;
    this.agentScript = parts.agentScript;
    this.generation = parts.generation;
    this.commandTopic = parts.commandTopic;
    this.resultTopic = parts.resultTopic;
    this.client = parts.client;
    this.#settings = parts.settings;
  }

  /** A place without credentials yet. */
  static async create(hub: CrashHub, { generation, settings = {} }: SiteOptions): Promise<Site> {
    const dir = await mkdtemp(join(tmpdir(), "agentrux-crash-"));
    const name = randomUUID();
    const commandTopic = await hub.topic(`${name}-commands`);
    const resultTopic = await hub.topic(`${name}-results`);
    // Where the server does not heed the key, looking a reply up takes the right to read where it is written.
    const agentScript = await hub.script(`${name}-agent`, { read: [commandTopic, resultTopic], write: [resultTopic] });
    const asker = await hub.script(`${name}-asker`, { read: [commandTopic, resultTopic], write: [commandTopic] });
    const askerPaths = accountPaths("default", join(dir, "asker"));
    const client = createServiceClient(await credentialsIn(askerPaths, hub.url, await hub.code(asker, generation)));
    // A server of generation A is not known to heed the key: there it must not be what prevents a second reply.
    const drop = generation === "b" ? [] : ["idempotency-key"];
    const proxy = await Proxy.start(hub.url, { monotonic: () => performance.now(), drop });
    return new Site({ dir, hub, proxy, agentScript, generation, commandTopic, resultTopic, client, settings });
  }

  /** A place whose account has its credentials. */
  static async activated(hub: CrashHub, options: SiteOptions): Promise<Site> {
    const site = await Site.create(hub, options);
    await credentialsIn(site.paths, site.proxy.url, await hub.code(site.agentScript, options.generation));
    return site;
  }

  /** Starts the account once more; `crash` says where that life ends. */
  start(crash?: LifeOptions["crash"]): Life {
    const keys = {
      baseUrl: this.proxy.url,
      commandTopicId: this.commandTopic,
      resultTopicId: this.resultTopic,
      agentId: "main",
      startFrom: "earliest",
      pollIntervalMs: 1_000,
      maxConcurrency: 8,
      maxAttempts: 20,
      ...this.#settings,
    };
    const { dir, hub } = this;
    const life = new Life({
      dir,
      keys,
      compileCache: join(hub.dir, "compiled"),
      ...(crash === undefined ? {} : { crash }),
    });
    this.lives.push(life);
    return life;
  }

  /** Publishes a command, until the hub has it: one that is being killed is asked again. */
  async ask(message: string, conversation: string): Promise<void> {
    const number = this.asked.length;
    const status = message === "doomed" ? "failed" : "completed";
    const one: Asked = { requestId: `r${number}`, conversation, message: `${message} ${number}`, status };
    this.asked.push(one);
    const payload = { request_id: one.requestId, conversation_key: conversation, message: one.message };
    const deadline = AbortSignal.timeout(PATIENCE_MS);
    for (;;) {
      try {
        await this.client.publish({
          topicId: this.commandTopic,
          type: "openclaw.request",
          payload,
          idempotencyKey: `idk_${one.requestId}`,
          signal: AbortSignal.any([deadline, AbortSignal.timeout(5_000)]),
        });
        return;
      } catch (error) {
        if (deadline.aborted) throw error;
        await sleep(LOOK_EVERY_MS);
      }
    }
  }

  /** Lets no reply through until the rule is lifted. */
  refuseReplies(): Rule {
    const answer = httpAnswer(503, JSON.stringify({ error: { code: "UNAVAILABLE", message: "scripted" } }));
    return this.proxy.harm(
      ({ method, path }) => method === "POST" && path.includes(this.resultTopic) && path.endsWith("/events"),
      { kind: "answer", text: answer },
    );
  }

  /** Takes no objects until the rule is lifted. */
  refuseObjects(): Rule {
    const answer = httpAnswer(403, JSON.stringify({ error: { code: "FORBIDDEN", message: "scripted" } }));
    return this.proxy.harm(({ method, path }) => method === "POST" && path.endsWith("/payloads"), {
      kind: "answer",
      text: answer,
    });
  }

  /** Writes a file where the plugin looks for a code. */
  async dropCode(code: string): Promise<void> {
    await mkdir(this.paths.dir, { recursive: true, mode: 0o700 });
    const draft = join(this.dir, "draft");
    await writeFile(draft, `${code}\n`, { mode: 0o600 });
    await rename(draft, this.paths.bootstrap);
  }

  /** Waits until everything asked, or so much, is answered and the running account has nothing left to do. */
  async settled(wanted = this.asked.length): Promise<void> {
    for (const end = performance.now() + PATIENCE_MS; performance.now() < end; await sleep(LOOK_EVERY_MS)) {
      const health = await this.lives.at(-1)?.health();
      if (health?.["backlog"] !== 0 || health["unsentReplies"] !== 0) continue;
      const answered = new Set(terminalReplies(await this.replies()).map((reply) => reply["request_id"]));
      if (answered.size >= wanted) return;
    }
    throw new Error(`not everything was answered in time:\n${(await this.verdict()).join("\n")}\n${await this.log()}`);
  }

  /** Every way in which a promise was broken. Empty when none was. */
  async verdict(): Promise<readonly string[]> {
    const limit = Number(this.#settings["maxAttempts"] ?? 20);
    const runs = Map.groupBy(await this.turns(), ({ requestId }) => requestId);
    const tooOften = [...runs]
      .filter(([, all]) => all.length > limit)
      .map(([requestId, all]) => `${requestId} was run ${all.length} times`);
    const twice = [...runs]
      .filter(([, all]) => new Set(all.map(({ attempt }) => attempt)).size < all.length)
      .map(([requestId]) => `${requestId} was run twice under one attempt number`);
    const replies = await this.replies();
    return [...violations(this.asked, replies), ...(await this.#danglingObjects(replies)), ...tooOften, ...twice];
  }

  /** Spilled replies whose text is not there to be read. */
  async #danglingObjects(replies: readonly Readonly<Record<string, unknown>>[]): Promise<readonly string[]> {
    const objects = replies.map((reply) => reply["message_object"]).filter((object) => object !== undefined);
    const checks = objects.map(async (object) => {
      const fields = object as Readonly<Record<string, unknown>>;
      const objectId = String(fields["object_id"] ?? fields["payload_object_id"]);
      const signal = AbortSignal.timeout(PATIENCE_MS);
      const { downloadUrl } = await this.client.objectInfo({ topicId: this.resultTopic, objectId, signal });
      const bytes = await (await fetch(downloadUrl, { signal })).arrayBuffer();
      return bytes.byteLength === fields["size"] ? [] : [`the object ${objectId} has ${bytes.byteLength} bytes`];
    });
    return (await Promise.all(checks)).flat();
  }

  /** Every turn that was begun, in any life. */
  async turns(): Promise<readonly LoggedTurn[]> {
    const text = await readFile(turnLogOf(this.dir), "utf8").catch(() => "");
    return text
      .split("\n")
      .filter((line) => line.endsWith("}"))
      .map((line) => JSON.parse(line) as LoggedTurn);
  }

  async close(): Promise<void> {
    for (const life of this.lives) life.kill();
    await Promise.all(this.lives.map(({ end }) => end satisfies Promise<End>));
    await this.client.close();
    await this.proxy.close();
    await rm(this.dir, { recursive: true, force: true });
  }

  /** Everything on the result topic. */
  async replies() {
    for (let tries = 1; ; tries += 1) {
      try {
        return await wholeTopic(this.client, this.resultTopic);
      } catch (error) {
        // The hub is being killed.
        if (tries >= 50) throw error;
        await sleep(LOOK_EVERY_MS * tries);
      }
    }
  }

  /** The end of what the account has logged. */
  async log(): Promise<string> {
    const text = await readFile(join(this.dir, "account.log"), "utf8").catch(() => "");
    return text.split("\n").slice(-LOG_LINES).join("\n");
  }
}
