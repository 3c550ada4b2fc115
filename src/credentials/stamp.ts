/** Owns the time stamps in file names: `YYYYMMDD-HHMMSS`, local time (behaviour spec, section 1.2). */

/** @example localStamp(new Date(2026, 3, 8, 13, 45, 23)) // "20260408-134523" */
export function localStamp(date: Date): string {
  const two = (part: number) => String(part).padStart(2, "0");
  const day = `${date.getFullYear()}${two(date.getMonth() + 1)}${two(date.getDate())}`;
  return `${day}-${two(date.getHours())}${two(date.getMinutes())}${two(date.getSeconds())}`;
}

const LAST_SUFFIX = 999;

/**
 * The names a stamped file may take, in order: `prefix<stamp>`, then `-2` to `-999`, then one that is surely free.
 * Several can be needed within one second.
 */
export function* stampedNames(prefix: string, date: Date, unique: () => string): Generator<string> {
  const name = `${prefix}${localStamp(date)}`;
  yield name;
  for (let suffix = 2; suffix <= LAST_SUFFIX; suffix++) yield `${name}-${suffix}`;
  yield `${name}-${unique()}`;
}
