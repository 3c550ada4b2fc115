/** Owns how often a watch may tell: the debounce and cooldown of an entity, and the turns of an hour. Pure; monotonic times. */

import type { FluxWatch } from "../../config/flux.ts";

const HOUR_MS = 3_600_000;
/** Of the debounce. */
const COMPANY_SHARE = 0.5;

interface Waiting {
  readonly since: number | undefined;
  readonly toldAt: number | undefined;
}

export class Pace {
  readonly #watch: Pick<FluxWatch, "debounceMs" | "cooldownMs" | "turnsPerHour">;
  #turns: readonly number[] = [];

  constructor(watch: Pick<FluxWatch, "debounceMs" | "cooldownMs" | "turnsPerHour">) {
    this.#watch = watch;
  }

  /** When turns were started within the hour, the oldest first. */
  get turns(): readonly number[] {
    return this.#turns;
  }

  restore(turns: readonly number[]): void {
    this.#turns = turns;
  }

  turn(at: number): void {
    this.#turns = [...this.#turns.filter((earlier) => earlier > at - HOUR_MS), at];
  }

  /** When the hour has room for another turn. */
  allowedAt(): number {
    const limiting = this.#turns.at(-this.#watch.turnsPerHour);
    return limiting === undefined ? Number.NEGATIVE_INFINITY : limiting + HOUR_MS;
  }

  /**
   * When a change may be told.
   *
   * @param inCompany another change is told now: what is nearly settled goes with it, rather than into a turn of its own
   */
  readyAt({ since = 0, toldAt }: Waiting, inCompany = false): number {
    const cool = toldAt === undefined ? Number.NEGATIVE_INFINITY : toldAt + this.#watch.cooldownMs;
    return Math.max(since + this.#watch.debounceMs * (inCompany ? COMPANY_SHARE : 1), cool);
  }

  /** `toldAt` where an entity's cooldown lasts. */
  lasting(toldAt: number | undefined, now: number): number | undefined {
    return toldAt !== undefined && toldAt + this.#watch.cooldownMs > now ? toldAt : undefined;
  }
}
