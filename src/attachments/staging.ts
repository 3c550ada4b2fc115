/** Owns the life of staged files: known by their names in a folder they share with others, removed when they expire. */

import { lstat, readdir, unlink } from "node:fs/promises";
import { join } from "node:path";

/** In front of the name of everything we stage. */
export const STAGED_PREFIX = "agentrux-";
/** A conversation may come back to a file for a day. */
export const STAGED_FOR_MS = 86_400_000;
/** Between two looks at the folder. */
const SWEEP_EVERY_MS = 60_000;

/**
 * Removes expired files from `folder`, at most once a minute; in between it gives the last count.
 *
 * @returns a function that resolves to the bytes of what is left.
 * @param now Epoch milliseconds.
 */
export function createSweep(folder: string, now: () => number): () => Promise<number> {
  let sweptAt = Number.NEGATIVE_INFINITY;
  let last: Promise<number> = Promise.resolve(0);
  return () => {
    if (Math.abs(now() - sweptAt) >= SWEEP_EVERY_MS) {
      sweptAt = now();
      last = sweep(folder, now());
    }
    return last;
  };
}

async function sweep(folder: string, now: number): Promise<number> {
  let left = 0;
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.startsWith(STAGED_PREFIX)) continue;
    const path = join(folder, name);
    const found = await lstat(path).catch(() => undefined);
    if (found?.isFile() !== true) continue;
    if (now - found.mtimeMs > STAGED_FOR_MS) await unlink(path).catch(() => undefined);
    else left += found.size;
  }
  return left;
}
