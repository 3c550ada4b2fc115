/**
 * One hub per data folder. The lock is an exclusive transaction on a small database of its own, held for life: the
 * kernel lets go of it when the process dies, however it dies, so there is no stale lock file to clean up.
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { HubError } from "../../errors.ts";
import { ensurePrivateFile } from "../files.ts";
import { isBusy } from "./database.ts";

export interface FolderLock {
  release(): void;
}

/** @throws HubError DATA_FOLDER_IN_USE when another process holds it */
export function lockFolder(dataDir: string): FolderLock {
  const path = join(dataDir, "lock.db");
  ensurePrivateFile(path);
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
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
