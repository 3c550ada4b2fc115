/**
 * Owns the connection to the Flux server for as long as something is watched.
 *
 *   connecting -> asking     everything wanted is asked for, in this project's words
 *   asking -> explicit       the server answers in them (explicit.ts)
 *          -> stock          it does not, within a time limit, or says what only a stock server says (stock.ts)
 *   any -> waiting           the connection ended, fell silent, or brought what cannot be read; with growing, random
 *                            pauses, which begin anew once a connection has lasted
 *   waiting -> connecting    and what was missed meanwhile is made good: from the cursor, or by snapshot or list
 */

import { errorText } from "../../errors.ts";
import { type Clock, pause, type Random } from "../../replies/ports.ts";
import { type BackoffLimits, fullJitter } from "../../service/backoff.ts";
import type { FluxClient } from "../client.ts";
import { ExplicitTalk, type Resumption } from "./explicit.ts";
import { readFrame } from "./frames.ts";
import type { FeedSink, Subscription } from "./sink.ts";
import { openSocket, type WatchSocket } from "./socket.ts";
import { StockTalk } from "./stock.ts";

export interface FeedTimes {
  readonly openMs: number;
  /** How long the server may take to show which kind it is. */
  readonly answerMs: number;
  /** After so long without a word it is asked whether it is there, and given the next time to say so. */
  readonly quietMs: number;
  readonly pongMs: number;
  /** A stock server knows no such question; its figures come every two seconds. */
  readonly stockSilenceMs: number;
  readonly stockListMs: number;
  readonly retry: BackoffLimits;
  /** A connection that was whole for so long is a success. */
  readonly lastingMs: number;
}

export const FEED_TIMES: FeedTimes = {
  openMs: 15_000,
  answerMs: 5_000,
  quietMs: 20_000,
  pongMs: 10_000,
  stockSilenceMs: 60_000,
  stockListMs: 300_000,
  retry: { baseMs: 1_000, capMs: 60_000 },
  lastingMs: 30_000,
};

export interface FeedOptions {
  readonly client: FluxClient;
  readonly sink: FeedSink;
  readonly clock: Clock;
  readonly random: Random;
  readonly times: FeedTimes;
  readonly maxMessageBytes: number;
  /** Everything wanted is known, and followed. */
  readonly onLive: (server: "hub" | "stock") => void;
  readonly onTrouble: (reason: string) => void;
}

export class Feed {
  readonly #options: FeedOptions;
  readonly #resumption: Resumption = { cursor: undefined, live: new Set() };
  #connection: Connection | undefined;
  #wake = (): void => {};

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  get isLive(): boolean {
    return this.#connection?.isLive === true;
  }

  /** Another subscription is wanted. */
  add(subscription: Subscription): void {
    // Whoever is new needs all of it, also where others have it.
    this.#resumption.live.delete(subscription.label);
    this.#connection?.add(subscription);
    this.#wake();
  }

  /** Nobody wants this one any more. */
  remove(subscription: Subscription): void {
    this.#connection?.remove(subscription);
    this.#resumption.live.delete(subscription.label);
  }

  /** Lives until `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, times, sink, onTrouble } = this.#options;
    for (let failures = 0; !signal.aborted;) {
      if (sink.subscriptions().length === 0) {
        await this.#untilWanted(signal);
        continue;
      }
      const { reason, lasted } = await this.#connect(signal);
      if (signal.aborted) return;
      onTrouble(reason);
      failures = lasted ? 0 : failures + 1;
      await pause(clock, fullJitter(failures - 1, times.retry, random), signal);
    }
  }

  async #untilWanted(signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    if (this.#options.sink.subscriptions().length === 0) {
      await new Promise<void>((resolve) => {
        const either = AbortSignal.any([signal, woken.signal]);
        if (either.aborted) resolve();
        either.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    this.#wake = () => {};
  }

  async #connect(signal: AbortSignal): Promise<{ readonly reason: string; readonly lasted: boolean }> {
    try {
      this.#connection = new Connection(this.#options, this.#resumption);
      return await this.#connection.run(signal);
    } catch (error) {
      return { reason: errorText(error), lasted: false };
    } finally {
      this.#connection = undefined;
    }
  }
}

class Connection {
  readonly #options: FeedOptions;
  readonly #explicit: ExplicitTalk;
  readonly #over = new AbortController();
  #stock: StockTalk | undefined;
  #socket: WatchSocket | undefined;
  #isOpen = false;
  #stockIsLive = false;
  #liveSince: number | undefined;
  #heardAt = 0;
  #askedAt: number | undefined;
  #openedAt = 0;
  #cancelListening = (): void => {};

  constructor(options: FeedOptions, resumption: Resumption) {
    this.#options = options;
    this.#explicit = new ExplicitTalk(options.sink, resumption, (message) => this.#socket?.send(message));
  }

  get isLive(): boolean {
    return this.#isOpen && (this.#stock === undefined ? this.#explicit.isLive : this.#stockIsLive);
  }

  add(subscription: Subscription): void {
    if (!this.#isOpen) return;
    if (this.#stock === undefined) this.#explicit.subscribe(subscription);
    else this.#stock.subscribe(subscription);
  }

  remove(subscription: Subscription): void {
    if (this.#isOpen && this.#stock === undefined) this.#explicit.unsubscribe(subscription);
  }

  /** Until it ends, whoever ends it. @throws AgentruxError for an address that must not be used */
  async run(signal: AbortSignal): Promise<{ readonly reason: string; readonly lasted: boolean }> {
    const { client, clock, times, maxMessageBytes } = this.#options;
    const reason = await new Promise<string>((resolve, reject) => {
      const onAbort = (): void => this.#socket?.end("stopped");
      try {
        this.#socket = openSocket({
          server: client.server,
          clock,
          maxMessageBytes,
          openMs: times.openMs,
          onOpen: () => this.#open(),
          onText: (text) => this.#hear(text),
          onEnd: (why) => {
            signal.removeEventListener("abort", onAbort);
            resolve(why);
          },
        });
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
        return;
      }
      signal.addEventListener("abort", onAbort, { once: true });
      if (signal.aborted) onAbort();
    });
    this.#isOpen = false;
    this.#cancelListening();
    this.#over.abort();
    const lasted = this.#liveSince !== undefined && clock.monotonic() - this.#liveSince >= times.lastingMs;
    return { reason, lasted };
  }

  #open(): void {
    this.#isOpen = true;
    this.#openedAt = this.#heardAt = this.#options.clock.monotonic();
    for (const subscription of this.#options.sink.subscriptions()) this.#explicit.subscribe(subscription);
    this.#listen();
  }

  /** Looks, again and again, whether the server still has something to say. */
  #listen(): void {
    const { clock, times } = this.#options;
    const now = clock.monotonic();
    const silence = now - this.#heardAt;
    if (this.#stock !== undefined) {
      if (silence >= times.stockSilenceMs) return this.#end(`nothing heard for ${times.stockSilenceMs} ms`);
    } else if (!this.#explicit.isAnswered) {
      if (now - this.#openedAt >= times.answerMs) this.#becomeStock();
    } else if (this.#askedAt !== undefined && this.#heardAt < this.#askedAt) {
      if (now - this.#askedAt >= times.pongMs) return this.#end(`no answer within ${times.pongMs} ms`);
    } else if (silence >= times.quietMs) {
      this.#askedAt = now;
      this.#socket?.send({ type: "ping" });
    }
    const every = Math.max(1, Math.min(times.answerMs, times.quietMs, times.pongMs, times.stockSilenceMs) / 4);
    this.#cancelListening = clock.after(every, () => this.#listen());
  }

  #hear(text: string): void {
    this.#heardAt = this.#options.clock.monotonic();
    const frame = readFrame(text);
    switch (frame.kind) {
      case "other":
        return undefined;
      case "malformed":
        return this.#end(`the server sent ${frame.reason}`);
      case "stock":
        if (this.#stock === undefined && this.#explicit.isAnswered) {
          // Figures nobody asked for do no harm; anything else of a stock server's would be missed.
          return frame.message.type === "metrics_update" ? undefined : this.#end("the server sent what it should not");
        }
        if (this.#stock === undefined) this.#becomeStock();
        return this.#stock?.hear(frame.message);
      case "explicit":
        break;
    }
    if (this.#stock !== undefined) return this.#end("the server has answered late");
    const wrong = this.#explicit.hear(frame.message);
    if (wrong !== undefined) return this.#end(wrong);
    if (this.#explicit.isLive) this.#live("hub");
  }

  #becomeStock(): void {
    const { client, sink, clock, times } = this.#options;
    this.#stock = new StockTalk({
      client,
      sink,
      clock,
      signal: this.#over.signal,
      listEveryMs: times.stockListMs,
      send: (message) => this.#socket?.send(message),
      onLive: () => {
        this.#stockIsLive = true;
        this.#live("stock");
      },
      onFailure: (reason) => this.#end(reason),
    });
    this.#stock.start();
  }

  #live(server: "hub" | "stock"): void {
    if (this.#liveSince !== undefined) return;
    this.#liveSince = this.#options.clock.monotonic();
    this.#options.onLive(server);
  }

  #end(reason: string): void {
    this.#over.abort();
    this.#socket?.end(reason);
  }
}
