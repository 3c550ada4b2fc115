/** A clock that runs faster than the machine's, and whose wall time a test can move. */

import type { Clock } from "../../src/replies/ports.ts";

export class RatedClock implements Clock {
  /** How far the wall clock is off, in milliseconds. */
  wallOffsetMs = 0;
  readonly #rate: number;
  readonly #wallOriginMs = Date.now();
  readonly #origin = performance.now();

  /** @param rate How many milliseconds pass here in one of the machine's. */
  constructor(rate = 1) {
    this.#rate = rate;
  }

  now(): number {
    return Math.floor(this.#wallOriginMs + this.monotonic() + this.wallOffsetMs);
  }

  monotonic(): number {
    return (performance.now() - this.#origin) * this.#rate;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = setTimeout(callback, delayMs / this.#rate);
    return () => clearTimeout(timer);
  }
}
