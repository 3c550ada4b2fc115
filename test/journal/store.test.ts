import { existsSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SCHEMA_VERSION } from "../../src/journal/schema.ts";
import { openStore, type Store } from "../../src/journal/store.ts";
import type { JournalOperations } from "../../src/journal/types.ts";
import { codeOf, folderForEach, hex, operations, reply, row } from "./support.ts";

const TOPIC = "t1";
const dir = folderForEach();
let store: Store;
let journal: JournalOperations;

beforeEach(() => {
  store = openStore({ path: dir.journal });
  journal = operations(store);
});

afterEach(() => {
  store.close();
});

function admitOne(name: string, at = 1): number {
  return journal.admit(TOPIC, [row(name)], at).ids[0] ?? -99;
}

function reopen(): void {
  store.close();
  store = openStore({ path: dir.journal });
  journal = operations(store);
}

describe("taking over", () => {
  it("gives each new event a number and knows it again, also after a restart", () => {
    const { ids } = journal.admit(TOPIC, [row("a"), row("b"), row("a")], 1);
    expect(ids[0]).toBeGreaterThan(0);
    expect(ids[1]).toBeGreaterThan(ids[0] ?? 0);
    expect(ids[2]).toBe(0);
    reopen();
    expect(journal.admit(TOPIC, [row("b"), row("c")], 2).ids[0]).toBe(0);
    expect(journal.numbers().received).toBe(3);
  });

  it("takes a request id once, and events without one as often as they come", () => {
    const requestKey = hex("request");
    expect(journal.admit(TOPIC, [row("a", { requestKey }), row("b", { requestKey })], 1).ids).toEqual([1, -1]);
    reopen();
    expect(journal.admit(TOPIC, [row("c", { requestKey }), row("d")], 1).ids[0]).toBe(-1);
    expect(journal.numbers().received).toBe(2);
  });

  it("keeps accounts apart", () => {
    const other = operations(store, "other");
    admitOne("a");
    expect(other.admit(TOPIC, [row("a")], 1).ids[0]).toBeGreaterThan(0);
    expect(journal.openCommands(0, 10)).toHaveLength(1);
    expect(other.openCommands(0, 10)).toHaveLength(1);
    expect(other.numbers().received).toBe(1);
  });

  it("writes down a rejected command together with its answer", () => {
    const [id] = journal.admit(TOPIC, [row("a", { replies: [reply("no")] })], 1).ids;
    expect(journal.openCommands(0, 10)).toEqual([]);
    expect(journal.nextReply(id ?? 0)?.replyId).toBe("idk_no_1");
  });

  it("gives each command of a page its own number, whatever stands between them", () => {
    admitOne("known");
    const names = Array.from({ length: 30 }, (_, n) => (n % 7 === 3 ? "known" : `n${n}`));
    const rows = names.map((name, n) =>
      row(name, n === 5 ? { begun: true } : n === 12 ? { replies: [reply(name)] } : {}),
    );
    const { ids } = journal.admit(TOPIC, rows, 1);
    const found = ids.map((id) => journal.openCommand(id));
    expect(found.map((one) => one?.commandId)).toEqual(
      names.map((name, n) => (name === "known" || n === 12 ? undefined : hex(name))),
    );
    expect(ids.map((id, n) => [names[n], id]).filter(([, id]) => id === 0)).toEqual(
      Array.from({ length: 4 }, () => ["known", 0]),
    );
    expect(found[5]).toMatchObject({ state: "running", attempt: 1, tries: 1 });
    expect(journal.nextReply(ids[12] ?? 0)?.replyId).toBe("idk_n12_1");
  });

  it("lists what is open page by page, in order of arrival", () => {
    journal.admit(TOPIC, [row("a"), row("b"), row("c")], 1);
    const first = journal.openCommands(0, 2);
    expect(first.map((command) => command.commandId)).toEqual([hex("a"), hex("b")]);
    expect(journal.openCommands(first[1]?.id ?? 0, 2).map((command) => command.commandId)).toEqual([hex("c")]);
  });

  it("never uses a number again", () => {
    const id = admitOne("a");
    journal.reply(id, [reply("a")], 1);
    journal.acknowledge(journal.nextReply(id)?.id ?? 0);
    expect(journal.numbers()).toMatchObject({ received: 0, replied: 0 });
    reopen();
    expect(admitOne("b")).toBeGreaterThan(id);
  });
});

describe("attempts", () => {
  it("counts before a turn starts, and begins a command only once", () => {
    const id = admitOne("a");
    expect(journal.begin(id)).toMatchObject({ attempt: 1, tries: 1, state: "running", body: '{"name":"a"}' });
    expect(journal.begin(id)).toBeUndefined();
    reopen();
    expect(journal.openCommands(0, 10)[0]).toMatchObject({ attempt: 1, tries: 1, state: "running" });
  });

  it("puts back with or without giving the try back, and never re-uses a number of attempt", () => {
    const id = admitOne("a");
    journal.begin(id);
    expect(journal.putBack(id, 1, true, 0)).toBe(true);
    expect(journal.begin(id)).toMatchObject({ attempt: 2, tries: 1 });
    expect(journal.putBack(id, 2, false, 77)).toBe(true);
    expect(journal.openCommands(0, 1)[0]).toMatchObject({ state: "received", notBefore: 77 });
    expect(journal.begin(id)).toMatchObject({ attempt: 3, tries: 2 });
  });

  it("does not let an older attempt put back a newer one", () => {
    const id = admitOne("a");
    journal.begin(id);
    journal.putBack(id, 1, false, 0);
    journal.begin(id);
    expect(journal.putBack(id, 1, false, 0)).toBe(false);
    expect(journal.openCommands(0, 1)[0]?.state).toBe("running");
  });

  it("finds a command by its id only while it was attempted and is open", () => {
    const id = admitOne("a");
    expect(journal.findOpen(hex("a"))).toBeUndefined();
    journal.begin(id);
    expect(journal.findOpen(hex("a"))?.id).toBe(id);
    journal.reply(id, [reply("a")], 1);
    expect(journal.findOpen(hex("a"))).toBeUndefined();
  });
});

describe("the reply", () => {
  it("is the first one written down; later ones change nothing", () => {
    const id = admitOne("a");
    journal.begin(id);
    expect(journal.reply(id, [reply("first")], 1)).toBe(true);
    expect(journal.reply(id, [reply("second")], 2, "too late")).toBe(false);
    expect(journal.nextReply(id)?.body).toBe('"first"');
    expect(journal.deadLetters(1e9, 10)).toEqual([]);
    expect(journal.putBack(id, 1, false, 0)).toBe(false);
    expect(journal.begin(id)).toBeUndefined();
  });

  it("goes out part by part, and closes the command with the last", () => {
    const id = admitOne("a");
    journal.reply(id, [reply("a", 1), reply("a", 2)], 5);
    expect(journal.unsentCommands(0, 10)).toEqual([{ command: id, lane: "lane", notBefore: 0 }]);
    const one = journal.nextReply(id);
    expect(one).toMatchObject({ part: 1, state: "pending", attempts: 0, createdAt: 5 });
    journal.markSending(one?.id ?? 0, 0);
    expect(journal.nextReply(id)).toMatchObject({ part: 1, state: "sending", attempts: 1 });
    expect(journal.acknowledge(one?.id ?? 0)).toBe(false);
    const two = journal.nextReply(id);
    expect(two?.part).toBe(2);
    expect(journal.acknowledge(two?.id ?? 0)).toBe(true);
    expect(journal.unsentCommands(0, 10)).toEqual([]);
    expect(journal.nextReply(id)).toBeUndefined();
  });

  it("remembers over a restart whether a send may have arrived", () => {
    const id = admitOne("a");
    journal.reply(id, [reply("a")], 1);
    const part = journal.nextReply(id)?.id ?? 0;
    journal.markSending(part, 0);
    reopen();
    expect(journal.nextReply(id)?.state).toBe("sending");
    journal.deferReply(part, 99, false);
    expect(journal.nextReply(id)).toMatchObject({ state: "pending", notBefore: 99 });
    journal.deferReply(part, 100, true);
    expect(journal.nextReply(id)?.state).toBe("sending");
  });

  it("can be replaced as far as it is not published", () => {
    const id = admitOne("a");
    journal.reply(id, [reply("a", 1), reply("a", 2)], 1);
    journal.acknowledge(journal.nextReply(id)?.id ?? 0);
    journal.replaceReplies(id, [reply("short", 2)], 2);
    expect(journal.nextReply(id)?.replyId).toBe("idk_short_2");
  });
});

describe("dead letters", () => {
  it("keep a failed command, which can run again as a new life of it", () => {
    const id = admitOne("a");
    journal.begin(id);
    journal.reply(id, [reply("a")], 7, "no luck");
    const [letter] = journal.deadLetters(1e9, 10);
    expect(letter).toMatchObject({ kind: "turn", reason: "no luck", topicId: TOPIC, attempt: 1, diedAt: 7 });
    expect(journal.deadLetter(letter?.id ?? 0)?.body).toBe('{"name":"a"}');

    const again = journal.replay(letter?.id ?? 0, 9);
    expect(again).toMatchObject({ state: "received", attempt: 1, tries: 0, replays: 1, commandId: hex("a") });
    expect(again?.id).not.toBe(id);
    expect(journal.begin(again?.id ?? 0)).toMatchObject({ attempt: 2, tries: 1 });
    expect(journal.replay(letter?.id ?? 0, 9)).toBeUndefined();
    expect(journal.nextReply(id)).toBeDefined();
  });

  it("keep an expired reply, which can be sent again under its old id", () => {
    const id = admitOne("a");
    journal.reply(id, [reply("a", 1), reply("a", 2)], 1);
    journal.acknowledge(journal.nextReply(id)?.id ?? 0);
    journal.expireReply(id, "too old", 5);
    expect(journal.unsentCommands(0, 10)).toEqual([]);
    const [letter] = journal.deadLetters(1e9, 10);
    expect(letter?.kind).toBe("reply");
    const again = journal.replay(letter?.id ?? 0, 6);
    expect(again).toMatchObject({ state: "replied", replays: 0 });
    expect(journal.nextReply(again?.id ?? 0)).toMatchObject({ replyId: "idk_a_2", createdAt: 6 });
  });

  it("are gone when dropped, and only for their own account", () => {
    const id = admitOne("a");
    journal.reply(id, [reply("a")], 1, "x");
    const letter = journal.deadLetters(1e9, 10)[0]?.id ?? 0;
    const other = operations(store, "other");
    expect(other.drop(letter)).toBe(false);
    expect(other.replay(letter, 1)).toBeUndefined();
    expect(other.deadLetter(letter)).toBeUndefined();
    expect(journal.drop(letter)).toBe(true);
    expect(journal.drop(letter)).toBe(false);
  });

  it("are asked for by another process and answered", () => {
    const asked = journal.ask({ action: "replay", deadLetter: 5 }, 1);
    expect(journal.openRequests()).toEqual([{ id: asked, wanted: { action: "replay", deadLetter: 5 } }]);
    expect(journal.requestOutcome(asked)).toBeUndefined();
    journal.answerRequest(asked, "done", 2);
    expect(journal.openRequests()).toEqual([]);
    expect(journal.requestOutcome(asked)).toBe("done");
  });
});

describe("transactions", () => {
  it("undo a call that cannot be done, and nothing else of the group", () => {
    const bad = {
      account: "default",
      operation: "admit" as const,
      args: [TOPIC, [row("half"), row("bad", { lane: null as unknown as string })], 1],
    };
    const good = (name: string): typeof bad => ({ ...bad, args: [TOPIC, [row(name)], 1] });
    const outcomes = store.run([good("a"), bad, good("b")]);
    expect(outcomes.map((outcome) => "error" in outcome)).toEqual([false, true, false]);
    expect(journal.numbers().received).toBe(2);
    // The undone events are not remembered as known.
    expect(admitOne("half")).toBeGreaterThan(0);
    expect(admitOne("bad")).toBeGreaterThan(0);
  });
});

describe("a journal that holds too much", () => {
  const big = "x".repeat(50_000);

  it("takes nothing more over, and goes on when there is room", async () => {
    store.close();
    store = openStore({ path: dir.journal, maxBytes: 500_000 });
    journal = operations(store);
    let taken = 0;
    const fill = (): void => {
      for (; ; taken += 1) journal.admit(TOPIC, [row(`fill${taken}`, { body: big })], 1);
    };
    expect(await codeOf(fill)).toBe("disk");
    expect(taken).toBeGreaterThan(5);
    expect(journal.numbers().received).toBe(taken);

    // What is open can be answered: that is what makes room.
    for (const command of journal.openCommands(0, 100)) {
      journal.begin(command.id);
      journal.reply(command.id, [{ ...reply("x"), body: big }], 1);
      journal.acknowledge(journal.nextReply(command.id)?.id ?? 0);
    }
    const { ids } = journal.admit(TOPIC, [row(`fill${taken}`), row("fill0")], 1);
    expect(ids.map(Math.sign)).toEqual([1, 0]);
  });
});

describe("keeping and forgetting", () => {
  const retention = { idsForMs: 1_000, minIds: 0, maxIds: 600, deadLettersForMs: 1_000, maxDeadLetters: 3 };

  beforeEach(() => {
    store.close();
    store = openStore({ path: dir.journal, retention });
    journal = operations(store);
  });

  const settle = (at: number): void => {
    while (store.upkeep(at));
  };

  it("forgets ids past their time, and not before", () => {
    journal.admit(TOPIC, [row("old")], 1_000);
    settle(1_500);
    expect(journal.admit(TOPIC, [row("old")], 1_500).ids).toEqual([0]);
    settle(2_600);
    expect(journal.admit(TOPIC, [row("old")], 2_600).ids[0]).toBeGreaterThan(0);
  });

  it("forgets the oldest ids beyond the limit and keeps the newest", () => {
    for (let page = 0; page < 5; page += 1) {
      journal.admit(
        TOPIC,
        Array.from({ length: 300 }, (_, n) => row(`${page}-${n}`)),
        1,
      );
    }
    settle(2);
    expect(journal.admit(TOPIC, [row("4-299"), row("3-0")], 2).ids).toEqual([0, 0]);
    expect(journal.admit(TOPIC, [row("0-0")], 2).ids[0]).toBeGreaterThan(0);
  });

  it("keeps ids of events that come one by one in few blocks", () => {
    for (let n = 0; n < 500; n += 1) admitOne(`e${n}`);
    store.close();
    const db = new DatabaseSync(dir.journal);
    expect(Number(db.prepare("SELECT count(*) AS n FROM seen").get()?.["n"])).toBe(2);
    db.close();
    store = openStore({ path: dir.journal, retention });
    journal = operations(store);
    expect(admitOne("e0")).toBe(0);
    expect(admitOne("e499")).toBe(0);
  });

  it("bounds the dead letters by age and number", () => {
    for (let n = 0; n < 6; n += 1) {
      const id = admitOne(`d${n}`);
      journal.reply(id, [], 100, `reason ${n}`);
    }
    settle(200);
    expect(journal.deadLetters(1e9, 100).map((letter) => letter.reason)).toEqual(["reason 5", "reason 4", "reason 3"]);
    settle(2_000);
    expect(journal.deadLetters(1e9, 100)).toEqual([]);
  });

  it("shrinks the file after a burst", () => {
    const rows = Array.from({ length: 300 }, (_, n) => row(`burst-${n}`, { body: "x".repeat(100_000) }));
    journal.admit(TOPIC, rows, 1);
    for (const command of journal.openCommands(0, 10_000)) {
      journal.reply(command.id, [reply(String(command.id))], 1);
      journal.acknowledge(journal.nextReply(command.id)?.id ?? 0);
    }
    settle(2);
    store.close();
    expect(statSync(dir.journal).size).toBeLessThan(12_000_000);
    store = openStore({ path: dir.journal, retention });
  });
});

describe("the file", () => {
  it("is refused when a newer release wrote it, and left as it is", async () => {
    admitOne("a");
    store.close();
    const db = new DatabaseSync(dir.journal);
    db.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
    db.close();
    expect(await codeOf(() => openStore({ path: dir.journal }))).toBe("config");
    const check = new DatabaseSync(dir.journal);
    expect(Number(check.prepare("SELECT count(*) AS n FROM commands").get()?.["n"])).toBe(1);
    check.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
    check.close();
    store = openStore({ path: dir.journal });
  });

  it("flushes each commit, and writes ahead", () => {
    const db = new DatabaseSync(dir.journal);
    expect(db.prepare("PRAGMA journal_mode").get()?.["journal_mode"]).toBe("wal");
    db.close();
    admitOne("a");
    expect(existsSync(`${dir.journal}-wal`)).toBe(true);
  });
});
