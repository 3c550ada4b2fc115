/**
 * Finds the file that a host's copy was made of. The host copies whatever file an answer names, from anywhere it can read
 * itself, and tells only the copy: so the copy proves nothing, and what is sent is the original, where there is one.
 */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

/** Folders in which nobody keeps what they want to send. */
const SKIPPED = new Set(["node_modules", ".git"]);
const MAX_ENTRIES = 20_000;

async function sumOf(path: string): Promise<string> {
  const sha256 = createHash("sha256");
  for await (const chunk of createReadStream(path)) sha256.update(chunk as Uint8Array);
  return sha256.digest("hex");
}

/**
 * A file inside `folder` with the content of `copy`; undefined when there is none among its first 20,000 entries. Links
 * are not followed.
 */
export async function findOriginal(copy: string, folder: string): Promise<string | undefined> {
  const wanted = await lstat(copy);
  let sum: string | undefined;
  let seen = 0;
  const folders = [folder];
  for (let next = folders.shift(); next !== undefined && seen < MAX_ENTRIES; next = folders.shift()) {
    for (const entry of await readdir(next, { withFileTypes: true }).catch(() => [])) {
      seen += 1;
      const path = join(next, entry.name);
      if (entry.isDirectory() && !SKIPPED.has(entry.name)) folders.push(path);
      if (!entry.isFile() || (await lstat(path)).size !== wanted.size) continue;
      sum ??= await sumOf(copy);
      if ((await sumOf(path)) === sum) return path;
    }
  }
  return undefined;
}
