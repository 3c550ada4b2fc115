import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { acquireLock, createPrivateFile, isOwned, lastOwner } from "../../src/journal/lock.ts";
import { primaryCode, SQLITE_BUSY, sqliteFault } from "../../src/journal/sqlite-fault.ts";
import { AgentruxError } from "../../src/errors.ts";
import { codeOf, folderForEach } from "./support.ts";

const dir = folderForEach();
const at = (name: string): string => join(dir.path, name);

function faultOf(work: () => unknown): AgentruxError {
  try {
    work();
  } catch (error) {
    if (error instanceof AgentruxError) return error;
    throw error;
  }
  throw new Error("no fault");
}

describe("the lock of a journal", () => {
  it("is free where nobody ever took it, and asking makes no file", () => {
    expect([isOwned(dir.path), lastOwner(dir.path), existsSync(at("journal.lock"))]).toEqual([false, undefined, false]);
  });

  it("is held until it is released, by whom a file tells that only its owner can read", () => {
    const lock = acquireLock(dir.path, 4_711);
    expect([isOwned(dir.path), lastOwner(dir.path)]).toEqual([true, 4_711]);
    for (const name of ["journal.lock", "journal.owner"]) expect(statSync(at(name)).mode & 0o777).toBe(0o600);
    const fault = faultOf(() => acquireLock(dir.path, 1));
    expect(fault).toMatchObject({ code: "journal_locked", retryable: true, details: { pid: 4_711 } });
    expect(fault.message).toBe("Another process (pid 4711) owns the journal in this folder.");
    expect(primaryCode(fault.cause)).toBe(SQLITE_BUSY);
    lock.release();
    lock.release();
    expect([isOwned(dir.path), existsSync(at("journal.owner"))]).toEqual([false, false]);
    acquireLock(dir.path, 2).release();
  });

  it("is released by its holder once: a later release does not take the name of the next", () => {
    const first = acquireLock(dir.path, 1);
    first.release();
    const second = acquireLock(dir.path, 2);
    first.release();
    expect([isOwned(dir.path), lastOwner(dir.path)]).toEqual([true, 2]);
    second.release();
  });

  it.each(["", "x", "-5", "0", "1e99"])("has an unknown owner where the file says %j", (text) => {
    const lock = acquireLock(dir.path, 1);
    writeFileSync(at("journal.owner"), text);
    expect(lastOwner(dir.path)).toBe(text === "1e99" ? 1 : undefined);
    if (text === "") {
      const fault = faultOf(() => acquireLock(dir.path, 1));
      expect([fault.message, fault.details]).toEqual(["Another process owns the journal in this folder.", {}]);
    }
    lock.release();
  });

  it("is held although its owner cannot be written down", () => {
    mkdirSync(at("journal.owner"));
    const lock = acquireLock(dir.path, 1);
    expect(isOwned(dir.path)).toBe(true);
    expect(lastOwner(dir.path)).toBeUndefined();
    expect(faultOf(() => acquireLock(dir.path, 1)).code).toBe("journal_locked");
    lock.release();
    expect(isOwned(dir.path)).toBe(false);
  });

  it("cannot be told of where its file is none", async () => {
    mkdirSync(at("journal.lock"));
    expect(await codeOf(() => acquireLock(dir.path, 1))).toBe("disk");
    expect(await codeOf(() => isOwned(dir.path))).toBe("disk");
    expect(await codeOf(() => acquireLock(at("no such folder"), 1))).toBe("disk");
  });
});

describe("a private file", () => {
  it("is made empty where there is none, and left as it is where there is one", () => {
    createPrivateFile(at("f"));
    expect([readFileSync(at("f"), "utf8"), statSync(at("f")).mode & 0o777]).toEqual(["", 0o600]);
    writeFileSync(at("f"), "text");
    createPrivateFile(at("f"));
    expect(readFileSync(at("f"), "utf8")).toBe("text");
  });
});

describe("a fault of SQLite", () => {
  const fault = (errcode: number): AgentruxError => sqliteFault(Object.assign(new Error("words"), { errcode }));

  const KINDS: readonly (readonly [number, "disk" | "journal_corrupt", boolean])[] = [
    [11, "journal_corrupt", false],
    [11 + 256, "journal_corrupt", false],
    [26, "journal_corrupt", false],
    [1, "disk", false],
    [19, "disk", false],
    ...[3, 5, 6, 8, 10, 13, 14, 15, 10 + 12 * 256].map((code) => [code, "disk", true] as const),
  ];

  it.each(KINDS)("with code %i is %s, retryable: %s", (code, kind, retryable) => {
    expect(fault(code)).toMatchObject({ code: kind, retryable });
    expect(fault(code).message).toBe(
      kind === "disk" ? "The journal could not be written: words" : "The journal file is damaged.",
    );
    expect(fault(code).cause).toBeInstanceOf(Error);
  });

  it("is left as it is when it is one of ours, and is no fault of the disk when it is none of SQLite's", () => {
    const ours = new AgentruxError("config", "ours");
    expect(sqliteFault(ours)).toBe(ours);
    expect(sqliteFault("text")).toMatchObject({ code: "disk", retryable: false });
    expect(sqliteFault("text").message).toBe("The journal could not be written: text");
    expect(primaryCode(Object.assign(new Error("x"), { errcode: "5" }))).toBeUndefined();
    expect(primaryCode({ errcode: 5 })).toBeUndefined();
  });
});
