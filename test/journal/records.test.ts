/** What is written down comes back as it was, field by field, also after a restart. */

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openStore, type Store } from "../../src/journal/store.ts";
import type { AdmissionRow, JournalOperations, WatchFlush } from "../../src/journal/types.ts";
import { folderForEach, hex, operations, reply, row } from "./support.ts";

const TOPIC = "t1";
const dir = folderForEach();
let store: Store;
let journal: JournalOperations;
let other: JournalOperations;

function open(): void {
  store = openStore({ path: dir.journal });
  journal = operations(store);
  other = operations(store, "other");
}

beforeEach(() => {
  open();
});

afterEach(() => {
  store.close();
});

function reopen(): void {
  store.close();
  open();
}

function admit(name: string, extra: Partial<AdmissionRow> = {}, at = 1): number {
  return journal.admit(TOPIC, [row(name, extra)], at).ids[0] ?? -99;
}

describe("a command", () => {
  const written = { commandId: hex("a"), producer: "scr_9", lane: "lane 9", replays: 0, receivedAt: 11 };

  it("is taken over to wait", () => {
    const id = admit("a", { producer: "scr_9", lane: "lane 9" }, 11);
    reopen();
    const waiting = { id, ...written, state: "received", attempt: 0, tries: 0, notBefore: 0 };
    expect(journal.openCommands(0, 10)).toEqual([waiting]);
    expect(journal.openCommand(id)).toEqual({ ...waiting, body: '{"name":"a"}' });
    expect(journal.begin(id)).toEqual({ ...waiting, state: "running", attempt: 1, tries: 1, body: '{"name":"a"}' });
  });

  it("is taken over with its first attempt begun", () => {
    const id = admit("a", { producer: "scr_9", lane: "lane 9", begun: true }, 11);
    reopen();
    const running = { id, ...written, state: "running", attempt: 1, tries: 1, notBefore: 0 };
    expect(journal.openCommands(0, 10)).toEqual([running]);
    expect(journal.findOpen(hex("a"))).toEqual({ ...running, body: '{"name":"a"}' });
    expect(journal.begin(id)).toBeUndefined();
    expect(journal.putBack(id, 1, true, 0)).toBe(true);
    expect(journal.begin(id)).toMatchObject({ attempt: 2, tries: 1 });
  });

  it("waits no longer than until it is begun", () => {
    const id = admit("a");
    journal.begin(id);
    journal.putBack(id, 1, false, 500);
    expect(journal.begin(id)?.notBefore).toBe(0);
  });

  it("is done at once where nothing is to be published", () => {
    const id = admit("a");
    expect(journal.reply(id, [], 2)).toBe(true);
    expect([journal.openCommand(id), journal.unsentCommands(0, 10)]).toEqual([undefined, []]);
    expect(journal.numbers()).toEqual({ received: 0, running: 0, replied: 0, deadLetters: 0 });
    expect(journal.reply(id, [reply("late")], 3)).toBe(false);
    expect(admit("a")).toBe(0);
  });

  it("is found and listed for its own account only", () => {
    const id = admit("a", { begun: true });
    expect([other.findOpen(hex("a")), other.openCommands(0, 10)]).toEqual([undefined, []]);
    journal.reply(id, [reply("a")], 1, "no luck");
    expect([other.unsentCommands(0, 10), other.deadLetters(1e9, 10)]).toEqual([[], []]);
    expect(other.numbers()).toEqual({ received: 0, running: 0, replied: 0, deadLetters: 0 });
  });

  it("is counted by its state, the oldest by its time", () => {
    admit("waits", {}, 30);
    admit("runs", { begun: true }, 20);
    admit("runs too", { begun: true }, 50);
    for (const name of ["answered", "answered too", "and this"]) journal.reply(admit(name, {}, 40), [reply(name)], 60);
    journal.reply(admit("dead", {}, 70), [], 80, "no luck");
    reopen();
    expect(journal.numbers()).toEqual({ received: 1, running: 2, replied: 3, deadLetters: 1, oldestReceivedAt: 20 });
  });
});

describe("a read position", () => {
  it("is that of the last page that carried one, for its account and topic", () => {
    expect(journal.lastPosition(TOPIC)).toBeUndefined();
    journal.admit(TOPIC, [], 1);
    expect(journal.lastPosition(TOPIC)).toBeUndefined();
    journal.admit(TOPIC, [row("a")], 1, "here");
    journal.admit(TOPIC, [row("b")], 1);
    journal.admit("t2", [], 1, "elsewhere");
    reopen();
    expect([TOPIC, "t2", "t3"].map((topic) => journal.lastPosition(topic))).toEqual(["here", "elsewhere", undefined]);
    expect(other.lastPosition(TOPIC)).toBeUndefined();
    journal.admit(TOPIC, [], 1, "there");
    expect(journal.lastPosition(TOPIC)).toBe("there");
  });
});

describe("a reply", () => {
  it("comes part by part, the next one that is not published", () => {
    const id = admit("a", { lane: "lane 9" });
    journal.reply(id, [reply("a", 2), reply("a", 1)], 7);
    reopen();
    const first = journal.nextReply(id);
    const pending = { command: id, state: "pending", attempts: 0, notBefore: 0, createdAt: 7, body: '"a"' };
    expect(first).toEqual({ id: first?.id, ...pending, replyId: "idk_a_1", part: 1 });
    journal.markSending(first?.id ?? 0, 55);
    expect(journal.nextReply(id)).toEqual({ ...first, state: "sending", attempts: 1, notBefore: 55 });
    expect(journal.unsentCommands(0, 10)).toEqual([{ command: id, lane: "lane 9", notBefore: 55 }]);
    journal.acknowledge(first?.id ?? 0);
    const second = journal.nextReply(id);
    expect(second).toEqual({ id: second?.id, ...pending, replyId: "idk_a_2", part: 2 });
  });

  it("that is published is not touched any more", () => {
    const id = admit("a");
    journal.reply(id, [reply("a", 1), reply("a", 2)], 7);
    const part = journal.nextReply(id)?.id ?? 0;
    journal.acknowledge(part);
    journal.markSending(part, 55);
    journal.deferReply(part, 66, true);
    journal.rewriteReply(part, '"again"');
    expect(journal.nextReply(id)).toMatchObject({ part: 2, state: "pending", attempts: 0 });
    expect(journal.acknowledge(part)).toBe(false);
    expect(journal.acknowledge(12_345)).toBe(false);
    expect(journal.nextReply(id)?.part).toBe(2);
  });

  it("can be written anew in the state it is in", () => {
    const id = admit("a");
    journal.reply(id, [reply("a")], 7);
    const part = journal.nextReply(id)?.id ?? 0;
    journal.markSending(part, 0);
    journal.rewriteReply(part, '"other words"');
    expect(journal.nextReply(id)).toMatchObject({ id: part, state: "sending", body: '"other words"' });
  });

  it("is neither replaced nor given up where there is none", () => {
    const id = admit("a");
    journal.replaceReplies(id, [reply("b")], 2);
    journal.expireReply(id, "too old", 2);
    expect(journal.nextReply(id)).toBeUndefined();
    expect(journal.deadLetters(1e9, 10)).toEqual([]);
    expect(journal.openCommand(id)?.state).toBe("received");
  });

  it("is listed in order, page by page", () => {
    const ids = ["a", "b", "c"].map((name) => admit(name));
    for (const id of ids) journal.reply(id, [reply(String(id))], 1);
    const commands = (after: number, limit: number) =>
      journal.unsentCommands(after, limit).map(({ command }) => command);
    expect(commands(0, 2)).toEqual(ids.slice(0, 2));
    expect(commands(ids[1] ?? 0, 2)).toEqual(ids.slice(2));
  });
});

describe("a dead letter", () => {
  it("of a turn tells all there is to tell", () => {
    const id = admit("a", { producer: "scr_9", lane: "lane 9", begun: true }, 11);
    journal.reply(id, [reply("a")], 22, "no luck");
    reopen();
    const [letter] = journal.deadLetters(1e9, 10);
    const told = { kind: "turn", reason: "no luck", topicId: TOPIC, commandId: hex("a"), attempt: 1, replays: 0 };
    expect(letter).toEqual({ id: letter?.id, ...told, diedAt: 22, receivedAt: 11 });
    expect(journal.deadLetter(letter?.id ?? 0)).toEqual({ ...letter, body: '{"name":"a"}' });
    expect(journal.deadLetter(12_345)).toBeUndefined();

    const again = journal.replay(letter?.id ?? 0, 33);
    const command = { commandId: hex("a"), producer: "scr_9", lane: "lane 9", state: "received" };
    const numbers = { attempt: 1, tries: 0, replays: 1, notBefore: 0, receivedAt: 33 };
    expect(again).toEqual({ id: again?.id, ...command, ...numbers });
    expect(journal.nextReply(again?.id ?? 0)).toBeUndefined();
    expect(journal.deadLetters(1e9, 10)).toEqual([]);
  });

  it("of a reply keeps the parts that were not published, in order", () => {
    const id = admit("a");
    journal.reply(id, [reply("a", 3), reply("a", 1), reply("a", 2)], 5);
    journal.acknowledge(journal.nextReply(id)?.id ?? 0);
    journal.expireReply(id, "too old", 9);
    const [letter] = journal.deadLetters(1e9, 10);
    expect(letter).toMatchObject({ kind: "reply", reason: "too old", diedAt: 9, receivedAt: 1 });
    const again = journal.replay(letter?.id ?? 0, 33)?.id ?? 0;
    const sent: string[] = [];
    for (let part = journal.nextReply(again); part !== undefined; part = journal.nextReply(again)) {
      sent.push(`${part.replyId} ${part.part} ${part.body} ${part.createdAt}`);
      journal.acknowledge(part.id);
    }
    expect(sent).toEqual(['idk_a_2 2 "a" 33', 'idk_a_3 3 "a" 33']);
  });

  it("is listed newest first, page by page", () => {
    for (const name of ["a", "b", "c"]) journal.reply(admit(name), [], 1, name);
    const [newest, second] = journal.deadLetters(1e9, 2);
    expect([newest?.reason, second?.reason]).toEqual(["c", "b"]);
    expect(journal.deadLetters(second?.id ?? 0, 2).map(({ reason }) => reason)).toEqual(["a"]);
  });
});

describe("what an operator asks", () => {
  it("is kept in order until it is answered, for its own account", () => {
    const wanted = [
      { action: "drop", deadLetter: 5 },
      { action: "move", topicId: TOPIC, cursor: "c 7" },
      { action: "replay", deadLetter: 6 },
    ] as const;
    const ids = wanted.map((one) => journal.ask(one, 1));
    reopen();
    expect(journal.openRequests()).toEqual(wanted.map((one, n) => ({ id: ids[n], wanted: one })));
    expect(other.openRequests()).toEqual([]);
    journal.answerRequest(ids[1] ?? 0, "not found", 2);
    expect(journal.openRequests().map(({ id }) => id)).toEqual([ids[0], ids[2]]);
    expect(ids.map((id) => journal.requestOutcome(id))).toEqual([undefined, "not found", undefined]);
  });
});

describe("a watch", () => {
  const flush = (more: Partial<WatchFlush> = {}): WatchFlush => ({
    topicId: "watch:w",
    rows: [],
    entities: [],
    sequence: 1,
    turns: [],
    ...more,
  });
  const known = (after = "", limit = 10, name = "w") => journal.watchedEntities(name, after, limit);

  it("is kept as it was made, and takes a new definition", () => {
    journal.keepWatch("configured", 5);
    journal.keepWatch("added", 6, "{}");
    journal.admitWatch("added", flush({ sequence: 3, turns: [1, 2], basis: "here" }), 7);
    journal.keepWatch("added", 8, '{"new":1}');
    reopen();
    expect(journal.watches()).toEqual([
      { name: "configured", born: 5, sequence: 0, turns: [] },
      { name: "added", definition: '{"new":1}', basis: "here", born: 6, sequence: 3, turns: [1, 2] },
    ]);
    expect(other.watches()).toEqual([]);
    expect(other.forgetWatch("added")).toBe(false);
    expect([journal.forgetWatch("added"), journal.forgetWatch("added")]).toEqual([true, false]);
    expect(journal.watches().map(({ name }) => name)).toEqual(["configured"]);
  });

  it("writes down what a turn tells together with the turn", () => {
    journal.keepWatch("w", 1);
    const rows = [row("told", { begun: true })];
    const { ids } = journal.admitWatch("w", flush({ rows, entities: [{ entity: "a", state: "1", toldAt: 9 }] }), 9) ?? {
      ids: [],
    };
    reopen();
    expect(journal.openCommands(0, 10)).toMatchObject([{ id: ids[0], commandId: hex("told"), receivedAt: 9 }]);
    expect(known()).toEqual([{ entity: "a", state: "1", toldAt: 9 }]);
  });

  it("knows of each entity what was written last, and forgets what has neither state nor time", () => {
    journal.keepWatch("w", 1);
    const entities = [
      { entity: "b", state: "1", toldAt: 9 },
      { entity: "a", toldAt: 8 },
      { entity: "c", state: "3" },
    ];
    expect(journal.admitWatch("w", flush({ entities }), 9)).toEqual({ ids: [] });
    expect(known()).toEqual([{ entity: "a", toldAt: 8 }, entities[0], { entity: "c", state: "3" }]);
    expect(known("a", 1)).toEqual([entities[0]]);
    journal.admitWatch("w", flush({ entities: [{ entity: "b", state: "2" }, { entity: "a" }, { entity: "none" }] }), 9);
    expect(known()).toEqual([
      { entity: "b", state: "2" },
      { entity: "c", state: "3" },
    ]);
    expect(known("", 10, "other")).toEqual([]);
  });

  it("keeps its basis until it is told another, and its number never falls", () => {
    journal.keepWatch("w", 1);
    journal.admitWatch("w", flush({ sequence: 5, basis: "one", turns: [4] }), 9);
    journal.admitWatch("w", flush({ sequence: 6 }), 9);
    expect(journal.watches()).toMatchObject([{ sequence: 6, basis: "one", turns: [] }]);
    journal.admitWatch("w", flush({ sequence: 2, basis: "old" }), 9);
    expect(journal.watches()).toMatchObject([{ sequence: 6, basis: "one" }]);
    journal.admitWatch("w", flush({ sequence: 6, basis: "two" }), 9);
    expect(journal.watches()).toMatchObject([{ sequence: 6, basis: "two" }]);
  });

  it("begins anew without what it knew, and keeps its number", () => {
    journal.keepWatch("w", 1);
    journal.keepWatch("v", 1);
    for (const name of ["w", "v"]) {
      journal.admitWatch(name, flush({ sequence: 4, basis: "b", entities: [{ entity: "a", state: "1" }] }), 9);
    }
    journal.rebaseWatch("w");
    journal.rebaseWatch("none");
    expect(journal.watches()).toEqual([
      { name: "w", born: 1, sequence: 4, turns: [] },
      { name: "v", basis: "b", born: 1, sequence: 4, turns: [] },
    ]);
    expect([known(), known("", 10, "v")]).toEqual([[], [{ entity: "a", state: "1" }]]);
  });

  it("that was removed tells nothing any more", () => {
    journal.keepWatch("w", 1);
    journal.forgetWatch("w");
    expect(journal.admitWatch("w", flush({ rows: [row("late")] }), 9)).toBeUndefined();
    expect(journal.openCommands(0, 10)).toEqual([]);
  });

  it("that was removed leaves nothing to one that takes its name", () => {
    journal.keepWatch("w", 1);
    journal.admitWatch("w", flush({ entities: [{ entity: "a", state: "1" }] }), 9);
    journal.forgetWatch("w");
    journal.keepWatch("w", 2);
    expect(known()).toEqual([]);
  });
});
