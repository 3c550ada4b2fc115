/**
 * Owns `waterline.json`: how far each topic has been read. The format is told in positions.ts.
 *
 * Positions move in memory at once and on disk soon after: one write at a time, and moves that come during a write go
 * into the next one. The file is therefore a lower bound, never ahead of what the caller has said is safe. A position
 * only moves forward, except by `reset`. A file that cannot be read is kept under another name, and its topics have an
 * unknown position until one is set; the original stays until the first write replaces it, so that a crash in between
 * does not turn "unknown" into "never started".
 */

import { randomBytes } from "node:crypto";
import { copyFile, constants, link, readdir, rename, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import {
  diskError,
  errnoOf,
  type Finding,
  narrow,
  PRIVATE_FILE_MODE,
  syncDirectory,
} from "../credentials/private-files.ts";
import { readSmallFile } from "../credentials/read.ts";
import { stampedNames } from "../credentials/stamp.ts";
import { AgentruxError } from "../errors.ts";
import type { Cursor, Generation } from "../service/types.ts";
import {
  formatPositions,
  isBeyond,
  isPosition,
  parsePositions,
  type Positions,
  type TopicPositions,
} from "./positions.ts";

export type SavedPosition =
  | { readonly kind: "saved"; readonly cursor: Cursor }
  /** The topic was never read. */
  | { readonly kind: "none" }
  /** It was read, and how far cannot be told. */
  | { readonly kind: "unknown"; readonly reason: string };

export interface WaterlineOptions {
  readonly path: string;
  /** The generation whose cursors are read and moved. */
  readonly generation: Generation;
  readonly now: () => Date;
  /** A write failed. It is tried again with the next move or {@link Waterline.flush}. */
  readonly onProblem: (error: AgentruxError) => void;
}

/** The read positions of one account. */
export class Waterline {
  /** What was found and done when the file was opened. */
  readonly findings: readonly Finding[];
  readonly generation: Generation;
  readonly #options: WaterlineOptions;
  readonly #topics: Map<string, TopicPositions>;
  readonly #unreadable: ReadonlySet<string>;
  readonly #corrupt: string | undefined;
  #writing: Promise<void> | undefined;
  #unwritten = false;
  #problem: AgentruxError | undefined;

  private constructor(options: WaterlineOptions, opened: Opened) {
    this.#options = options;
    this.generation = options.generation;
    this.findings = opened.findings;
    this.#topics = new Map(opened.positions.topics);
    this.#unreadable = opened.positions.unreadable;
    this.#corrupt = opened.corrupt;
  }

  /** @throws AgentruxError `disk` where the file is there and cannot be read. */
  static async open(options: WaterlineOptions): Promise<Waterline> {
    return new Waterline(options, await openFile(options));
  }

  position(topicId: string): SavedPosition {
    const entry = this.#topics.get(topicId);
    const cursor = entry?.[this.generation];
    if (cursor !== undefined) return { kind: "saved", cursor };
    if (entry !== undefined) return { kind: "unknown", reason: "the saved position is one of the other generation" };
    if (this.#corrupt !== undefined) return { kind: "unknown", reason: this.#corrupt };
    if (this.#unreadable.has(topicId)) return { kind: "unknown", reason: "the saved position is not readable" };
    return { kind: "none" };
  }

  /** Moves a topic's position forward; a place that is not beyond the current one changes nothing. */
  advance(topicId: string, cursor: Cursor): void {
    const current = this.position(topicId);
    if (current.kind === "saved" && !isBeyond(this.generation, current.cursor, cursor)) return;
    this.#move(topicId, cursor);
  }

  /** Moves a topic's position anywhere, also back. */
  reset(topicId: string, cursor: Cursor): void {
    this.#move(topicId, cursor);
  }

  /** Whether the last write failed, so that the disk is behind. */
  get failing(): boolean {
    return this.#problem !== undefined;
  }

  /**
   * Resolves when every move so far is on disk.
   *
   * @throws AgentruxError `disk`
   */
  async flush(): Promise<void> {
    while (this.#unwritten || this.#writing !== undefined) {
      await this.#write();
      if (this.#problem !== undefined) throw this.#problem;
    }
  }

  #move(topicId: string, cursor: Cursor): void {
    if (!isPosition(this.generation, cursor)) {
      throw new AgentruxError("malformed_response", "the service gave a read position that is not a sequence number");
    }
    this.#topics.set(topicId, { ...this.#topics.get(topicId), [this.generation]: cursor });
    this.#unwritten = true;
    void this.#write();
  }

  /** Writes until nothing is unwritten or a write fails. Never rejects. */
  #write(): Promise<void> {
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #writeAll(): Promise<void> {
    const { path, onProblem } = this.#options;
    while (this.#unwritten) {
      this.#unwritten = false;
      try {
        await writeFileAtomic(path, formatPositions(this.#topics), { mode: PRIVATE_FILE_MODE });
        await syncDirectory(dirname(path));
        this.#problem = undefined;
      } catch (error) {
        this.#unwritten = true;
        this.#problem = diskError(`cannot write ${path}`, error);
        onProblem(this.#problem);
        return;
      }
    }
  }
}

interface Opened {
  readonly positions: Positions;
  readonly findings: readonly Finding[];
  /** Why the file as a whole could not be understood. */
  readonly corrupt?: string;
}

const NOTHING: Positions = { topics: new Map(), unreadable: new Set() };

async function openFile(options: WaterlineOptions): Promise<Opened> {
  const { path } = options;
  const findings = await narrow(path, PRIVATE_FILE_MODE);
  try {
    const file = await readSmallFile(path);
    const parsed =
      file.kind === "file" ? parsePositions(file.bytes.toString("utf8")) : { ok: false as const, reason: file.reason };
    if (parsed.ok) return { positions: parsed.positions, findings };
    const corrupt = `${path} ${parsed.reason}`;
    return { positions: NOTHING, corrupt, findings: [...findings, await setAside(options, corrupt)] };
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return { positions: NOTHING, findings };
    throw error instanceof AgentruxError ? error : diskError(`cannot read ${path}`, error);
  }
}

/** Keeps an unreadable file under a second name; the write that replaces it leaves that one alone. */
async function setAside({ path, now }: WaterlineOptions, reason: string): Promise<Finding> {
  const kept = (await alreadyAside(path)) ?? (await keepAs(path, now()));
  return { path: kept, kind: "set-aside", text: `${reason}; it was kept as ${kept}` };
}

async function keepAs(path: string, at: Date): Promise<string> {
  for (const name of stampedNames(`${path}.corrupt-`, at, () => randomBytes(6).toString("hex"))) {
    try {
      await secondName(path, name);
      return name;
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw diskError(`cannot set ${path} aside`, error);
    }
  }
  return path;
}

async function secondName(path: string, name: string): Promise<void> {
  try {
    await link(path, name);
  } catch (error) {
    if (errnoOf(error) === "EEXIST") throw error;
    // No hard links here. A folder cannot be copied either, and nothing can be written in its place: it has to move.
    if ((await stat(path)).isDirectory()) await rename(path, name);
    else await copyFile(path, name, constants.COPYFILE_EXCL);
  }
}

/** The second name that an earlier start gave the file before any write replaced it. */
async function alreadyAside(path: string): Promise<string | undefined> {
  const { ino, dev } = await stat(path);
  for (const name of await readdir(dirname(path))) {
    if (!name.startsWith(`${basename(path)}.corrupt-`)) continue;
    const other = join(dirname(path), name);
    const found = await stat(other);
    if (found.ino === ino && found.dev === dev) return other;
  }
  return undefined;
}
