/** Owns what the journal forgets, and that the file shrinks again. */

import type { DatabaseSync } from "node:sqlite";

export interface Retention {
  /** How long an event id is remembered. */
  readonly idsForMs: number;
  /** How many of the newest are remembered however old they are: a page that is read again after a long rest. */
  readonly minIds: number;
  /** How many event ids are remembered at most, the newest ones. */
  readonly maxIds: number;
  readonly deadLettersForMs: number;
  readonly maxDeadLetters: number;
}

const DAY_MS = 86_400_000;

export const DEFAULT_RETENTION: Retention = {
  idsForMs: 7 * DAY_MS,
  minIds: 10_000,
  maxIds: 1_000_000,
  deadLettersForMs: 30 * DAY_MS,
  maxDeadLetters: 10_000,
};

/** Rows removed in one go, so that no caller waits long behind it. */
const CHUNK_ROWS = 5_000;
const CHUNK_PAGES = 2_000;
const MAX_REQUESTS = 1_000;

/** Forgets one portion of what is past its time. True when there is more to do. */
export function forget(db: DatabaseSync, retention: Retention, at: number): boolean {
  const remove = (table: string, time: string, before: number, keep: number): number =>
    Number(
      // Numbers and times rise together, so only the oldest rows have to be looked at. Numbers have gaps (set-aside.ts).
      db
        .prepare(
          `DELETE FROM ${table} WHERE id IN (
             SELECT id FROM (SELECT id, ${time} AS time FROM ${table} ORDER BY id LIMIT ${CHUNK_ROWS})
             WHERE time < ? OR id <= (SELECT id FROM ${table} ORDER BY id DESC LIMIT 1 OFFSET ?))`,
        )
        .run(before, keep).changes,
    );

  const letters = remove("dead_letters", "died_at", at - retention.deadLettersForMs, retention.maxDeadLetters);
  remove("requests", "asked_at", at - DAY_MS, MAX_REQUESTS);
  return letters === CHUNK_ROWS;
}

/** Gives free pages back to the file system, one portion. True when there is more to do. */
export function shrink(db: DatabaseSync): boolean {
  const free = Number(db.prepare("PRAGMA freelist_count").get()?.["freelist_count"]);
  // Some room is kept: the next page of events would only ask for it again.
  if (free < CHUNK_PAGES) return false;
  db.exec(`PRAGMA incremental_vacuum(${CHUNK_PAGES})`);
  return free >= 2 * CHUNK_PAGES;
}
