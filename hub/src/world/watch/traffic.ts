/** Owns the figures that watchers are sent (flux-wire 2): events, their rate over five seconds, and who publishes. */
import type { Clock } from "../../runtime.ts";
import type { Applied } from "../writer.ts";
import type { WorldState } from "../state.ts";

const RATE_WINDOW_MS = 5000;
const ACTIVE_WINDOW_MS = 10_000;
/** Sources are chosen by publishers; beyond this many the count stands still. */
const MAX_PUBLISHERS = 10_000;

export class Traffic {
  readonly #clock: Clock;
  readonly #state: WorldState;
  readonly #seenAt = new Map<string, number>();
  #readings: { readonly at: number; readonly seq: number }[] = [];

  constructor(clock: Clock, state: WorldState) {
    this.#clock = clock;
    this.#state = state;
  }

  note(applied: readonly Applied[]): void {
    const now = this.#clock.now();
    for (const { entry } of applied) {
      if (this.#seenAt.size < MAX_PUBLISHERS || this.#seenAt.has(entry.source)) this.#seenAt.set(entry.source, now);
    }
  }

  /** The message, for this moment. */
  text(connections: number): string {
    const now = this.#clock.now();
    for (const [source, at] of this.#seenAt) if (now - at > ACTIVE_WINDOW_MS) this.#seenAt.delete(source);
    const { seq, size } = this.#state;
    this.#readings = [...this.#readings.filter(({ at }) => now - at <= RATE_WINDOW_MS), { at: now, seq }];
    const [oldest] = this.#readings;
    const elapsedS = Math.max(1, (now - (oldest?.at ?? now)) / 1000);
    return JSON.stringify({
      type: "metrics_update",
      timestamp: new Date(now).toISOString(),
      entities: { total: size },
      events: { total: seq, rate_per_second: (seq - (oldest?.seq ?? seq)) / elapsedS },
      websocket: { connections },
      publishers: { active: this.#seenAt.size },
    });
  }
}
