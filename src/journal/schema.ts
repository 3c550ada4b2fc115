/**
 * Owns the shape of the journal file and its way from any older shape to the newest.
 *
 * A migration is never edited once released; a change is a new one at the end. A file from a newer release is refused.
 */

import type { DatabaseSync } from "node:sqlite";
import { AgentruxError } from "../errors.ts";

const MIGRATIONS: readonly string[] = [
  `
  -- (account, topic) as one small number.
  CREATE TABLE sources (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    topic TEXT NOT NULL,
    UNIQUE (account, topic)
  ) STRICT;

  -- Keys of events and requests that were ever taken over, in blocks (seen.ts).
  CREATE TABLE seen (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    newest_at INTEGER NOT NULL,
    keys BLOB NOT NULL
  ) STRICT;

  -- Open work. AUTOINCREMENT: a number is never used again, so that a late result cannot meet a stranger.
  CREATE TABLE commands (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source INTEGER NOT NULL,
    command_id TEXT NOT NULL,
    producer TEXT NOT NULL,
    lane TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('received', 'running', 'replied')),
    attempt INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0,
    replays INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER NOT NULL DEFAULT 0,
    received_at INTEGER NOT NULL,
    body TEXT NOT NULL
  ) STRICT;
  CREATE INDEX commands_attempted ON commands (command_id) WHERE attempt > 0;

  CREATE TABLE replies (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    command INTEGER NOT NULL REFERENCES commands (id) ON DELETE CASCADE,
    part INTEGER NOT NULL,
    reply_id TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sending', 'acknowledged')),
    attempts INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    body TEXT NOT NULL
  ) STRICT;
  CREATE INDEX replies_command ON replies (command, part);

  CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('turn', 'reply')),
    reason TEXT NOT NULL,
    command_id TEXT NOT NULL,
    producer TEXT NOT NULL,
    lane TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    replays INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    died_at INTEGER NOT NULL,
    body TEXT NOT NULL,
    -- JSON array of the parts that were not published, for kind 'reply'.
    replies TEXT
  ) STRICT;

  -- Left by an operator's command line for the process that owns the journal.
  CREATE TABLE requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('replay', 'drop')),
    target INTEGER NOT NULL,
    asked_at INTEGER NOT NULL,
    answered_at INTEGER,
    outcome TEXT
  ) STRICT;
  `,
  `
  -- Where the last page taken over ended, for when waterline.json cannot be read.
  ALTER TABLE sources ADD COLUMN position TEXT;
  `,
  `
  -- A request may move a read position: it has words instead of a number.
  CREATE TABLE new_requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    answered_at INTEGER,
    outcome TEXT
  ) STRICT;
  INSERT INTO new_requests SELECT id, account, action, target, asked_at, answered_at, outcome FROM requests;
  DROP TABLE requests;
  ALTER TABLE new_requests RENAME TO requests;
  `,
  `
  -- Watches of the world, and what each has told of every entity.
  CREATE TABLE watches (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    definition TEXT,
    basis TEXT,
    born INTEGER NOT NULL,
    sequence INTEGER NOT NULL DEFAULT 0,
    turns TEXT NOT NULL DEFAULT '[]',
    UNIQUE (account, name)
  ) STRICT;
  CREATE TABLE watched (
    watch INTEGER NOT NULL REFERENCES watches (id) ON DELETE CASCADE,
    entity TEXT NOT NULL,
    state TEXT,
    told_at INTEGER,
    PRIMARY KEY (watch, entity)
  ) STRICT, WITHOUT ROWID;
  `,
];

/** The newest shape this release knows. */
export const SCHEMA_VERSION = MIGRATIONS.length;

function versionOf(db: DatabaseSync): number {
  return Number(db.prepare("PRAGMA user_version").get()?.["user_version"]);
}

/**
 * Brings the file to the newest shape, one transaction a step.
 *
 * @throws AgentruxError `config` when the file was written by a newer release.
 */
export function migrate(db: DatabaseSync): void {
  const found = versionOf(db);
  if (found > SCHEMA_VERSION) {
    throw new AgentruxError(
      "config",
      `The journal has schema version ${found}, this release knows up to ${SCHEMA_VERSION}. Install the newer release again, or move the journal away.`,
    );
  }
  for (const [version, migration] of MIGRATIONS.entries()) {
    if (version < found) continue;
    db.exec(`BEGIN IMMEDIATE; ${migration} PRAGMA user_version = ${version + 1}; COMMIT;`);
  }
}

/**
 * Makes sure that the file has exactly the shape this release knows, without changing it.
 *
 * @throws AgentruxError `config` when it has not: its owner is another release.
 */
export function assertCurrent(db: DatabaseSync): void {
  const found = versionOf(db);
  if (found === SCHEMA_VERSION) return;
  throw new AgentruxError(
    "config",
    `The running gateway keeps its journal in schema version ${found}, this command knows ${SCHEMA_VERSION}. Use the same release for both.`,
  );
}
