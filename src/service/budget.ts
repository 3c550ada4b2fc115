/** Owns the count that keeps our own calls under a limit the service enforces. Pure but for the given clock. */

const HOUR_MS = 3_600_000;

export interface Budget {
  /** Takes one call. When none is left, how long until there is, in milliseconds; otherwise 0. */
  take(): number;
}

/**
 * At most `perHour` calls in any sixty minutes. A bucket that refills would let twice as many through in its first hour,
 * and the service counts from its own beginning.
 */
export function hourlyBudget(perHour: number, monotonic: () => number): Budget {
  let taken: readonly number[] = [];
  return {
    take() {
      const now = monotonic();
      taken = taken.filter((at) => at > now - HOUR_MS);
      const oldest = taken[0];
      if (oldest !== undefined && taken.length >= perHour) return Math.ceil(oldest + HOUR_MS - now);
      taken = [...taken, now];
      return 0;
    },
  };
}
