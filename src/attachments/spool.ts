/**
 * Owns the copies of files that wait to be sent. A reply is journaled with the names of its copies, so a copy is on disk
 * before, and what an agent does with the original afterwards changes nothing.
 */

import { createHash, randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { lstat, mkdir, open, readdir, rename, unlink } from "node:fs/promises";
import { join } from "node:path";
import { AgentruxError } from "../errors.ts";
import type { UploadSource } from "../service/types.ts";

/** A copy, as it is journaled. */
export interface SpooledFile {
  readonly spool: string;
  /** Bytes. */
  readonly size: number;
  /** Hex. */
  readonly sha256: string;
}

export interface Spool {
  /**
   * Copies `source`; on disk when it resolves.
   *
   * @throws AgentruxError `payload_too_large` beyond `maxBytes`; what `source` throws; a file system's error.
   */
  keep(source: AsyncIterable<Uint8Array>, maxBytes: number): Promise<SpooledFile>;
  /** The copy, to upload. @throws AgentruxError `file_unreadable` when it is gone, or not what it was. */
  source(file: SpooledFile): Promise<UploadSource>;
  /** Never rejects: what stays behind is swept. */
  discard(names: readonly string[]): Promise<void>;
  /** Removes copies older than `ageMs`; the bytes of the rest. */
  sweep(ageMs: number): Promise<number>;
}

const NAME = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** @param now Epoch milliseconds. */
export function createSpool(folder: string, now: () => number): Spool {
  const pathOf = (name: string): string => {
    if (!NAME.test(name)) throw new AgentruxError("file_unreadable", "This is no copy of ours");
    return join(folder, name);
  };
  const discard = async (names: readonly string[]): Promise<void> => {
    await Promise.all(names.filter((name) => NAME.test(name)).map((name) => unlink(join(folder, name)).catch(ignore)));
  };

  return {
    async keep(source, maxBytes) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const name = randomUUID();
      const draft = join(folder, `${name}.part`);
      const sha256 = createHash("sha256");
      let size = 0;
      const handle = await open(draft, "wx", 0o600);
      try {
        for await (const chunk of source) {
          size += chunk.byteLength;
          if (size > maxBytes) throw new AgentruxError("payload_too_large", `It is larger than ${maxBytes} bytes`);
          sha256.update(chunk);
          await handle.writeFile(chunk);
        }
        await handle.sync();
      } catch (error) {
        await unlink(draft).catch(ignore);
        throw error;
      } finally {
        await handle.close();
      }
      await rename(draft, join(folder, name));
      return { spool: name, size, sha256: sha256.digest("hex") };
    },

    async source({ spool, size, sha256 }) {
      const path = pathOf(spool);
      const found = await lstat(path).catch(() => undefined);
      if (found?.isFile() !== true || found.size !== size) {
        throw new AgentruxError("file_unreadable", "The copy of a file to send is gone");
      }
      return {
        size,
        sha256: Buffer.from(sha256, "hex"),
        async *stream() {
          const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
          yield* handle.createReadStream() as AsyncIterable<Uint8Array>;
        },
      };
    },

    discard,

    async sweep(ageMs) {
      let left = 0;
      for (const name of await readdir(folder).catch(() => [])) {
        const found = await lstat(join(folder, name)).catch(() => undefined);
        if (found?.isFile() !== true) continue;
        if (now() - found.mtimeMs > ageMs) await unlink(join(folder, name)).catch(ignore);
        else left += found.size;
      }
      return left;
    },
  };
}

const ignore = (): undefined => undefined;
