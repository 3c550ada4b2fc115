/** Owns reading a small private file without being hung by a pipe or flooded by a device. */

import { constants } from "node:fs";
import { open } from "node:fs/promises";

/** No file of ours that a person edits is ever near this. */
const SMALL_FILE_MAX_BYTES = 64 * 1024;

export type SmallFile =
  | { readonly kind: "file"; readonly bytes: Buffer }
  | { readonly kind: "unusable"; readonly reason: "is not a regular file" | "is larger than 64 KiB" };

/**
 * Reads a whole file of at most 64 KiB.
 *
 * @throws the system error, also `ENOENT`.
 */
export async function readSmallFile(path: string): Promise<SmallFile> {
  // Without O_NONBLOCK, opening a pipe waits for a writer for ever.
  const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    if (!(await handle.stat()).isFile()) return { kind: "unusable", reason: "is not a regular file" };
    const buffer = Buffer.alloc(SMALL_FILE_MAX_BYTES + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length);
      length += bytesRead;
      if (length > SMALL_FILE_MAX_BYTES) return { kind: "unusable", reason: "is larger than 64 KiB" };
      if (bytesRead === 0) return { kind: "file", bytes: buffer.subarray(0, length) };
    }
  } finally {
    await handle.close();
  }
}
