/**
 * Owns the folder of snapshots: writes a new one beside the old and renames it when it is on disk, keeps the newest few, and
 * at start finds the newest that is whole and fits the log.
 */
import { readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "pino";
import { ensurePrivateFolder, syncFolder } from "../store/files.ts";
import { readSnapshot, writeSnapshot } from "./snapshot-file.ts";
import type { Snapshot } from "./snapshot-file.ts";

const NAME = /^snapshot-(\d{16})\.world$/;
const SEQ_DIGITS = 16;

export class Snapshots {
  readonly #folder: string;
  readonly #keep: number;
  readonly #log: Logger;

  /** @param keep how many stay */
  constructor(folder: string, keep: number, log: Logger) {
    ensurePrivateFolder(folder);
    this.#folder = folder;
    this.#keep = keep;
    this.#log = log;
    // What a crash in mid-write has left.
    for (const name of readdirSync(folder)) if (name.endsWith(".tmp")) rmSync(join(folder, name));
  }

  /** Sequence numbers of those that are there, newest first. */
  kept(): readonly number[] {
    return readdirSync(this.#folder)
      .flatMap((name) => NAME.exec(name)?.[1] ?? [])
      .map(Number)
      .toSorted((a, b) => b - a);
  }

  /** Writes one and removes those beyond the number kept. */
  async write(snapshot: Snapshot, signal: AbortSignal): Promise<void> {
    const path = this.#path(snapshot.seq);
    const temporary = `${path}.tmp`;
    try {
      await writeSnapshot(temporary, snapshot, signal);
      renameSync(temporary, path);
      syncFolder(this.#folder);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
    for (const old of this.kept().slice(this.#keep)) rmSync(this.#path(old), { force: true });
  }

  /**
   * The newest that is whole, was made of this log, reaches back to where the log begins and not beyond its end. Those that
   * do not fit stay where they are, and the log says why.
   */
  async newestUsable(logId: string, droppedThrough: number, lastSeq: number): Promise<Snapshot | undefined> {
    for (const seq of this.kept()) {
      const snapshot = await readSnapshot(this.#path(seq));
      const fault = faultOf(snapshot, logId, droppedThrough, lastSeq);
      if (snapshot !== undefined && fault === undefined) return snapshot;
      this.#log.warn({ seq, fault }, "a snapshot of the world is not usable");
    }
    return undefined;
  }

  #path(seq: number): string {
    return join(this.#folder, `snapshot-${String(seq).padStart(SEQ_DIGITS, "0")}.world`);
  }
}

function faultOf(snapshot: Snapshot | undefined, logId: string, dropped: number, last: number): string | undefined {
  if (snapshot === undefined) return "it is not whole";
  if (snapshot.logId !== logId) return "it belongs to another database";
  if (snapshot.seq > last) return "it knows events that the database does not";
  return snapshot.seq < dropped ? "events after it were dropped" : undefined;
}
