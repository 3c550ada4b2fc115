import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { inspectJournal } from "../../src/journal/inspect.ts";
import { openJournal } from "../../src/journal/journal.ts";
import { SCHEMA_VERSION } from "../../src/journal/schema.ts";
import { openStore } from "../../src/journal/store.ts";
import { folderForEach, operations, reply, row } from "./support.ts";

const OVERWRITE = fileURLToPath(new URL("./fixtures/overwrite.ts", import.meta.url));

const dir = folderForEach();

/** A journal that nobody owns. */
function write(commands: number, body = "{}"): void {
  const store = openStore({ path: dir.journal });
  operations(store).admit(
    "t",
    Array.from({ length: commands }, (_, n) => row(`e${n}`, { body })),
    5,
  );
  store.close();
}

describe("looking at a journal", () => {
  it("finds none where there is none, and makes none", () => {
    expect(inspectJournal(dir.path, "default")).toBeUndefined();
    expect(existsSync(dir.journal)).toBe(false);
  });

  it("tells the numbers of the account, the size, and that nobody owns it", () => {
    write(3);
    const store = openStore({ path: dir.journal });
    const journal = operations(store);
    journal.reply(1, [reply("a")], 9);
    store.close();
    const numbers = { received: 2, running: 0, replied: 1, deadLetters: 0, oldestReceivedAt: 5 };
    const common = { path: dir.journal, owned: false, bytes: statSync(dir.journal).size, condition: { kind: "sound" } };
    expect(inspectJournal(dir.path, "default")).toEqual({ ...common, numbers });
    expect(inspectJournal(dir.path, "other")?.numbers).toMatchObject({ received: 0, deadLetters: 0 });
  });

  it("does so beside its owner, whose log counts as well", async () => {
    const file = await openJournal({ directory: dir.path });
    await file.account("default").admit("t", [row("a")], 5);
    const bytes = statSync(dir.journal).size + statSync(`${dir.journal}-wal`).size;
    const report = inspectJournal(dir.path, "default");
    expect(report).toMatchObject({ owned: true, ownerPid: process.pid, condition: { kind: "sound" } });
    expect(report?.numbers?.received).toBe(1);
    expect(report?.bytes).toBeGreaterThanOrEqual(bytes);
    await file.close();
  });

  it("says what is damaged, in one line, and leaves it where it is", () => {
    write(200, JSON.stringify("x".repeat(3_000)));
    const size = statSync(dir.journal).size;
    execFileSync(process.execPath, [OVERWRITE, dir.journal, String(Math.floor(size / 8192) * 4096), "40960"]);
    const report = inspectJournal(dir.path, "default");
    expect(report?.condition).toMatchObject({ kind: "damaged", what: expect.stringMatching(/^\S[^\n]*\S$/) });
    expect(report?.numbers).toBeUndefined();
    expect(statSync(dir.journal).size).toBe(size);
  });

  it("knows a file that is no journal at all", () => {
    writeFileSync(dir.journal, "not a database ".repeat(1_000));
    expect(inspectJournal(dir.path, "default")?.condition.kind).toBe("damaged");
  });

  it("does not take a journal of another release for a damaged one", () => {
    write(1);
    const db = new DatabaseSync(dir.journal);
    db.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
    db.close();
    const report = inspectJournal(dir.path, "default");
    expect(report?.condition).toEqual({ kind: "other-release", version: SCHEMA_VERSION + 1 });
    expect(report?.numbers).toBeUndefined();
  });

  it("says so when it is not a journal yet", () => {
    new DatabaseSync(dir.journal).close();
    writeFileSync(dir.journal, "");
    expect(inspectJournal(dir.path, "default")?.condition.kind).toBe("unreadable");
  });

  it("says so when it cannot be opened", () => {
    mkdirSync(dir.journal);
    expect(inspectJournal(dir.path, "default")?.condition.kind).toBe("unreadable");
  });

  it("does not read through a large one, and still tells its numbers", () => {
    write(2);
    // Beyond the size its own header tells of, the file is not looked at.
    truncateSync(dir.journal, 257 * 1024 * 1024);
    expect(inspectJournal(dir.path, "default")).toMatchObject({
      condition: { kind: "unchecked" },
      numbers: { received: 2 },
    });
  });
});
