/**
 * Owns the folder of snapshots: writes a new one beside the old and renames it when it is on disk, keeps the newest few, and
 * at start finds the newest that is whole and fits the log.
 *
 * A folder and a database that come from different moments of a backup may not fit: a snapshot may know events that the
 * database has lost, and whose numbers it will give to others. Such a one would pass for a snapshot of those others, so it
 * goes aside (`.aside` after its name) before any event is taken.
 */
import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "pino";
import { ensurePrivateFolder, syncFolder } from "../store/files.ts";
import type { WorldLog } from "../store/world-port.ts";
import { checkSnapshot, readSnapshot, writeSnapshot } from "./snapshot-file.ts";
import type { Snapshot, SnapshotHead } from "./snapshot-file.ts";

const NAME = /^snapshot-(\d{16})\.world$/;
const SEQ_DIGITS = 16;

export class Snapshots {
  readonly #folder: string;
  readonly #keep: number;
  readonly #log: Logger;
  /** Those that were read to their end and fit, or were written by this process. */
  readonly #sound = new Set<number>();
  readonly #unusable = new Set<number>();

  /** @param keep how many stay */
  constructor(folder: string, keep: number, log: Logger) {
    ensurePrivateFolder(folder);
    this.#folder = folder;
    this.#keep = keep;
    this.#log = log;
    // What a crash in mid-write has left.
    for (const name of readdirSync(folder)) if (name.endsWith(".tmp")) rmSync(join(folder, name));
  }

  /**
   * Sequence numbers of those that are whole and hold this log's world, newest first. Those that nobody has read yet are
   * read now, and go aside where they are not.
   */
  async kept(log: WorldLog, signal: AbortSignal): Promise<readonly number[]> {
    for (const seq of this.#present()) {
      if (!this.#sound.has(seq)) await this.#judge(seq, await checkSnapshot(this.#path(seq), signal), log);
    }
    this.setUnusableAside();
    return this.#present().filter((seq) => this.#sound.has(seq));
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
    this.#sound.add(snapshot.seq);
    for (const old of this.#present().slice(this.#keep)) rmSync(this.#path(old), { force: true });
  }

  /**
   * The newest that is whole, was made of this log, reaches back to where the log begins and not beyond its end. Those that
   * do not fit stay where they are until {@link setUnusableAside}, and the log says why.
   */
  async newestUsable(log: WorldLog, signal: AbortSignal): Promise<Snapshot | undefined> {
    for (const seq of this.#present()) {
      const snapshot = await readSnapshot(this.#path(seq), signal);
      if (await this.#judge(seq, snapshot, log)) return snapshot;
    }
    return undefined;
  }

  /** Renames those that were found not to be usable, so that they count no longer. Nothing is deleted. */
  setUnusableAside(): void {
    for (const seq of this.#unusable) {
      const aside = `${this.#path(seq)}.aside`;
      let free = aside;
      for (let n = 2; existsSync(free); n += 1) free = `${aside}-${n}`;
      renameSync(this.#path(seq), free);
      syncFolder(this.#folder);
      this.#unusable.delete(seq);
      this.#log.warn({ seq, path: free }, "a snapshot of the world that is not usable was set aside");
    }
  }

  async #judge(seq: number, head: SnapshotHead | undefined, log: WorldLog): Promise<boolean> {
    const fault = await faultOf(head, log);
    if (fault === undefined) {
      this.#sound.add(seq);
      return true;
    }
    this.#unusable.add(seq);
    this.#log.warn({ seq, fault }, "a snapshot of the world is not usable");
    return false;
  }

  /** Sequence numbers by the files' names, newest first. */
  #present(): number[] {
    return readdirSync(this.#folder)
      .flatMap((name) => NAME.exec(name)?.[1] ?? [])
      .map(Number)
      .toSorted((a, b) => b - a);
  }

  #path(seq: number): string {
    return join(this.#folder, `snapshot-${String(seq).padStart(SEQ_DIGITS, "0")}.world`);
  }
}

async function faultOf(head: SnapshotHead | undefined, log: WorldLog): Promise<string | undefined> {
  if (head === undefined) return "it is not whole";
  const { seq, at, eventId } = head;
  if (head.logId !== log.id) return "it belongs to another database";
  const { lastSeq, droppedThrough, droppedAt } = await log.bounds();
  if (seq > lastSeq) return "it knows events that the database does not";
  if (seq < droppedThrough) return "events after it were dropped";
  const [event] = seq === droppedThrough ? [] : await log.after(seq - 1, 1);
  // Of the event dropped last its instant is still known. Snapshots of earlier versions name no id.
  const isSameInstant = at === (event?.at ?? droppedAt);
  const isSameId = eventId === undefined || event === undefined || eventId === event.eventId;
  return isSameInstant && isSameId ? undefined : "its last event is another than the database's of that number";
}
