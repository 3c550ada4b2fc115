/** A value that `JSON.parse` takes and `JSON.stringify` has no stack for. */
export function deepJson(): unknown {
  const levels = 100_000;
  return JSON.parse("[".repeat(levels) + "]".repeat(levels));
}
