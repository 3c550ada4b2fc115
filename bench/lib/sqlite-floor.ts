/** The floor of everything durable: rows of 1 KB into a bare SQLite file, as safely as journal and hub write theirs. */

import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { EVENT_BYTES } from "./place.ts";

/** Rows a second into an empty table with one unique key, WAL, `synchronous=FULL`, `rowsPerCommit` rows a transaction. */
export function sqliteRowsPerSecond(dir: string, rowsPerCommit: number, durationMs: number): number {
  mkdirSync(dir, { recursive: true });
  const db = new DatabaseSync(path.join(dir, `floor-${rowsPerCommit}-${randomUUID()}.sqlite`));
  db.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE events (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL) STRICT;
  `);
  const insert = db.prepare("INSERT INTO events (id, body) VALUES (?, ?)");
  const body = "x".repeat(EVENT_BYTES);
  const begin = performance.now();
  let rows = 0;
  while (performance.now() - begin < durationMs) {
    db.exec("BEGIN IMMEDIATE");
    for (let i = 0; i < rowsPerCommit; i += 1) insert.run(randomUUID(), body);
    db.exec("COMMIT");
    rows += rowsPerCommit;
  }
  const elapsedMs = performance.now() - begin;
  db.close();
  return (rows / elapsedMs) * 1000;
}
