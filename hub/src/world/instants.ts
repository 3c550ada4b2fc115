/**
 * Owns the world's instants: epoch microseconds, each later than the one before. Two events in one millisecond still
 * differ in `lastUpdated`, which is what clients compare to see whether something has changed; and a clock that is set
 * back never makes a newer change look older.
 */
import type { Clock } from "../runtime.ts";

export class Instants {
  readonly #clock: Clock;
  #last: number;

  /** @param last the newest instant given out before, epoch microseconds */
  constructor(clock: Clock, last: number) {
    this.#clock = clock;
    this.#last = last;
  }

  next(): number {
    this.#last = Math.max(this.#last + 1, this.#clock.now() * 1000);
    return this.#last;
  }
}

let knownSecond = Number.NaN;
let knownText = "";

/** RFC 3339 without the offset, as in `2026-02-11T16:54:33.260296`: REST adds `+00:00`, the WebSocket `Z`. */
export function isoMicros(epochMicros: number): string {
  const second = Math.floor(epochMicros / 1_000_000);
  if (second !== knownSecond) {
    knownText = new Date(second * 1000).toISOString().slice(0, 20);
    knownSecond = second;
  }
  return knownText + String(epochMicros - second * 1_000_000).padStart(6, "0");
}
