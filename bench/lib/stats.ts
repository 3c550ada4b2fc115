/** Owns the arithmetic over samples. */

/** The smallest sample that `share` (0 to 1) of all samples do not exceed; nearest rank. NaN without samples. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = Float64Array.from(samples).toSorted();
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export function median(samples: readonly number[]): number {
  return percentile(samples, 0.5);
}

export function p50p99(samplesMs: readonly number[]): { readonly p50Ms: number; readonly p99Ms: number } {
  return { p50Ms: percentile(samplesMs, 0.5), p99Ms: percentile(samplesMs, 0.99) };
}

/** How much the last third of a row of readings lies above the third before it: near zero when it has levelled off. */
export function drift(readings: readonly number[]): number {
  const third = Math.floor(readings.length / 3);
  return median(readings.slice(readings.length - third)) - median(readings.slice(third, 2 * third));
}
