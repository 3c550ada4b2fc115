/** Files of every earlier shape are brought to the newest one, with all that is in them. */

import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { inspectJournal } from "../../src/journal/inspect.ts";
import { SCHEMA_VERSION } from "../../src/journal/schema.ts";
import { openStore } from "../../src/journal/store.ts";
import { codeOf, folderForEach, hex, operations, row } from "./support.ts";

/** The shape of version 1 as it was released: never to be changed. */
const VERSION_1 = `
  CREATE TABLE sources (id INTEGER PRIMARY KEY, account TEXT NOT NULL, topic TEXT NOT NULL, UNIQUE (account, topic)) STRICT;
  CREATE TABLE seen (id INTEGER PRIMARY KEY, account TEXT NOT NULL, newest_at INTEGER NOT NULL, keys BLOB NOT NULL) STRICT;
  CREATE TABLE commands (
    id INTEGER PRIMARY KEY AUTOINCREMENT, source INTEGER NOT NULL, command_id TEXT NOT NULL, producer TEXT NOT NULL,
    lane TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('received', 'running', 'replied')),
    attempt INTEGER NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0, replays INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER NOT NULL DEFAULT 0, received_at INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
  CREATE INDEX commands_attempted ON commands (command_id) WHERE attempt > 0;
  CREATE TABLE replies (
    id INTEGER PRIMARY KEY AUTOINCREMENT, command INTEGER NOT NULL REFERENCES commands (id) ON DELETE CASCADE,
    part INTEGER NOT NULL, reply_id TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sending', 'acknowledged')),
    attempts INTEGER NOT NULL DEFAULT 0, not_before INTEGER NOT NULL DEFAULT 0, created_at INTEGER NOT NULL,
    body TEXT NOT NULL) STRICT;
  CREATE INDEX replies_command ON replies (command, part);
  CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT, source INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('turn', 'reply')), reason TEXT NOT NULL, command_id TEXT NOT NULL,
    producer TEXT NOT NULL, lane TEXT NOT NULL, attempt INTEGER NOT NULL, replays INTEGER NOT NULL,
    received_at INTEGER NOT NULL, died_at INTEGER NOT NULL, body TEXT NOT NULL, replies TEXT) STRICT;
  CREATE TABLE requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('replay', 'drop')), target INTEGER NOT NULL, asked_at INTEGER NOT NULL,
    answered_at INTEGER, outcome TEXT) STRICT;
  INSERT INTO sources VALUES (1, 'default', 't1');
  INSERT INTO seen VALUES (1, 'default', 1, x'${hex("done").slice(0, 24)}');
  INSERT INTO commands (id, source, command_id, producer, lane, state, received_at, body)
    VALUES (7, 1, '${hex("open")}', 'scr_1', 'lane', 'received', 5, '{}');
  INSERT INTO dead_letters VALUES (3, 1, 'turn', 'no luck', '${hex("dead")}', 'scr_1', 'lane', 2, 0, 4, 6, '{}', NULL);
  INSERT INTO requests VALUES (9, 'default', 'drop', 3, 8, NULL, NULL);
  PRAGMA user_version = 1;
`;
const STEPS = [
  "ALTER TABLE sources ADD COLUMN position TEXT; UPDATE sources SET position = 'here'; PRAGMA user_version = 2;",
  `DROP TABLE requests;
   CREATE TABLE requests (id INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, action TEXT NOT NULL,
     target TEXT NOT NULL, asked_at INTEGER NOT NULL, answered_at INTEGER, outcome TEXT) STRICT;
   INSERT INTO requests VALUES (9, 'default', 'drop', '3', 8, NULL, NULL);
   PRAGMA user_version = 3;`,
];

const dir = folderForEach();

function write(version: number): void {
  const db = new DatabaseSync(dir.journal);
  for (const step of [VERSION_1, ...STEPS].slice(0, version)) db.exec(step);
  db.close();
}

describe("a journal of an earlier shape", () => {
  it.each([1, 2, 3])("version %i keeps everything", (version) => {
    write(version);
    const store = openStore({ path: dir.journal });
    const journal = operations(store);
    expect(journal.openCommands(0, 10)).toMatchObject([{ id: 7, commandId: hex("open"), receivedAt: 5 }]);
    expect(journal.deadLetters(1e9, 10)).toMatchObject([{ id: 3, reason: "no luck", attempt: 2, topicId: "t1" }]);
    expect(journal.openRequests()).toEqual([{ id: 9, wanted: { action: "drop", deadLetter: 3 } }]);
    expect(journal.lastPosition("t1")).toBe(version === 1 ? undefined : "here");
    expect(journal.admit("t1", [row("done"), row("new")], 10, "there").ids).toEqual([0, 8]);
    journal.ask({ action: "move", topicId: "t1", cursor: "c" }, 11);
    journal.keepWatch("w", 12);
    store.close();

    const again = openStore({ path: dir.journal });
    expect(operations(again).openRequests()).toHaveLength(2);
    expect(operations(again).watches()).toHaveLength(1);
    expect(operations(again).lastPosition("t1")).toBe("there");
    again.close();
  });

  it("is not touched by a guest, nor by being looked at", async () => {
    write(2);
    expect(await codeOf(() => openStore({ path: dir.journal, asGuest: true }))).toBe("config");
    expect(inspectJournal(dir.path, "default")?.condition).toEqual({ kind: "other-release", version: 2 });
    const db = new DatabaseSync(dir.journal);
    expect(db.prepare("PRAGMA user_version").get()?.["user_version"]).toBe(2);
    db.close();
  });

  it("is written through by its owner only: a guest finds the newest shape", () => {
    write(1);
    openStore({ path: dir.journal }).close();
    openStore({ path: dir.journal, asGuest: true }).close();
    const db = new DatabaseSync(dir.journal);
    expect(db.prepare("PRAGMA user_version").get()?.["user_version"]).toBe(SCHEMA_VERSION);
    db.close();
  });
});
