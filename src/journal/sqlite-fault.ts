/** Translates what SQLite reports into the plugin's error codes. */

import { AgentruxError } from "../errors.ts";

/** SQLite primary result codes (sqlite.org/rescode.html). */
export const SQLITE_BUSY = 5;
const CORRUPT = 11;
const NOT_A_DATABASE = 26;
/** Perm, busy, locked, read-only, I/O error, full, cannot open, protocol: the disk or its holder, not the data. */
const DISK: ReadonlySet<number> = new Set([3, SQLITE_BUSY, 6, 8, 10, 13, 14, 15]);

/** Busy, locked, cannot open, protocol: somebody has the file just now. */
const HELD: ReadonlySet<number> = new Set([SQLITE_BUSY, 6, 14, 15]);

/** Whether an error says no more than that somebody else has the file. */
export const isHeld = (error: unknown): boolean => HELD.has(primaryCode(error) ?? -1);

/** The primary result code of an error of `node:sqlite`; undefined for any other error. */
export function primaryCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return undefined;
  return error.errcode & 0xff;
}

/**
 * The error to report for a fault of the journal file: `disk` (retryable) when nothing is wrong with the data,
 * `journal_corrupt` when something is, `disk` and not retryable for a statement that can never succeed.
 */
export function sqliteFault(error: unknown): AgentruxError {
  if (error instanceof AgentruxError) return error;
  const code = primaryCode(error);
  if (code === CORRUPT || code === NOT_A_DATABASE) {
    return new AgentruxError("journal_corrupt", "The journal file is damaged.", { cause: error });
  }
  const text = error instanceof Error ? error.message : String(error);
  return new AgentruxError("disk", `The journal could not be written: ${text}`, {
    retryable: code !== undefined && DISK.has(code),
    cause: error,
  });
}
