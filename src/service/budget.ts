/** Owns the token bucket that keeps our own calls under a limit the service enforces. Pure but for the given clock. */

export interface Budget {
  /** Takes one call. When none is left, how long until there is, in milliseconds; otherwise 0. */
  take(): number;
}

/** @param perHour Size of the bucket, and what flows back into it in an hour. */
export function hourlyBudget(perHour: number, monotonic: () => number): Budget {
  const refillMs = 3_600_000 / perHour;
  let left = perHour;
  let countedAt = monotonic();
  return {
    take() {
      const now = monotonic();
      left = Math.min(perHour, left + (now - countedAt) / refillMs);
      countedAt = now;
      if (left < 1) return Math.ceil((1 - left) * refillMs);
      left -= 1;
      return 0;
    },
  };
}
