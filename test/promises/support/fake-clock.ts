/** Virtual time: nothing happens until the test lets it, and a day takes as long as its events do. */

import type { Clock } from "../../../src/replies/ports.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

export class FakeClock implements Clock {
  #now = 0;
  #order = 0;
  #timers: Timer[] = [];
  /** Added to the wall clock only. */
  wallOffset = 1_800_000_000_000;

  now(): number {
    return this.#now + this.wallOffset;
  }

  monotonic(): number {
    return this.#now;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer: Timer = { at: this.#now + Math.ceil(Math.max(delayMs, 0)), order: (this.#order += 1), callback };
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#timers[middle]?.at ?? 0) <= timer.at) low = middle + 1;
      else high = middle;
    }
    this.#timers.splice(low, 0, timer);
    return () => {
      const at = this.#timers.indexOf(timer);
      if (at >= 0) this.#timers.splice(at, 1);
    };
  }

  get pending(): number {
    return this.#timers.length;
  }

  /** Lets everything happen that needs no time. */
  async settle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Moves on to the next timer and lets it happen. False when there is none before `limit`. */
  async step(limit = Number.POSITIVE_INFINITY): Promise<boolean> {
    const next = this.#timers[0];
    if (next === undefined || next.at > limit) return false;
    this.#timers.shift();
    this.#now = Math.max(this.#now, next.at);
    next.callback();
    await this.settle();
    return true;
  }

  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await this.settle();
    while (await this.step(until));
    this.#now = until;
  }

  /** Runs until `done`, at most `limitMs` of virtual time. */
  async until(done: () => boolean, limitMs = 3_600_000): Promise<void> {
    const until = this.#now + limitMs;
    await this.settle();
    while (!done()) {
      if (!(await this.step(until))) throw new Error(`It did not happen within ${limitMs} ms of virtual time.`);
    }
  }
}
