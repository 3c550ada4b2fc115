/**
 * Owns the store over its life in the worker: opening it, and replacing it when it turns out to be damaged.
 *
 *     damaged -> carrying over (.new) -> carried over (.rescued) -> set aside -> replaced
 *
 * A damaged file is met either when it is opened or by any later call. Both times what can be read is carried over into
 * a new file beside it; once that is whole it is named `.rescued`, the damaged one is set aside, and the new one takes
 * its place. Whoever finds a `.rescued` goes on from there; a `.new` is half a copy and begun anew, because until then
 * the damaged file is where it was. Calls that met the damage fail as retryable: nothing of them was kept. Where no
 * new file can be made (the disk is full), calls fail with that, and each tries again.
 */

import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { AgentruxError, isAgentruxError } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import { createPrivateFile } from "./lock.ts";
import { type JournalFinding, rescue, setAside } from "./set-aside.ts";
import { sqliteFault } from "./sqlite-fault.ts";
import { type Call, openStore, type Outcome, type Store, type StoreOptions } from "./store.ts";

/** Files up to this size are checked as a whole when they are opened. */
const CHECK_UP_TO_BYTES = 64 * 1024 * 1024;

export interface Keeper {
  run(calls: readonly Call[]): readonly Outcome[];
  /** One portion of upkeep. True when there is more to do. */
  upkeep(at: number): boolean;
  close(): void;
}

function assertSound(path: string): void {
  if (statSync(path).size > CHECK_UP_TO_BYTES) return;
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path);
    const verdict = db.prepare("PRAGMA quick_check(1)").get()?.["quick_check"];
    if (verdict !== "ok") {
      throw new AgentruxError("journal_corrupt", "The journal file is damaged.", { cause: new Error(String(verdict)) });
    }
  } catch (error) {
    throw sqliteFault(error);
  } finally {
    db?.close();
  }
}

/** Makes renames last. Where a folder cannot be opened the file system decides. */
function syncFolder(path: string): void {
  let folder: number | undefined;
  try {
    folder = openSync(dirname(path), "r");
    fsyncSync(folder);
  } catch {
    return;
  } finally {
    if (folder !== undefined) closeSync(folder);
  }
}

/** A folder that takes no file is a disk that may take one later. */
function fileFault(error: unknown): AgentruxError {
  const cause = isAgentruxError(error) ? error.cause : error;
  if (!(cause instanceof Error && "syscall" in cause)) return sqliteFault(error);
  return new AgentruxError("disk", `The journal could not be replaced: ${cause.message}`, { retryable: true, cause });
}

/** How many commands wait in a file that was carried over. @throws AgentruxError `journal_corrupt` where it is not whole */
function openCommands(path: string): number {
  // Not read-only: such a connection leaves its companions behind.
  const db = new DatabaseSync(path);
  try {
    assertSound(path);
    return Number(db.prepare("SELECT count(*) AS n FROM commands").get()?.["n"]);
  } catch (error) {
    throw sqliteFault(error);
  } finally {
    db.close();
  }
}

/**
 * @throws AgentruxError `disk` or `config` when no journal can be opened at all.
 */
export function openKeeper(
  options: StoreOptions,
  now: () => number,
  onFinding: (finding: JournalFinding) => void,
): Keeper {
  const { path } = options;
  const half = `${path}.new`;
  const whole = `${path}.rescued`;

  const openSound = (): Store => {
    createPrivateFile(path);
    failpoint("journal.created");
    assertSound(path);
    return openStore(options);
  };

  const carryOver = (): void => {
    for (const suffix of ["", "-wal", "-shm"]) rmSync(half + suffix, { force: true });
    createPrivateFile(half);
    openStore({ ...options, path: half }).close();
    failpoint("journal.rescuing");
    rescue(path, half, now());
    renameSync(half, whole);
    syncFolder(path);
    failpoint("journal.rescued");
  };

  const carriedOver = (): number => {
    try {
      if (existsSync(whole)) return openCommands(whole);
    } catch (error) {
      if (!isAgentruxError(error, "journal_corrupt")) throw error;
      rmSync(whole);
    }
    carryOver();
    return openCommands(whole);
  };

  const replaceDamaged = (): Store => {
    try {
      const rescued = carriedOver();
      const damaged = setAside(path, now());
      failpoint("journal.set-aside");
      renameSync(whole, path);
      syncFolder(path);
      onFinding({
        code: "journal_corrupt",
        setAside: damaged,
        rescued,
        message: `The journal was damaged. It was set aside as ${damaged} and a new one begun; ${rescued} open commands were carried over.`,
      });
    } catch (error) {
      throw fileFault(error);
    }
    return openStore(options);
  };

  const open = (): Store => {
    if (existsSync(whole) && !existsSync(path)) return replaceDamaged();
    try {
      const sound = openSound();
      // A release that knows nothing of it, or a person, has put this one right since.
      if (existsSync(whole)) setAside(whole, now());
      return sound;
    } catch (error) {
      if (!isAgentruxError(error, "journal_corrupt")) throw error;
      return replaceDamaged();
    }
  };

  let store = open();
  /** The store is closed, and its place not taken yet. */
  let isReplacing = false;

  const replaceRunning = (): void => {
    if (!isReplacing) store.close();
    isReplacing = true;
    store = replaceDamaged();
    isReplacing = false;
  };

  return {
    run(calls) {
      try {
        if (isReplacing) replaceRunning();
        const outcomes = store.run(calls);
        const damage = outcomes.find((outcome) => "error" in outcome && outcome.error.code === "journal_corrupt");
        if (damage === undefined) return outcomes;
        replaceRunning();
        const error = new AgentruxError("journal_corrupt", "The journal file was damaged and has been replaced.", {
          retryable: true,
          cause: "error" in damage ? damage.error : undefined,
        });
        return calls.map(() => ({ error }));
      } catch (error) {
        const fault = fileFault(error);
        return calls.map(() => ({ error: fault }));
      }
    },
    upkeep(at) {
      try {
        return !isReplacing && store.upkeep(at);
      } catch {
        // The next call meets the same fault and reports it.
        return false;
      }
    },
    close() {
      failpoint("journal.closing");
      if (!isReplacing) store.close();
    },
  };
}
