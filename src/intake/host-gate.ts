/**
 * Owns whether turns may be started: the host refuses them while it drains, starts up or is full.
 *
 * Open, anything may start. After a refusal it is closed for a while that grows with each refusal in a row; then one
 * turn may try. If that one is refused the gate closes again; if it ends otherwise, or simply goes on for a moment, the
 * gate opens.
 */

import type { Clock, Random } from "../replies/ports.ts";
import { fullJitter } from "../service/backoff.ts";

const SHORTEST_MS = 250;
const BACKOFF = { baseMs: 500, capMs: 15_000 };
/** The host refuses at once or not at all. */
const ACCEPTED_AFTER_MS = 1_000;

export interface HostGate {
  /** Refusals in a row; 0 while the gate is open. */
  readonly refusals: number;
  /** Whether another turn may start, with so many under way. */
  allows(running: number): boolean;
  /** A turn begins. The result is to be told, once, how the host took it. */
  begin(): (end: "taken" | "refused") => void;
  stop(): void;
}

/** @param onOpen Called whenever more may start than before. */
export function createHostGate(clock: Clock, random: Random, onOpen: () => void): HostGate {
  let refusals = 0;
  /** Ended by its timer and not by looking at the clock: a timer that rings a moment early would open nothing. */
  let closed = false;
  let cancelReopen = (): void => {};
  let stopped = false;
  const trials = new Set<() => void>();

  const taken = (): void => {
    if (refusals === 0) return;
    refusals = 0;
    closed = false;
    cancelReopen();
    onOpen();
  };

  const refused = (): void => {
    const delayMs = SHORTEST_MS + fullJitter(refusals, BACKOFF, random);
    refusals += 1;
    closed = true;
    cancelReopen();
    if (stopped) return;
    cancelReopen = clock.after(delayMs, () => {
      closed = false;
      onOpen();
    });
  };

  return {
    get refusals() {
      return refusals;
    },
    allows: (running) => refusals === 0 || (running === 0 && !closed),
    begin() {
      const cancel = clock.after(ACCEPTED_AFTER_MS, () => {
        trials.delete(cancel);
        taken();
      });
      trials.add(cancel);
      return (end) => {
        cancel();
        trials.delete(cancel);
        if (end === "taken") taken();
        else refused();
      };
    },
    stop() {
      stopped = true;
      cancelReopen();
      for (const cancel of trials) cancel();
    },
  };
}
