/**
 * One flow under a fault: a real hub, a proxy in front of it, an account that knows only the proxy, and somebody who
 * asks at the hub itself.
 */

import { mkdir } from "node:fs/promises";
import { grant } from "../../hub/src/admin/operations.ts";
import { echo, Place, type Running, type Turn } from "../account/support.ts";
import type { ServiceClientOptions } from "../../src/service/client.ts";
import { type Asked, type ResultEvent, terminalReplies, violations, wholeTopic } from "./checker.ts";
import { type Match, Proxy, type Rule } from "./proxy.ts";
import { RatedClock } from "./rated-clock.ts";

export interface FlowOptions {
  readonly generation?: "a" | "b";
  /** The server heeds `Idempotency-Key`; by default in generation B. */
  readonly heedsKeys?: boolean;
  /** The account may read the result topic; by default where the server does not heed keys. */
  readonly readsResults?: boolean;
  /** How much faster than the machine's the account's clock runs. */
  readonly rate?: number;
  readonly turn?: Turn;
  /** How many conversations the commands belong to. */
  readonly conversations?: number;
  readonly settings?: object;
  readonly service?: ServiceClientOptions;
}

const CONVERSATIONS = 3;
/** Longer than anything waited for here takes on a machine that is busy. */
const PATIENCE_MS = 60_000;
const LOOK_EVERY_MS = 25;

/** Waits until `check` holds. @throws naming `what` when it does not in time. */
export async function until(what: string, check: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = performance.now() + PATIENCE_MS; performance.now() < end;) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  throw new Error(`waited in vain: ${what}`);
}

export interface AskOptions {
  /** The terminal status to expect. */
  readonly status?: string | undefined;
  readonly conversations?: number | undefined;
}

/** Publishes `count` commands in a few conversations, straight at the hub, and notes them in `asked`. */
export async function ask(
  place: Place,
  asked: Asked[],
  count: number,
  { status = "completed", conversations = CONVERSATIONS }: AskOptions = {},
): Promise<void> {
  for (let sent = 0; sent < count; sent += 1) {
    const number = asked.length;
    const requestId = `r${number}`;
    const conversation = `c${number % conversations}`;
    const message = `${number}: 日本語のメッセージ 🙂`;
    asked.push({ requestId, conversation, message, status });
    await place.publish({ request_id: requestId, conversation_key: conversation, message });
  }
}

/** Whether every command has a terminal reply, as the hub tells it. */
export async function allAnswered(place: Place, asked: readonly Asked[]): Promise<boolean> {
  const answered = terminalReplies(await wholeTopic(place.client, place.keys.resultTopicId));
  return new Set(answered.map((reply) => reply["request_id"])).size >= asked.length;
}

export class Flow {
  readonly place: Place;
  readonly proxy: Proxy;
  readonly clock: RatedClock;
  readonly asked: Asked[] = [];
  readonly #options: FlowOptions;
  readonly #runs: Running[] = [];

  private constructor(place: Place, proxy: Proxy, clock: RatedClock, options: FlowOptions) {
    this.place = place;
    this.proxy = proxy;
    this.clock = clock;
    this.#options = options;
    this.#start();
  }

  /** Starts everything; resolves when the account takes commands. */
  static async start(options: FlowOptions = {}): Promise<Flow> {
    const { generation = "a", heedsKeys = generation === "b", readsResults = !heedsKeys } = options;
    const place = await Place.create();
    if (readsResults) await grant(place.hub.deps, place.agentScript, place.keys.resultTopicId, "read");
    const clock = new RatedClock(options.rate);
    const drop = heedsKeys ? [] : ["idempotency-key"];
    const proxy = await Proxy.start(place.hub.url, { monotonic: () => clock.monotonic(), drop });
    await mkdir(place.paths.dir, { recursive: true, mode: 0o700 });
    await place.drop(await place.code(generation));
    const flow = new Flow(place, proxy, clock, options);
    await flow.running.ready();
    return flow;
  }

  /** The account as it runs now. */
  get running(): Running {
    const running = this.#runs.at(-1);
    if (running === undefined) throw new Error("nothing was started");
    return running;
  }

  #start(): void {
    const { turn = echo, settings, service } = this.#options;
    const own = { baseUrl: this.proxy.url, maxConcurrency: 8, ...settings };
    const ports = { clock: this.clock, ...(service === undefined ? {} : { service }) };
    this.#runs.push(this.place.start(turn, own, ports));
  }

  /** Stops the account and starts it again, on the same files. */
  async restart(): Promise<void> {
    await this.running.stop();
    this.#start();
    await this.running.ready();
  }

  readonly pulls: Match = ({ method, path }) =>
    method === "GET" && this.#isEvents(path, this.place.keys.commandTopicId);
  readonly publishes: Match = ({ method, path }) =>
    method === "POST" && this.#isEvents(path, this.place.keys.resultTopicId);
  readonly lookUps: Match = ({ method, path }) =>
    method === "GET" && this.#isEvents(path, this.place.keys.resultTopicId);
  readonly streams: Match = ({ path }) => path.includes("/events/stream");
  readonly tokens: Match = ({ path }) => /^\/(?:auth\/(?:token|refresh)|oauth\/token)/.test(path);
  readonly everything: Match = () => true;

  #isEvents(path: string, topicId: string): boolean {
    return path.includes(topicId) && /\/events(?:\?|$)/.test(path);
  }

  /** Publishes `count` commands in a few conversations, straight at the hub. */
  ask(count: number, status?: string): Promise<void> {
    return ask(this.place, this.asked, count, { status, conversations: this.#options.conversations });
  }

  /** Publishes commands in conversations of their own. */
  async askOthers(count: number): Promise<void> {
    for (let sent = 0; sent < count; sent += 1) {
      const number = this.asked.length;
      const requestId = `r${number}`;
      const conversation = `other${number % CONVERSATIONS}`;
      this.asked.push({ requestId, conversation, message: requestId, status: "completed" });
      await this.place.publish({ request_id: requestId, conversation_key: conversation, message: requestId });
    }
  }

  /** The whole result topic. */
  replies(): Promise<readonly ResultEvent[]> {
    return wholeTopic(this.place.client, this.place.keys.resultTopicId);
  }

  /** Waits until a rule was applied to so many requests. */
  async bitten(rule: Rule, times: number): Promise<void> {
    await until(`the fault meets ${times} requests, met ${rule.hits.length}`, () => rule.hits.length >= times);
  }

  /** Waits until the account has said that it is troubled; gives the reasons it told. */
  async troubled(kind: "recovering" | "blocked"): Promise<string> {
    const reasons = (): string[] => this.running.states.flatMap((state) => (state.kind === kind ? [state.reason] : []));
    await until(`the account is ${kind}`, () => reasons().length > 0);
    return reasons().join("\n");
  }

  /** Lets so much of the account's time pass. */
  async pass(ms: number): Promise<void> {
    await new Promise<void>((resolve) => void this.clock.after(ms, resolve));
  }

  /** Waits until everything asked is answered and nothing is left to do. */
  async settled(): Promise<void> {
    await until(`${this.asked.length} replies, and nothing left to do`, async () => {
      const health = this.running.account?.health();
      if (this.running.state?.kind !== "ready" || health?.["backlog"] !== 0 || health["unsentReplies"] !== 0)
        return false;
      return await allAnswered(this.place, this.asked);
    });
  }

  /** What is wrong in the end: on the result topic, and with the turns that were run. Empty when nothing is. */
  async verdict(): Promise<readonly string[]> {
    const results = await this.replies();
    const turns = this.#runs.flatMap((run) => run.turns.map(({ command }) => command.requestId));
    const again = turns.filter((requestId, index) => turns.indexOf(requestId) < index);
    return [...violations(this.asked, results), ...again.map((requestId) => `${requestId} was run again`)];
  }

  async close(): Promise<void> {
    await this.place.close();
    await this.proxy.close();
  }
}

/** The most requests of a rule within any second of the account's time. */
export function busiestSecond(rule: Rule): number {
  const times = rule.hits.map(({ at }) => at);
  return Math.max(0, ...times.map((from) => times.filter((at) => at >= from && at < from + 1_000).length));
}
