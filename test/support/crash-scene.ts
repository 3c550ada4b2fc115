/** A gateway that is killed, the hub it works for, and everything that was asked over that hub: one account of both. */

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type ChannelStatus, channelStatus } from "../../scripts/lib/channel-status.ts";
import { stopAllChildren } from "../../scripts/lib/children.ts";
import { CHANNEL_ID } from "../../scripts/lib/host-config.ts";
import type { Hub } from "../../scripts/lib/hub.ts";
import { openClaw } from "../../scripts/lib/openclaw.ts";
import { type Asked, type ResultEvent, terminalReplies, violations } from "./checker.ts";
import { CrashGateway } from "./crash-gateway.ts";
import { eventually, type TestGateway } from "./gateway.ts";
import { startTestHub } from "./hub.ts";
import { TestTopics } from "./topics.ts";

/** The host resumes interrupted turns one after the other, some seconds after its start. */
const STALLED_MS = 240_000;
const LOOK_EVERY_MS = 250;

export class CrashScene {
  readonly crash: CrashGateway;
  readonly topics: TestTopics;
  readonly asked: Asked[] = [];
  readonly #dir: string;
  readonly #results: ResultEvent[] = [];
  #hub: Hub;
  #lastSequence = 0;

  private constructor(dir: string, hub: Hub, topics: TestTopics, crash: CrashGateway) {
    this.#dir = dir;
    this.#hub = hub;
    this.topics = topics;
    this.crash = crash;
  }

  /** Starts hub and gateway, activated and listening. `config` are settings of the plugin. */
  static async create(config: Readonly<Record<string, unknown>>): Promise<CrashScene> {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), "agentrux-e2e-crash-"));
    const hub = await startTestHub(dir, ["--tokens-per-hour", "100000"]);
    const topics = await TestTopics.create(hub, "crash");
    const crash = await CrashGateway.prepare(dir, hub, topics, config);
    crash.gateway.dropBootstrap(await hub.issueCode(topics.agentScriptId));
    await crash.start();
    await crash.gateway.untilListening(topics);
    return new CrashScene(dir, hub, topics, crash);
  }

  get gateway(): TestGateway {
    return this.crash.gateway;
  }

  async close(): Promise<void> {
    await this.gateway.close();
    await stopAllChildren();
    fs.rmSync(this.#dir, { recursive: true, force: true });
  }

  /** Publishes a command, until the hub has it. */
  async ask(message: string, conversation: string): Promise<void> {
    const requestId = `r${this.asked.length}`;
    this.asked.push({ requestId, conversation, message, status: "completed" });
    await eventually("the hub takes a command", () =>
      this.topics.publish({ requestId, message, conversationKey: conversation }).catch(() => undefined),
    );
  }

  /** How many commands have their terminal reply. */
  async answered(): Promise<number> {
    const fresh = await this.topics.client.eventsAfter(this.topics.resultTopicId, this.#lastSequence).catch(() => []);
    this.#lastSequence = fresh.at(-1)?.sequence ?? this.#lastSequence;
    this.#results.push(...fresh.map(({ payload }) => payload));
    return new Set(terminalReplies(this.#results).map((reply) => reply["request_id"])).size;
  }

  /** Waits until everything asked so far has a terminal reply. @throws with what has none, once no more come */
  async allAnswered(): Promise<void> {
    const wanted = this.asked.length;
    let answered = await this.answered();
    for (let lastAt = performance.now(); answered < wanted; await sleep(LOOK_EVERY_MS)) {
      const now = await this.answered();
      if (now > answered) lastAt = performance.now();
      answered = now;
      if (performance.now() - lastAt < STALLED_MS) continue;
      const broken = (await this.verdict()).join("\n");
      throw new Error(`no reply for ${STALLED_MS / 1_000} s, ${answered} of ${wanted} are there:\n${broken}`);
    }
  }

  /** Every broken promise, with what was answered there. */
  async verdict(): Promise<readonly string[]> {
    await this.answered();
    return violations(this.asked, this.#results).map((broken) => {
      const replies = this.#results.filter((result) => broken.startsWith(`${String(result["request_id"])} `));
      return [broken, ...replies.map(({ status, message }) => `${String(status)}: ${String(message)}`)].join("\n  ");
    });
  }

  /** How often a request with just this text has reached the model. */
  timesAtModel(text: string): number {
    return this.gateway.model.requests.filter((request) => request.text === text).length;
  }

  /** Waits until a turn with this text has reached the model, the n-th time. */
  async untilModelSees(text: string, times = 1): Promise<void> {
    const seen = (): number => this.gateway.model.requests.filter((request) => request.text.includes(text)).length;
    await eventually(`the model sees "${text}"`, () => seen() >= times);
  }

  /** Asks the running gateway to do something with the channel. */
  async call(method: string): Promise<{ readonly outcome?: { readonly status: string } }> {
    const params = JSON.stringify({ channel: CHANNEL_ID });
    const answer = await openClaw(this.gateway.home, ["gateway", "call", method, "--params", params, "--json"]);
    return JSON.parse(answer.slice(answer.indexOf("{"))) as { outcome?: { status: string } };
  }

  /** How often the account was started in this life of the gateway. */
  starts(): number {
    return this.gateway.log().split("Gateway starting: topic=").length - 1;
  }

  status(): Promise<ChannelStatus> {
    return channelStatus(this.gateway.home, { probe: false });
  }

  killHub(): Promise<void> {
    return this.#hub.kill();
  }

  async startHub(): Promise<void> {
    this.#hub = await this.#hub.again();
  }
}
