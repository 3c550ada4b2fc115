/** Owns the count that keeps our own calls under a limit the service enforces. Pure but for the given clock. */

const HOUR_MS = 3_600_000;

export interface Budget {
  /** How long until the next call may be made, in milliseconds. */
  waitMs(): number;
  take(): void;
  /** Gives the call just taken back, because nothing of it left this machine. */
  giveBack(): void;
  /**
   * The gap a failure should be followed by. It grows with the calls that are gone: short at first, as most outages are;
   * beyond half of the calls the rest is spread over the hour, so that no outage outlasts them.
   */
  gapMs(): number;
}

/**
 * At most `perHour` calls in any sixty minutes. A bucket that refills would let twice as many through in its first hour,
 * and the service counts from its own beginning.
 */
export function hourlyBudget(perHour: number, monotonic: () => number): Budget {
  const evenMs = HOUR_MS / perHour;
  let taken: readonly number[] = [];
  const untilOldestEnds = (): number => {
    const now = monotonic();
    taken = taken.filter((at) => at > now - HOUR_MS);
    return (taken[0] ?? now) + HOUR_MS - now;
  };
  return {
    waitMs() {
      const endsMs = untilOldestEnds();
      return taken.length < perHour ? 0 : Math.ceil(endsMs);
    },
    take() {
      taken = [...taken, monotonic()];
    },
    giveBack() {
      taken = taken.slice(0, -1);
    },
    gapMs() {
      const endsMs = untilOldestEnds();
      const left = perHour - taken.length;
      if (taken.length < 2) return 0;
      if (taken.length === 2) return evenMs / 12;
      return Math.max(evenMs / 3, left < perHour / 2 ? endsMs / (left + 1) : 0);
    },
  };
}
