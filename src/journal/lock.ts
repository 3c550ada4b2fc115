/**
 * Owns the question who owns the journal: one process at a time.
 *
 * The lock is an exclusive SQLite transaction on a small file of its own, held open for the life of the process. It is
 * a POSIX record lock underneath, so the kernel frees it when the process dies in whatever way, and a suspended owner
 * keeps it. It is not on the journal file itself, so that an operator's command line can still read that. The lock
 * file must never be opened by anything but SQLite in the owning process: closing any other descriptor would drop the
 * lock. That is why the owner's pid lies in a second file, `journal.owner`, which is only ever a hint.
 */

import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { AgentruxError } from "../errors.ts";
import { primaryCode, SQLITE_BUSY, sqliteFault } from "./sqlite-fault.ts";

export interface JournalLock {
  release(): void;
}

/** Makes an empty file of mode 0600 where there is none, without touching one that is there. */
export function createPrivateFile(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw sqliteFault(error);
  }
}

/** The pid that last took the lock; undefined when it is not known. */
export function lastOwner(directory: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(join(directory, "journal.owner"), "utf8"), 10);
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether some process owns the journal in `directory`. Takes nothing and makes no file.
 *
 * @throws AgentruxError `disk` when it cannot be told.
 */
export function isOwned(directory: string): boolean {
  const path = join(directory, "journal.lock");
  if (!existsSync(path)) return false;
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { readOnly: true, timeout: 0 });
    db.prepare("SELECT count(*) FROM sqlite_schema").get();
    return false;
  } catch (error) {
    if (primaryCode(error) !== SQLITE_BUSY) throw sqliteFault(error);
    return true;
  } finally {
    db?.close();
  }
}

/**
 * Takes the lock of the journal in `directory`.
 *
 * @throws AgentruxError `journal_locked` with `details.pid` when another process (or an earlier caller in this one)
 * holds it, `disk` when it cannot be told.
 */
export function acquireLock(directory: string, pid: number): JournalLock {
  const path = join(directory, "journal.lock");
  createPrivateFile(path);
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout: 0 });
    db.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    db?.close();
    if (primaryCode(error) !== SQLITE_BUSY) throw sqliteFault(error);
    const owner = lastOwner(directory);
    throw new AgentruxError(
      "journal_locked",
      `Another process${owner === undefined ? "" : ` (pid ${owner})`} owns the journal in this folder.`,
      { retryable: true, details: owner === undefined ? {} : { pid: owner }, cause: error },
    );
  }
  const held = db;
  const ownerPath = join(directory, "journal.owner");
  try {
    writeFileSync(ownerPath, `${pid}\n`, { mode: 0o600 });
  } catch {
    // Only a hint: the lock is held all the same.
  }
  return {
    release() {
      if (!held.isOpen) return;
      try {
        rmSync(ownerPath, { force: true });
      } catch {
        // Only a hint, again: the lock itself has to be freed.
      }
      held.close();
    },
  };
}
