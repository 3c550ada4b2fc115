/** One SQLite connection: how it is opened, transactions on it, and what its errors mean. */
import { DatabaseSync } from "node:sqlite";
import { HubError } from "../../errors.ts";
import { ensurePrivateFile } from "../files.ts";

/** Primary result codes of SQLite, https://www.sqlite.org/rescode.html. */
const SQLITE_BUSY = 5;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_CONSTRAINT = 19;
const SQLITE_NOTADB = 26;

/** Rows of 1 KB fill 4 KB pages badly; the cache holds the working set of a busy hub. */
const PAGE_SIZE_BYTES = 8192;
const CACHE_KIB = 65_536;
/** WAL pages between checkpoints: rarely enough for few syncs, often enough that one checkpoint stalls nobody for long. */
const CHECKPOINT_PAGES = 2000;
const JOURNAL_LIMIT_BYTES = 64 * 1024 * 1024;

export interface DatabaseOptions {
  readonly path: string;
  /** Upper bound of the file, in pages of 8 KiB: a quota, and the full disk of the tests. */
  readonly maxPages?: number;
}

/** Opens the database in WAL mode with an fsync per commit. */
export function openDatabase(options: DatabaseOptions): DatabaseSync {
  ensurePrivateFile(options.path);
  const database = new DatabaseSync(options.path, { timeout: 2000 });
  database.exec(`
    PRAGMA page_size = ${PAGE_SIZE_BYTES};
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = OFF;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -${CACHE_KIB};
    PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
    PRAGMA journal_size_limit = ${JOURNAL_LIMIT_BYTES};
    ${options.maxPages === undefined ? "" : `PRAGMA max_page_count = ${options.maxPages};`}
  `);
  return database;
}

/**
 * Runs `work` in one transaction; what it throws undoes it.
 * @throws HubError for what SQLite refused, as {@link storeError}
 */
export function transaction<T>(database: DatabaseSync, work: () => T): T {
  try {
    database.exec("BEGIN IMMEDIATE");
    const result = work();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    // A full disk ends the transaction by itself in some cases; then there is nothing to roll back.
    if (database.isTransaction) database.exec("ROLLBACK");
    throw storeError(error);
  }
}

/** The hub's error for what SQLite threw. Errors that are not SQLite's pass through. */
export function storeError(error: unknown): unknown {
  switch (sqliteCode(error)) {
    case undefined:
      return error;
    case SQLITE_FULL:
      return new HubError("STORAGE_FULL", "The hub's disk is full; nothing was stored", {
        retryAfterS: 10,
        cause: error,
      });
    case SQLITE_BUSY:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
      return new HubError("UNAVAILABLE", "The hub could not write to its disk; nothing was stored", {
        retryAfterS: 5,
        cause: error,
      });
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return new HubError("DATA_FOLDER_UNUSABLE", "The hub's database is damaged", { cause: error });
    default:
      return new HubError("INTERNAL", "The hub's database refused an operation", { cause: error });
  }
}

export function isConstraintViolation(error: unknown): boolean {
  return sqliteCode(error) === SQLITE_CONSTRAINT;
}

export function isBusy(error: unknown): boolean {
  return sqliteCode(error) === SQLITE_BUSY;
}

/** Extended codes carry the primary code in their low byte. */
function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error)) return undefined;
  return typeof error.errcode === "number" ? error.errcode & 0xff : undefined;
}
