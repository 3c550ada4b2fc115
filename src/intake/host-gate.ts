/**
 * Owns whether turns may be started: the host refuses them while it drains, starts up or is full.
 *
 * Open, anything may start. After a refusal it is closed for a while that grows with each refusal in a row; then one
 * turn may try, whatever else is under way. If that one is refused the gate closes again; if it ends otherwise, or
 * simply goes on for a moment, the gate opens.
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
  /** Whether another turn may start. */
  allows(): boolean;
  /** A turn is about to start; it counts as a trial until it is told what became of it. */
  begin(): Trial;
  stop(): void;
}

/** A turn of which it is not known yet how the host takes it. */
export interface Trial {
  /** The host has been asked. */
  asked(): void;
  /** What became of it; only the first end counts. `unasked` where the host never was. */
  end(how: "taken" | "refused" | "unasked"): void;
}

/** @param onOpen Called whenever more may start than before. */
export function createHostGate(clock: Clock, random: Random, onOpen: () => void): HostGate {
  let refusals = 0;
  /** Ended by its timer and not by looking at the clock: a timer that rings a moment early would open nothing. */
  let closed = false;
  let cancelReopen = (): void => {};
  let stopped = false;
  const trials = new Set<Trial>();

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
    allows: () => refusals === 0 || (trials.size === 0 && !closed),
    begin() {
      let cancel = (): void => {};
      let ended = false;
      const trial: Trial = {
        asked() {
          cancel = clock.after(ACCEPTED_AFTER_MS, () => {
            trials.delete(trial);
            taken();
          });
        },
        end(how) {
          if (ended) return;
          ended = true;
          cancel();
          trials.delete(trial);
          if (how === "taken") taken();
          else if (how === "refused") refused();
        },
      };
      trials.add(trial);
      return trial;
    },
    stop() {
      stopped = true;
      cancelReopen();
      for (const trial of trials) trial.end("unasked");
    },
  };
}
