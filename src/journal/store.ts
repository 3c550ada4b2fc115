/**
 * Owns the open journal file: settings, operations by account, transactions, upkeep. Synchronous; it lives in the
 * journal's worker thread.
 *
 * Every batch of calls is one transaction, so that calls which wait together share one disk flush (group commit). A
 * call that fails by itself is undone by itself; a failing disk undoes the whole batch, and no call of it took effect.
 */

import { DatabaseSync } from "node:sqlite";
import { AgentruxError } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import { commandOperations } from "./commands.ts";
import { deadLetterOperations } from "./dead-letters.ts";
import { replyOperations } from "./replies.ts";
import { DEFAULT_RETENTION, forget, type Retention, shrink } from "./retention.ts";
import { assertCurrent, migrate } from "./schema.ts";
import { createSeenIds, type SeenIds } from "./seen-ids.ts";
import { sqliteFault } from "./sqlite-fault.ts";
import type { JournalOperations } from "./types.ts";
import { watchOperations } from "./watches.ts";

/** One call of an operation, as data. */
export interface Call {
  readonly account: string;
  readonly operation: keyof JournalOperations;
  readonly args: readonly unknown[];
}

export type Outcome = { readonly value: unknown } | { readonly error: AgentruxError };

export interface StoreOptions {
  readonly path: string;
  /** Beyond this size nothing more is taken over, as on a full disk; what is open can still be answered. */
  readonly maxBytes?: number;
  readonly retention?: Retention;
  /** Another process owns the file: it is used as it is, and must be of the same shape. */
  readonly asGuest?: boolean;
}

const PAGE_BYTES = 4096;
const BUSY_TIMEOUT_MS = 5_000;
/** The write-ahead log is copied into the file at this size: seldom, because that flushes the disk twice more. */
const WAL_LIMIT_BYTES = 16 * 1024 * 1024;
const MAX_BYTES = 1024 * 1024 * 1024;

const READ_ONLY: ReadonlySet<keyof JournalOperations> = new Set([
  "openCommands",
  "openCommand",
  "findOpen",
  "unsentCommands",
  "nextReply",
  "deadLetters",
  "deadLetter",
  "openRequests",
  "requestOutcome",
  "numbers",
  "watches",
  "watchedEntities",
]);

const TAKES_OVER: ReadonlySet<keyof JournalOperations> = new Set(["admit", "admitWatch"]);

export interface Store {
  /** Runs the calls in order in one transaction and says how each ended. Never throws. */
  run(calls: readonly Call[]): readonly Outcome[];
  /** One portion of upkeep. True when there is more to do. */
  upkeep(at: number): boolean;
  close(): void;
}

/**
 * Opens or creates a journal file. The file must already be protected by its mode, or its folder.
 *
 * @throws AgentruxError `journal_corrupt`, `disk`, or `config` (written by a newer release).
 */
export function openStore(options: StoreOptions): Store {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(options.path, { timeout: BUSY_TIMEOUT_MS });
    // auto_vacuum only takes effect before the first table is made.
    db.exec(`
      PRAGMA page_size = ${PAGE_BYTES};
      PRAGMA auto_vacuum = INCREMENTAL;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA wal_autocheckpoint = ${WAL_LIMIT_BYTES / PAGE_BYTES};
      PRAGMA journal_size_limit = ${WAL_LIMIT_BYTES};
    `);
    if (options.asGuest) assertCurrent(db);
    else {
      failpoint("journal.migrating");
      migrate(db);
      failpoint("journal.migrated");
    }
    return createStore(db, options.retention ?? DEFAULT_RETENTION, options.maxBytes ?? MAX_BYTES);
  } catch (error) {
    db?.close();
    throw sqliteFault(error);
  }
}

function createStore(db: DatabaseSync, retention: Retention, maxBytes: number): Store {
  const accounts = new Map<string, JournalOperations>();
  const seenIds: SeenIds[] = [];
  const operationsOf = (account: string): JournalOperations => {
    let operations = accounts.get(account);
    if (operations === undefined) {
      const seen = createSeenIds(db, account);
      seenIds.push(seen);
      const commands = commandOperations(db, account, seen);
      operations = {
        ...commands,
        ...watchOperations(db, account, (topicId, rows, at) => commands.admit(topicId, rows, at)),
        ...replyOperations(db, account),
        ...deadLetterOperations(db, account),
      };
      accounts.set(account, operations);
    }
    return operations;
  };

  const pages = db.prepare("PRAGMA page_count");
  const freePages = db.prepare("PRAGMA freelist_count");
  const isFull = (): boolean => {
    const used = Number(pages.get()?.["page_count"]) - Number(freePages.get()?.["freelist_count"]);
    return used * PAGE_BYTES > maxBytes;
  };

  const callOne = (call: Call): Outcome => {
    const operation = operationsOf(call.account)[call.operation] as (...args: readonly unknown[]) => unknown;
    if (TAKES_OVER.has(call.operation) && isFull()) {
      const text = `The journal holds more than ${maxBytes} bytes of open work.`;
      return { error: new AgentruxError("disk", text, { retryable: true }) };
    }
    db.exec("SAVEPOINT one");
    try {
      const value = operation(...call.args);
      db.exec("RELEASE one");
      return { value };
    } catch (error) {
      const fault = sqliteFault(error);
      if (fault.retryable || fault.code === "journal_corrupt") throw fault;
      db.exec("ROLLBACK TO one; RELEASE one");
      for (const seen of seenIds) seen.discard();
      return { error: fault };
    }
  };

  const rollBack = (): void => {
    for (const seen of seenIds) seen.discard();
    try {
      if (db.isTransaction) db.exec("ROLLBACK");
    } catch {
      // The fault that led here is the one to report.
    }
  };

  return {
    run(calls) {
      try {
        failpoint("journal.beginning", calls);
        db.exec(calls.every((call) => READ_ONLY.has(call.operation)) ? "BEGIN" : "BEGIN IMMEDIATE");
        failpoint("journal.begun", calls);
        const outcomes = calls.map(callOne);
        failpoint("journal.committing", calls);
        db.exec("COMMIT");
        failpoint("journal.committed", calls);
        return outcomes;
      } catch (error) {
        rollBack();
        const fault = sqliteFault(error);
        return calls.map(() => ({ error: fault }));
      }
    },
    upkeep(at) {
      for (const seen of seenIds) seen.forget(at, retention);
      const more = forget(db, retention, at);
      return shrink(db) || more;
    },
    close() {
      db.close();
    },
  };
}
