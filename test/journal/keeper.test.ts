/** A damaged journal is replaced, and what can be read of it carried over, while somebody waits for an answer. */

import { existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isAgentruxError } from "../../src/errors.ts";
import { type Keeper, openKeeper } from "../../src/journal/keeper.ts";
import { type JournalFinding, rescue, setAside } from "../../src/journal/set-aside.ts";
import { openStore } from "../../src/journal/store.ts";
import type { JournalOperations, NewReply } from "../../src/journal/types.ts";
import { codeOf, folderForEach, hex, operations, reply, row, wholeReply } from "./support.ts";

const AT = Date.parse("2026-11-30T07:08:09.123Z");
const dir = folderForEach();
let findings: JournalFinding[];
let keeper: Keeper | undefined;

beforeEach(() => {
  findings = [];
});

afterEach(() => {
  keeper?.close();
  keeper = undefined;
});

function open(): Keeper {
  keeper = openKeeper(
    { path: dir.journal },
    () => AT,
    (finding) => findings.push(finding),
  );
  return keeper;
}

const call = (operation: keyof JournalOperations, ...args: readonly unknown[]) => ({
  account: "default",
  operation,
  args,
});

function written(fill: (journal: JournalOperations) => void): void {
  const store = openStore({ path: dir.journal });
  fill(operations(store));
  store.close();
}

/** Its pages with this text in them are made unreadable; the file must not be open. */
function damagePagesWith(text: string): void {
  const bytes = readFileSync(dir.journal);
  for (let page = 1; page * 4096 < bytes.length; page += 1) {
    const one = bytes.subarray(page * 4096, (page + 1) * 4096);
    if (one.includes(text)) one.fill(0xa5);
  }
  writeFileSync(dir.journal, bytes);
}

function rowsOf(table: string): number {
  const db = new DatabaseSync(dir.journal, { readOnly: true });
  const count = Number(db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.["n"]);
  db.close();
  return count;
}

/** As if the journal were damaged somewhere else. */
function carryOver(): void {
  const aside = setAside(dir.journal, AT);
  openStore({ path: dir.journal }).close();
  rescue(aside, dir.journal, AT);
}

/** Each event with its own page of the file; the one in the middle is damaged. */
function damagedInTheMiddle(): void {
  const body = (n: number): string => `"${n === 25 ? "HERE" : "x"}${"y".repeat(3_500)}"`;
  const rows = Array.from({ length: 50 }, (_, n) => row(`e${n}`, { body: body(n) }));
  written((journal) => journal.admit("t", rows, 1));
  damagePagesWith("HERE");
}

/** An open journal of which SQLite has read no more than the first pages; then the others go bad. */
function damagedWhileOpen(): Keeper {
  const body = `"${"y".repeat(3_500)}"`;
  const rows = Array.from({ length: 2_000 }, (_, n) => row(`e${n}`, { body }));
  written((journal) => journal.admit("t", rows, 1));
  const running = open();
  const bytes = readFileSync(dir.journal);
  writeFileSync(dir.journal, bytes.fill(0xa5, 4096 * 200, 4096 * 1_500));
  return running;
}

describe("a journal that is damaged when it is opened", () => {
  it("is set aside under the time, and told of", () => {
    writeFileSync(dir.journal, "not a database ".repeat(500));
    const [outcome] = open().run([call("admit", "t", [row("a")], AT)]);
    expect(outcome).toMatchObject({ value: { ids: [AT + 1] } });
    const aside = `${dir.journal}.corrupt-20261130-070809`;
    const message = `The journal was damaged. It was set aside as ${aside} and a new one begun; 0 open commands were carried over.`;
    expect(findings).toEqual([{ code: "journal_corrupt", setAside: aside, rescued: 0, message }]);
    expect(readFileSync(aside, "utf8")).toContain("not a database");
    expect(statSync(dir.journal).mode & 0o777).toBe(0o600);
  });

  it("is set aside under a name that is free, with its companions", () => {
    for (let n = 0; n < 3; n += 1) {
      for (const suffix of ["", "-wal", "-shm"]) writeFileSync(dir.journal + suffix, `${n}${suffix}`);
      setAside(dir.journal, AT);
    }
    const names = ["", "-2", "-3"].flatMap((count) =>
      ["", "-shm", "-wal"].map((suffix) => `journal.sqlite.corrupt-20261130-070809${count}${suffix}`),
    );
    expect(readdirSync(dir.path).toSorted()).toEqual(names.toSorted());
    expect(readFileSync(`${dir.journal}.corrupt-20261130-070809-3-wal`, "utf8")).toBe("2-wal");
  });

  it("stays where it is when it is merely newer", async () => {
    written(() => undefined);
    const db = new DatabaseSync(dir.journal);
    db.exec("PRAGMA user_version = 99");
    db.close();
    expect(await codeOf(() => open())).toBe("config");
    expect(readdirSync(dir.path)).toEqual(["journal.sqlite"]);
  });

  it("is noticed although it can be opened", () => {
    damagedInTheMiddle();
    open();
    expect(findings).toHaveLength(1);
    expect(findings[0]?.rescued).toBe(49);
  });
});

describe("what is carried over", () => {
  it("are commands, replies, dead letters, ids, positions and watches, under their numbers", () => {
    written((journal) => {
      journal.admit("t", [row("open"), row("answered"), row("done"), row("dead")], 1, "here");
      journal.reply(2, [wholeReply("answered")], 2);
      journal.reply(3, [], 2);
      journal.reply(4, [], 2, "no luck");
      journal.keepWatch("w", 3, "{}");
      const entities = [{ entity: "a", state: "1" }];
      journal.admitWatch("w", { topicId: "t", rows: [], entities, sequence: 4, turns: [5], basis: "b" }, 3);
    });
    carryOver();
    const store = openStore({ path: dir.journal });
    const journal = operations(store);
    expect(journal.openCommands(0, 10)).toMatchObject([{ id: 1, commandId: hex("open") }]);
    expect(journal.nextReply(2)).toMatchObject({ replyId: "idk_answered_1" });
    expect(journal.deadLetters(1e9, 10)).toMatchObject([{ id: 1, reason: "no luck" }]);
    expect(journal.lastPosition("t")).toBe("here");
    // What it knew of the world is of use as a whole only: it begins anew, and its numbers do not.
    expect(journal.watches()).toEqual([{ name: "w", definition: "{}", born: 3, sequence: 4, turns: [5] }]);
    expect(journal.watchedEntities("w", "", 10)).toEqual([]);
    const names = ["open", "answered", "done", "dead", "new"];
    expect(
      journal.admit(
        "t",
        names.map((name) => row(name)),
        9,
      ).ids,
    ).toEqual([0, 0, 0, 0, AT + 1]);
    journal.reply(AT + 1, [reply("new")], 9, "no luck");
    expect(journal.nextReply(AT + 1)?.id).toBe(AT + 1);
    expect(journal.deadLetters(1e15, 1)).toMatchObject([{ id: AT + 1 }]);
    store.close();
  });

  it("is never run twice, although the ids of a block were lost", () => {
    written((journal) => {
      journal.admit("t", [row("a")], 1);
      journal.admit("t2", [row("b")], 1);
    });
    const db = new DatabaseSync(dir.journal);
    db.exec(
      "DELETE FROM seen; INSERT INTO sources (id, account, topic) VALUES (50, 'other', 't'); UPDATE commands SET source = 50 WHERE id = 2",
    );
    db.close();
    carryOver();
    const store = openStore({ path: dir.journal });
    expect(operations(store).admit("t", [row("a")], 2).ids).toEqual([0]);
    expect(operations(store, "other").admit("t", [row("b")], 2).ids).toEqual([0]);
    store.close();
  });

  it("is nothing where nothing can be read, and no reply without its command", () => {
    expect(existsSync(dir.journal)).toBe(false);
    writeFileSync(`${dir.journal}.broken`, "no");
    openStore({ path: dir.journal }).close();
    rescue(`${dir.journal}.broken`, dir.journal, AT);
    expect(rowsOf("commands")).toBe(0);

    const lost = join(dir.path, "lost.sqlite");
    const store = openStore({ path: lost });
    operations(store).admit("t", [row("a")], 1);
    operations(store).reply(1, [reply("a")], 1);
    store.close();
    const db = new DatabaseSync(lost);
    db.exec("PRAGMA foreign_keys = OFF; DELETE FROM commands");
    db.close();
    rescue(lost, dir.journal, AT);
    expect(rowsOf("replies")).toBe(0);
  });
});

describe("a reply that was damaged", () => {
  const long = `"HERE${"y".repeat(3_500)}"`;
  const openAfter = (replies: readonly NewReply[], attempted = true): Keeper => {
    written((journal) => {
      const [id = 0] = journal.admit("t", [row("a")], 1).ids;
      if (attempted) journal.begin(id);
      journal.reply(id, replies, 2);
    });
    damagePagesWith("HERE");
    return open();
  };
  const part = (number: number, body: string): NewReply => ({ replyId: `idk_${number}`, part: number, body });
  const openWork = (running: Keeper): unknown =>
    running
      .run([call("openCommands", 0, 10), call("unsentCommands", 0, 10)])
      .map((outcome) => Object.values(outcome)[0]);

  it.each([
    ["as a whole", [part(1, long)]],
    ["in its middle", [part(1, '{"final":false}'), part(2, long), part(3, '{"final":true}')]],
    ["in its last part", [part(1, '{"final":false}'), part(2, long)]],
  ])("%s is asked for again", (_what, replies) => {
    const running = openAfter(replies);
    expect(openWork(running)).toMatchObject([[{ id: 1, state: "running" }], []]);
    expect(rowsOf("replies")).toBe(0);
  });

  it("before any attempt begins anew", () => {
    expect(openWork(openAfter([part(1, long)], false))).toMatchObject([[{ id: 1, state: "received" }], []]);
  });

  it("is answered under other ids where a part of it may be out", () => {
    const first = JSON.stringify({ message: "y".repeat(3_500), final: false });
    const running = openAfter([part(1, first), part(2, long)]);
    expect(openWork(running)).toMatchObject([[{ replays: 1 }], []]);
  });

  it.each([
    ["is whole", 1],
    ["an operator has sent again, without its first part,", 2],
  ])("elsewhere leaves one that %s alone", (_what, first) => {
    const filled = (final: boolean): string => JSON.stringify({ message: "y".repeat(3_500), final });
    written((journal) => {
      journal.admit("t", [row("a"), row("b")], 1);
      journal.reply(1, [part(first, filled(false)), part(first + 1, filled(true))], 2);
      journal.reply(2, [part(1, long)], 2);
    });
    damagePagesWith("HERE");
    expect(openWork(open())).toMatchObject([[{ id: 2 }], [{ command: 1 }]]);
  });
});

describe("a replacement that does not come to its end", () => {
  const hook = (act: (name: string) => void): void =>
    void Object.assign(globalThis, { [Symbol.for("agentrux.failpoint")]: act });
  const [full, killed] = [Object.assign(new Error("database or disk is full"), { errcode: 13 }), new Error("killed")];

  afterEach(() => hook(() => undefined));

  it.each(["journal.rescuing", "journal.rescued", "journal.set-aside"])(
    "carries over the same after a crash at %s",
    (place) => {
      damagedInTheMiddle();
      hook((name) => {
        if (name === place) throw killed;
      });
      expect(() => open()).toThrow("killed");
      hook(() => undefined);
      const running = open();
      expect(running.run([call("numbers")])).toMatchObject([{ value: { received: 49 } }]);
      expect(findings).toMatchObject([{ rescued: 49 }]);
      expect(readdirSync(dir.path).filter((name) => /new|rescued/.test(name))).toEqual([]);
      expect(readdirSync(dir.path).filter((name) => /corrupt-[\d-]+$/.test(name))).toHaveLength(1);
    },
  );

  it("begins anew where what was carried over is not whole", () => {
    damagedInTheMiddle();
    hook((name) => {
      if (name === "journal.rescued") throw killed;
    });
    expect(() => open()).toThrow("killed");
    hook(() => undefined);
    truncateSync(`${dir.journal}.rescued`, 10_000);
    expect(open().run([call("numbers")])).toMatchObject([{ value: { received: 49 } }]);
  });

  it("is left aside where the journal has been put right meanwhile", () => {
    damagedInTheMiddle();
    hook((name) => {
      if (name === "journal.rescued") throw killed;
    });
    expect(() => open()).toThrow("killed");
    hook(() => undefined);
    rmSync(dir.journal);
    written((journal) => journal.admit("t", [row("newer")], 1));
    expect(open().run([call("numbers")])).toMatchObject([{ value: { received: 1 } }]);
    expect(findings).toEqual([]);
    expect(readdirSync(dir.path).some((name) => name.includes("rescued.corrupt"))).toBe(true);
  });

  it("is not made of a file that somebody else has locked", () => {
    written((journal) => journal.admit("t", [row("a")], 1));
    const other = new DatabaseSync(dir.journal);
    other.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; SELECT count(*) FROM commands");
    const fresh = join(dir.path, "fresh.sqlite");
    openStore({ path: fresh }).close();
    expect(() => rescue(dir.journal, fresh, AT)).toThrow("locked");
    other.close();
    rescue(dir.journal, fresh, AT);
  });

  it("lies in one file, or does not come about", () => {
    written((journal) => journal.admit("t", [row("a")], 1));
    const fresh = join(dir.path, "fresh.sqlite");
    openStore({ path: fresh }).close();
    // Somebody who reads keeps the log from being copied back, as a full disk would.
    const reader = new DatabaseSync(fresh);
    reader.exec("BEGIN; SELECT count(*) FROM commands");
    expect(() => rescue(dir.journal, fresh, AT)).toThrow("locked");
    reader.close();
  });

  it("does not keep a stop from ending", () => {
    damagedInTheMiddle();
    const running = open();
    const bytes = readFileSync(dir.journal);
    writeFileSync(dir.journal, bytes.fill(0xa5, 4096));
    hook((name) => {
      if (name === "journal.rescuing") throw Object.assign(new Error("read-only"), { syscall: "open", code: "EROFS" });
    });
    expect(running.run([call("openCommands", 0, 10_000)])).toMatchObject([
      { error: { code: "disk", retryable: true } },
    ]);
    running.close();
    keeper = undefined;
  });

  it("for want of room is begun again, and leaves the damaged file where it is until then", async () => {
    damagedInTheMiddle();
    hook((name) => {
      if (name === "journal.rescuing") throw full;
    });
    expect(await codeOf(() => open())).toBe("disk");
    expect(readdirSync(dir.path)).toContain("journal.sqlite");
    hook(() => undefined);
    expect(open().run([call("numbers")])).toMatchObject([{ value: { received: 49 } }]);
  });

  it("while it runs fails its calls as retryable, until there is room", () => {
    const running = damagedWhileOpen();
    hook((name) => {
      if (name === "journal.rescuing") throw full;
    });
    expect(running.run([call("openCommands", 0, 10_000)])).toMatchObject([
      { error: { code: "disk", retryable: true } },
    ]);
    expect(running.upkeep(AT)).toBe(false);
    expect(running.run([call("numbers")])).toMatchObject([{ error: { code: "disk", retryable: true } }]);
    hook(() => undefined);
    const [after] = running.run([call("numbers")]);
    expect(findings).toHaveLength(1);
    expect(after).toMatchObject({ value: { received: findings[0]?.rescued } });
  });
});

describe("a journal that is damaged while it runs", () => {
  it("fails every call of the group as retryable, and serves the next", () => {
    const running = damagedWhileOpen();
    const outcomes = running.run([call("openCommands", 0, 10_000), call("numbers")]);
    expect(outcomes).toHaveLength(2);
    for (const outcome of outcomes) {
      const error = "error" in outcome ? outcome.error : undefined;
      expect(isAgentruxError(error, "journal_corrupt") && error.retryable).toBe(true);
      expect(error?.cause).toBeDefined();
    }
    expect(findings).toHaveLength(1);
    const [after] = running.run([call("numbers")]);
    expect(after).toMatchObject({ value: { received: findings[0]?.rescued } });
    expect(findings).toHaveLength(1);
  });
});

describe("a journal that is well", () => {
  it("is served, kept up and closed without a finding", () => {
    const running = open();
    expect(running.run([call("admit", "t", [row("a")], AT), call("numbers")])).toMatchObject([
      { value: { ids: [1] } },
      { value: { received: 1 } },
    ]);
    expect(running.upkeep(AT)).toBe(false);
    expect(findings).toEqual([]);
    running.close();
    keeper = undefined;
    expect(running.upkeep(AT)).toBe(false);
    expect(running.run([call("numbers")])).toMatchObject([{ error: { code: "disk" } }]);
  });
});
