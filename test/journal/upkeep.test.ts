/** What the journal forgets, and what it must not. */

import { statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { afterEach, describe, expect, it } from "vitest";
import { DEFAULT_RETENTION, type Retention } from "../../src/journal/retention.ts";
import { openStore, type Store } from "../../src/journal/store.ts";
import type { JournalOperations } from "../../src/journal/types.ts";
import { folderForEach, operations, reply, row } from "./support.ts";

const DAY_MS = 86_400_000;
const TOPIC = "t1";
const dir = folderForEach();
let store: Store;
let journal: JournalOperations;

afterEach(() => {
  store.close();
});

function open(retention: Partial<Retention> = {}): void {
  store = openStore({ path: dir.journal, retention: { ...DEFAULT_RETENTION, ...retention } });
  journal = operations(store);
}

/** Portions until there is nothing more to do; how many. */
function upkeep(at: number): number {
  let portions = 1;
  while (store.upkeep(at)) portions += 1;
  return portions;
}

function admit(from: number, count: number, at = 1): readonly number[] {
  return journal.admit(
    TOPIC,
    Array.from({ length: count }, (_, n) => row(`e${from + n}`)),
    at,
  ).ids;
}

const isKnown = (n: number): boolean => journal.admit(TOPIC, [row(`e${n}`)], 1).ids[0] === 0;

function rows(table: string): number {
  const db = new DatabaseSync(dir.journal, { readOnly: true });
  const count = Number(db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.["n"]);
  db.close();
  return count;
}

describe("by default", () => {
  it("ids are kept for 7 days or 1,000,000 of them, dead letters for 30 days or 10,000", () => {
    const [idsForMs, deadLettersForMs] = [7 * DAY_MS, 30 * DAY_MS];
    const [minIds, maxIds, maxDeadLetters] = [10_000, 1_000_000, 10_000];
    expect(DEFAULT_RETENTION).toEqual({ idsForMs, minIds, maxIds, deadLettersForMs, maxDeadLetters });
    open({ minIds: 0 });
    admit(0, 300, 1_000);
    upkeep(1_000 + idsForMs);
    expect(isKnown(0)).toBe(true);
    upkeep(1_000 + idsForMs + 1);
    expect(isKnown(0)).toBe(false);
  });
});

describe("ids", () => {
  it("go block by block, the oldest first, once a sixteenth of the limit has piled up", () => {
    open({ maxIds: 1_600 });
    for (let page = 0; page < 16; page += 1) admit(page * 100, 100);
    upkeep(2);
    expect(isKnown(0)).toBe(true);
    // 1,601 of them: the block of the first ones goes, and no other.
    admit(10_000, 1);
    upkeep(2);
    expect([isKnown(0), isKnown(199)]).toEqual([false, false]);
    expect([isKnown(256), isKnown(1_599), isKnown(10_000)]).toEqual([true, true, true]);
  });

  it("stay while fewer than that are to go", () => {
    open({ maxIds: 16_000 });
    for (let page = 0; page < 63; page += 1) admit(page * 256, 256);
    upkeep(2);
    expect(rows("seen")).toBe(63);
    expect(isKnown(0)).toBe(true);
    for (let page = 63; page < 68; page += 1) admit(page * 256, 256);
    upkeep(2);
    expect(rows("seen")).toBe(62);
    expect([isKnown(5 * 256), isKnown(6 * 256)]).toEqual([false, true]);
  });

  it("stay however old they are, while they are among the newest", () => {
    open({ minIds: 1_000, idsForMs: 10 });
    for (let page = 0; page < 10; page += 1) admit(page * 250, 250, page);
    upkeep(1_000);
    expect([isKnown(0), isKnown(1_249)]).toEqual([false, false]);
    expect([isKnown(1_500), isKnown(2_499)]).toEqual([true, true]);
  });

  it("stay when one was taken while the clock was behind", () => {
    open({ minIds: 0 });
    admit(0, 200, 100 * DAY_MS);
    admit(200, 1, DAY_MS);
    admit(201, 250, DAY_MS);
    upkeep(100 * DAY_MS + 60_000);
    expect([isKnown(0), isKnown(200), isKnown(450)]).toEqual([true, true, true]);
  });

  it("of several accounts are counted apart", () => {
    open({ maxIds: 300 });
    const other = operations(store, "other");
    admit(0, 250);
    other.admit(TOPIC, [row("theirs")], 1);
    for (let page = 1; page < 4; page += 1) admit(page * 250, 250);
    upkeep(2);
    expect(isKnown(0)).toBe(false);
    expect(other.admit(TOPIC, [row("theirs")], 1).ids).toEqual([0]);
  });

  it("of a request count like those of an event", () => {
    open();
    const requestKey = "f".repeat(32);
    expect(journal.admit(TOPIC, [row("a", { requestKey })], 1).ids).toEqual([1]);
    expect(journal.admit(TOPIC, [row("b", { requestKey }), row("a", { requestKey })], 1).ids).toEqual([-1, 0]);
    // The refused event was not taken, and may still come under another request.
    expect(journal.admit(TOPIC, [row("b")], 1).ids).toEqual([2]);
  });

  it("of a group that was undone are not remembered, and those before it are", () => {
    open();
    admit(0, 1);
    const bad = row("bad", { lane: null as unknown as string });
    expect(() => journal.admit(TOPIC, [row("e1"), bad], 1)).toThrow("could not be written");
    expect([isKnown(0), isKnown(1)]).toEqual([true, false]);
  });
});

describe("dead letters and requests", () => {
  const bury = (count: number, at: number): void => {
    for (const id of admit(rows("commands") + at, count)) journal.reply(id, [], at, `at ${at}`);
  };

  it("are kept up to their age and number, to the last one", () => {
    open({ deadLettersForMs: 100, maxDeadLetters: 5 });
    bury(3, 10);
    upkeep(110);
    expect(journal.deadLetters(1e9, 100)).toHaveLength(3);
    bury(3, 50);
    upkeep(110);
    expect(journal.deadLetters(1e9, 100)).toHaveLength(5);
    upkeep(111);
    expect(journal.deadLetters(1e9, 100)).toHaveLength(3);
    upkeep(151);
    expect(journal.deadLetters(1e9, 100)).toEqual([]);
  });

  it("are counted, not numbered: numbers begin anew far away after a journal was replaced", () => {
    open({ maxDeadLetters: 5 });
    bury(3, 10);
    const db = new DatabaseSync(dir.journal);
    db.exec("UPDATE sqlite_sequence SET seq = 1700000000000");
    db.close();
    bury(1, 20);
    upkeep(30);
    expect(journal.deadLetters(1e15, 100)).toHaveLength(4);
  });

  it("go in portions, so that nobody waits long behind them", () => {
    open({ deadLettersForMs: 100 });
    store.close();
    const db = new DatabaseSync(dir.journal);
    db.exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000)
      INSERT INTO dead_letters (source, kind, reason, command_id, producer, lane, attempt, replays, received_at, died_at, body)
      SELECT 1, 'turn', 'x', 'c', 'p', 'l', 1, 0, 1, 1, '{}' FROM n`);
    db.close();
    open({ deadLettersForMs: 100 });
    store.upkeep(1_000);
    expect(rows("dead_letters")).toBe(7_000);
    expect(upkeep(1_000)).toBe(2);
    expect(rows("dead_letters")).toBe(0);
  });

  it("are asked for a day, and a thousand at most", () => {
    open();
    for (let n = 0; n < 1_002; n += 1) journal.ask({ action: "drop", deadLetter: n }, 5);
    upkeep(5 + DAY_MS);
    expect(rows("requests")).toBe(1_000);
    upkeep(6 + DAY_MS);
    expect(rows("requests")).toBe(0);
  });
});

describe("the file", () => {
  it("keeps some free room, and gives the rest back in portions", () => {
    open();
    const body = "x".repeat(40_000);
    const fill = (count: number, prefix: string): void => {
      const { ids } = journal.admit(
        TOPIC,
        Array.from({ length: count }, (_, n) => row(`${prefix}${n}`, { body })),
        1,
      );
      for (const id of ids) journal.reply(id, [], 1);
    };
    const sizeAfterwards = (): number => {
      store.close();
      const { size } = statSync(dir.journal);
      open();
      return size;
    };
    fill(150, "little");
    expect(upkeep(2)).toBe(1);
    expect(sizeAfterwards()).toBeGreaterThan(150 * 40_000);
    fill(900, "burst");
    // Some 9,900 free pages, 2,000 in a portion, of which fewer than that stay.
    expect(upkeep(2)).toBeGreaterThanOrEqual(4);
    expect(sizeAfterwards()).toBeLessThan(2_100 * 4_096);
  });

  it("is of the size of a page, and is vacuumed bit by bit", () => {
    open();
    const db = new DatabaseSync(dir.journal, { readOnly: true });
    const pragma = (name: string): unknown => db.prepare(`PRAGMA ${name}`).get()?.[name];
    expect([pragma("page_size"), pragma("auto_vacuum"), pragma("journal_mode")]).toEqual([4_096, 2, "wal"]);
    db.close();
  });

  it("has a log that is copied back at 16 MiB, and no longer for good", () => {
    open();
    const body = "x".repeat(60_000);
    let longest = 0;
    for (let n = 0; n < 330; n += 1) {
      journal.admit(TOPIC, [row(`big${n}`, { body })], 1);
      longest = Math.max(longest, statSync(`${dir.journal}-wal`).size);
    }
    expect(longest).toBeGreaterThan(16 * 1_024 * 1_024);
    expect(longest).toBeLessThan(20 * 1_024 * 1_024);
  });
});

describe("a group of calls", () => {
  const call = (operation: keyof JournalOperations, ...args: readonly unknown[]) => ({
    account: "default",
    operation,
    args,
  });

  it("that only reads does so beside another writer; one that writes waits for it, in vain", () => {
    open();
    store.close();
    const other = new DatabaseSync(dir.journal);
    open();
    other.exec("BEGIN IMMEDIATE");
    const reading = [
      call("openCommands", 0, 1),
      call("openCommand", 1),
      call("findOpen", "x"),
      call("unsentCommands", 0, 1),
      call("nextReply", 1),
      call("deadLetters", 1, 1),
      call("deadLetter", 1),
      call("openRequests"),
      call("requestOutcome", 1),
      call("numbers"),
      call("watches"),
      call("watchedEntities", "w", "", 1),
    ];
    expect(store.run(reading).filter((outcome) => "error" in outcome)).toEqual([]);
    expect(store.run([call("numbers"), call("ask", { action: "drop", deadLetter: 1 }, 1)])).toMatchObject([
      { error: { code: "disk", retryable: true } },
      { error: { code: "disk", retryable: true } },
    ]);
    other.exec("ROLLBACK");
    other.close();
    expect(store.run([call("ask", { action: "drop", deadLetter: 1 }, 1)])).toEqual([{ value: 1 }]);
  });

  it("says which call could not be done, and why", () => {
    open({});
    const outcomes = store.run([call("admit", TOPIC, [{ ...row("a"), body: null }], 1), call("numbers")]);
    expect(outcomes).toMatchObject([{ error: { code: "disk", retryable: false } }, { value: { received: 0 } }]);
  });

  it("takes nothing over beyond the size it is allowed, watches included, and answers what is open", () => {
    store = openStore({ path: dir.journal, maxBytes: 1 });
    journal = operations(store);
    const flush = { topicId: "w", rows: [], entities: [], sequence: 1, turns: [] };
    const outcomes = store.run([
      call("admit", TOPIC, [row("a")], 1),
      call("admitWatch", "w", flush, 1),
      call("keepWatch", "w", 1),
    ]);
    const full = { code: "disk", retryable: true, message: "The journal holds more than 1 bytes of open work." };
    expect(outcomes).toMatchObject([{ error: full }, { error: full }, {}]);
    expect(outcomes[2]).not.toHaveProperty("error");
    expect(journal.reply(1, [reply("a")], 1)).toBe(false);
  });
});
