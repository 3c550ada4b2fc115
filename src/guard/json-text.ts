/**
 * Owns the text of JSON that somebody else wrote. `JSON.parse` takes thousands of levels more than `JSON.stringify` has
 * stack for, so that a few kilobytes of brackets, once read, cannot be written.
 */

/** Levels that are shown of what cannot be written whole. */
const MAX_DEPTH = 64;
const TOO_DEEP = "[nested too deeply to be shown]";

/**
 * The JSON text of anything `JSON.parse` has made; `null` for what has none. Never throws.
 *
 * @example jsonText({ a: 1 }) // '{"a":1}'
 */
export function jsonText(value: unknown): string {
  try {
    return JSON.stringify(value) ?? "null";
  } catch {
    return JSON.stringify(pruned(value, MAX_DEPTH));
  }
}

function pruned(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (depth === 0) return TOO_DEEP;
  if (Array.isArray(value)) return value.map((one) => pruned(one, depth - 1));
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, pruned(one, depth - 1)]));
}
