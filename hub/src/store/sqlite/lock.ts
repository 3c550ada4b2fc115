/**
 * One hub per data folder. The lock is an exclusive transaction on a small database of its own, held for life: the
 * kernel lets go of it when the process dies, however it dies, so there is no stale lock file to clean up.
 *
 * Nothing but SQLite may open the lock's file: the kernel's locks belong to the process, and closing any descriptor of
 * the file drops them, also one that a second start in the same process has opened. SQLite knows, and waits with
 * closing its own.
 */
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { HubError } from "../../errors.ts";
import { isBusy } from "./database.ts";

export interface FolderLock {
  release(): void;
}

/** @throws HubError DATA_FOLDER_IN_USE when another hub holds it, in this process or another */
export function lockFolder(dataDir: string): FolderLock {
  const path = join(dataDir, "lock.db");
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    chmodSync(path, 0o600);
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  } catch (cause) {
    database.close();
    if (!isBusy(cause)) throw cause;
    throw new HubError("DATA_FOLDER_IN_USE", `Another hub is running on ${dataDir}; stop it, or use another folder`, {
      cause,
    });
  }
  return { release: () => database.close() };
}
