/**
 * Owns watching a stock server, whose WebSocket loses messages in silence, sends deletions out of order and has neither
 * snapshots nor cursors (flux-wire 2). So what it sends is only a hint that an entity is to be looked at again; what is
 * comes from REST.
 *
 *   list every subscription, after subscribing -> look at what was hinted at, as it is now -> list again, at intervals
 *
 * A failure of REST ends the connection: whatever was hinted at is found by the lists of the next one.
 */

import type { FluxEntity, FluxStockMessage } from "agentrux-wire";
import { errorText } from "../../errors.ts";
import { type Clock, pause } from "../../replies/ports.ts";
import type { FluxClient } from "../client.ts";
import { asked, type FeedSink, type Subscription } from "./sink.ts";

export interface StockOptions {
  readonly client: FluxClient;
  readonly sink: FeedSink;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly send: (message: object) => void;
  /** Between two full lists. */
  readonly listEveryMs: number;
  readonly onLive: () => void;
  readonly onFailure: (reason: string) => void;
}

/** Hints about one entity within this time are one. */
const GATHER_MS = 50;
/** With more entities to look at than this, listing them is cheaper. */
const MOST_LOOKS = 200;
const PAGE = 1_000;
const CALL_MS = 30_000;

export class StockTalk {
  readonly #options: StockOptions;
  readonly #toList = new Map<string, Subscription>();
  readonly #toLookAt = new Set<string>();
  #wake = (): void => {};
  #listAgainAt = 0;

  constructor(options: StockOptions) {
    this.#options = options;
  }

  /** Begins, and goes on until the signal aborts. */
  start(): void {
    const { sink, signal, onFailure } = this.#options;
    for (const subscription of sink.subscriptions()) this.subscribe(subscription);
    this.#work().catch((error: unknown) => {
      if (!signal.aborted) onFailure(errorText(error));
    });
  }

  subscribe(subscription: Subscription): void {
    const target = asked(subscription.target);
    // Prefixes are unknown there; and nothing is ever unsubscribed, since whoever asks for nothing is sent everything.
    this.#options.send({ type: "subscribe", entity_id: "entity_id" in target ? target.entity_id : "*" });
    this.#toList.set(subscription.label, subscription);
    this.#wake();
  }

  hear(message: FluxStockMessage): void {
    if (message.type === "metrics_update" || !this.#options.sink.covers(message.entity_id)) return;
    this.#toLookAt.add(message.entity_id);
    this.#wake();
  }

  async #work(): Promise<void> {
    const { clock, signal, listEveryMs, sink, onLive } = this.#options;
    this.#listAgainAt = clock.monotonic() + listEveryMs;
    while (!signal.aborted) {
      if (clock.monotonic() >= this.#listAgainAt || this.#toLookAt.size > MOST_LOOKS) this.#listAll();
      const [subscription] = this.#toList.values();
      if (subscription !== undefined) {
        this.#toList.delete(subscription.label);
        await this.#list(subscription);
        if (this.#toList.size === 0) onLive();
        continue;
      }
      const [entity] = this.#toLookAt;
      if (entity === undefined) {
        await this.#rest();
        continue;
      }
      // Removed before the look: a hint that comes during it asks for another.
      this.#toLookAt.delete(entity);
      const seen = await this.#call((limit) => this.#options.client.entity(entity, limit));
      sink.replace(entity, seen, seen?.lastUpdated ?? new Date(clock.now()).toISOString());
    }
  }

  #listAll(): void {
    const { sink, clock, listEveryMs } = this.#options;
    this.#toLookAt.clear();
    for (const subscription of sink.subscriptions()) this.#toList.set(subscription.label, subscription);
    this.#listAgainAt = clock.monotonic() + listEveryMs;
  }

  async #list({ label, target }: Subscription): Promise<void> {
    const { sink, client } = this.#options;
    const found: FluxEntity[] = [];
    if ("entity" in target) {
      const one = await this.#call((signal) => client.entity(target.entity, signal));
      if (one !== undefined) found.push(one);
    } else {
      for (let cursor: string | undefined; ;) {
        const query = { prefix: target.prefix, limit: PAGE, ...(cursor === undefined ? {} : { cursor }) };
        const page = await this.#call((signal) => client.list(query, signal));
        found.push(...page.items);
        cursor = page.next;
        if (cursor === undefined) break;
      }
    }
    sink.unsync(label);
    sink.part(label, found);
    sink.whole(label);
  }

  #call<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return work(AbortSignal.any([this.#options.signal, AbortSignal.timeout(CALL_MS)]));
  }

  /** Until there is a hint, or it is time to list again. */
  async #rest(): Promise<void> {
    const { clock, signal } = this.#options;
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    await pause(clock, this.#listAgainAt - clock.monotonic(), AbortSignal.any([signal, woken.signal]));
    this.#wake = () => {};
    await pause(clock, GATHER_MS, signal);
  }
}
