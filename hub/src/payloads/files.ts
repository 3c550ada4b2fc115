/**
 * Owns the bytes of payload objects: one file per object under `<data>/objects/`, which appears there complete,
 * checked and on disk, or not at all. What is being received lives in `objects/tmp` and is removed at the next start.
 */
import { createHash } from "node:crypto";
import { createReadStream, rmSync } from "node:fs";
import type { ReadStream } from "node:fs";
import { mkdir, open, opendir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { UUID_PATTERN } from "agentrux-wire";
import { HubError } from "../errors.ts";
import { ensurePrivateFolder } from "../store/files.ts";

/** Objects are spread over folders by the first two digits of their id. */
const SHARD_PATTERN = /^[0-9a-f]{2}$/;

export interface ExpectedContent {
  readonly sizeBytes: number;
  /** Hex, lower case. */
  readonly sha256: string | null;
}

/** An upload that came in whole and is what was announced; not yet the object's content. */
export interface ReceivedFile {
  readonly path: string;
  /** SHA-256, hex. */
  readonly sha256: string;
}

export class ObjectFiles {
  readonly #folder: string;
  readonly #temporary: string;
  #received = 0;

  /** Opens the folder, and clears what an earlier process was receiving when it died. */
  constructor(dataDir: string) {
    this.#folder = join(dataDir, "objects");
    this.#temporary = join(this.#folder, "tmp");
    ensurePrivateFolder(this.#folder);
    rmSync(this.#temporary, { recursive: true, force: true });
    ensurePrivateFolder(this.#temporary);
  }

  /**
   * Streams an upload to a temporary file. The source is left alone on errors, so that an answer can still be sent.
   * @throws HubError PAYLOAD_TOO_LARGE as soon as more comes than was announced; INVALID when less came, the checksum
   *   differs, or the client broke off; STORAGE_FULL
   */
  async receive(source: Readable, expected: ExpectedContent, moved: () => void): Promise<ReceivedFile> {
    const path = join(this.#temporary, `${process.pid}-${(this.#received += 1)}`);
    const file = await open(path, "wx", 0o600);
    try {
      const hash = createHash("sha256");
      const length = await copy(source, expected.sizeBytes, async (piece) => {
        moved();
        hash.update(piece);
        await file.appendFile(piece);
      });
      if (length < expected.sizeBytes) {
        throw new HubError("INVALID", `${expected.sizeBytes} bytes were announced and ${length} came`);
      }
      const sha256 = hash.digest("hex");
      if (expected.sha256 !== null && expected.sha256 !== sha256) {
        throw new HubError("INVALID", "The content does not have the announced SHA-256");
      }
      await file.sync();
      await file.close();
      return { path, sha256 };
    } catch (error) {
      await file.close().catch(() => undefined);
      await this.discard({ path });
      throw storageError(error);
    }
  }

  /** Makes a received file the content of an object. After this it survives a power cut. */
  async place(received: Pick<ReceivedFile, "path">, objectId: string): Promise<void> {
    const path = this.#pathOf(objectId);
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await rename(received.path, path);
      await syncFolder(dirname(path));
      await syncFolder(this.#folder);
    } catch (error) {
      throw storageError(error);
    }
  }

  async discard(received: Pick<ReceivedFile, "path">): Promise<void> {
    await rm(received.path, { force: true });
  }

  /** SHA-256 of an object's content, hex; `undefined` when the file is missing. */
  async digest(objectId: string): Promise<string | undefined> {
    const hash = createHash("sha256");
    try {
      for await (const chunk of createReadStream(this.#pathOf(objectId))) hash.update(chunk as Buffer);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw error;
    }
    return hash.digest("hex");
  }

  /** The content of an object; `undefined` when the file is missing. */
  async read(objectId: string): Promise<{ readonly sizeBytes: number; readonly stream: () => ReadStream } | undefined> {
    const path = this.#pathOf(objectId);
    try {
      const { size } = await stat(path);
      return { sizeBytes: size, stream: () => createReadStream(path) };
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Ids of all objects that have content. */
  async *ids(): AsyncGenerator<string> {
    for await (const shard of await opendir(this.#folder)) {
      if (!shard.isDirectory() || !SHARD_PATTERN.test(shard.name)) continue;
      for await (const entry of await opendir(join(this.#folder, shard.name))) {
        if (UUID_PATTERN.test(entry.name)) yield entry.name;
      }
    }
  }

  /** Removes an object's content; it may be gone already. */
  async remove(objectId: string): Promise<void> {
    await rm(this.#pathOf(objectId), { force: true });
  }

  #pathOf(objectId: string): string {
    // Ids are checked where requests come in; a path is never built from anything that is not one.
    if (!UUID_PATTERN.test(objectId)) throw new HubError("NOT_FOUND", "No such payload object");
    const id = objectId.toLowerCase();
    return join(this.#folder, id.slice(0, 2), id);
  }
}

async function copy(source: Readable, limitBytes: number, write: (piece: Buffer) => Promise<void>): Promise<number> {
  let length = 0;
  try {
    for await (const chunk of source.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > limitBytes) {
        throw new HubError("PAYLOAD_TOO_LARGE", `More than the announced ${limitBytes} bytes came`);
      }
      await write(chunk);
    }
  } catch (error) {
    if (source.errored === null || error instanceof HubError) throw error;
    throw new HubError("INVALID", "The upload broke off", { status: 400, cause: error });
  }
  return length;
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function errnoOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function storageError(error: unknown): unknown {
  const code = errnoOf(error);
  return code === "ENOSPC" || code === "EDQUOT"
    ? new HubError("STORAGE_FULL", "The hub's disk is full", { cause: error })
    : error;
}
