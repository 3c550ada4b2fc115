/** The account a watch keeps: edges, holds, own writes, bounds, and any history of them. */

import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Condition } from "../../src/config/condition.ts";
import type { FluxWatch } from "../../src/config/flux.ts";
import { Book } from "../../src/flux/watch/book.ts";
import { decodeState, encodeState, type EntityState, stateOf, valueIn } from "../../src/flux/watch/entity-state.ts";
import { type Accounted, BOOK_LIMITS, type Change, type Flush } from "../../src/flux/watch/flush.ts";

const LARGE = 64 * 1_024;
const above30: Condition = { kind: "compare", property: "t", operator: ">", operand: 30 };

function watchOf(over: Partial<FluxWatch> = {}): FluxWatch {
  return {
    id: "w",
    target: { prefix: "lab/" },
    condition: { kind: "changed" },
    debounceMs: 0,
    cooldownMs: 0,
    turnsPerHour: 3_600,
    ...over,
  };
}

const shown = (state: EntityState | undefined): object | undefined =>
  state && Object.fromEntries([...state.keys()].map((name) => [name, valueIn(state, name)]));

/** A book with its disk, and everything it has told. */
class Desk {
  readonly disk = new Map<string, Accounted>();
  readonly told: Change[] = [];
  book: Book;
  now = 0;
  turns = 0;
  readonly #watch: FluxWatch;
  #flying: Flush | undefined;

  constructor(over: Partial<FluxWatch> = {}, world: Readonly<Record<string, object>> = {}, limits = BOOK_LIMITS) {
    this.#watch = watchOf(over);
    this.book = new Book(this.#watch, true, limits);
    this.snapshot(world);
    this.settle();
  }

  snapshot(world: Readonly<Record<string, object>>, own: Readonly<Record<string, string[]>> = {}): void {
    for (const [entity, properties] of Object.entries(world)) {
      this.book.part(entity, { ...properties }, "at", own[entity] ?? []);
    }
    this.book.whole(this.now);
  }

  set(entity: string, changes: object, own: readonly string[] = [], removed: readonly string[] = []): void {
    this.book.update(entity, { ...changes }, removed, "at", own, this.now);
  }

  remove(entity: string, own = false): void {
    this.book.replace(entity, undefined, "at", own ? "removal" : [], this.now);
  }

  /** Writes what is due. */
  settle(mayTell = true): void {
    while (this.#flying === undefined) {
      this.begin(mayTell);
      if (this.#flying === undefined) return;
      this.end();
    }
  }

  /** Begins to write what is due; it may take its time. */
  begin(mayTell = true): void {
    this.#flying ??= this.book.flush(this.now, mayTell);
  }

  /** What was being written is on disk, or is not. */
  end(how: "succeeds" | "fails" = "succeeds"): void {
    const flush = this.#flying;
    this.#flying = undefined;
    if (flush === undefined) return;
    if (how === "fails") return this.book.abandon(this.now);
    this.write(flush.states);
    this.told.push(...flush.changes);
    if (flush.changes.length > 0) this.turns += 1;
    this.book.commit(this.now);
  }

  write(states: ReadonlyMap<string, Accounted>): void {
    for (const [entity, { state, toldAt }] of states) {
      if (state === undefined && toldAt === undefined) this.disk.delete(entity);
      else this.disk.set(entity, { state: state && decodeState(encodeState(state)), toldAt });
    }
  }

  wait(ms: number): void {
    this.now += ms;
    this.settle();
  }

  /** A crash, and a start over what is on disk. */
  crash(world: Readonly<Record<string, object>>): void {
    const { turns } = this.book;
    this.#flying = undefined;
    this.book = new Book(this.#watch, false);
    this.book.restoreTurns(turns);
    for (const [entity, accounted] of this.disk) this.book.restore(entity, accounted);
    this.snapshot(world);
  }

  /** What was told since the last call. */
  news(): object[] {
    this.settle();
    return this.told
      .splice(0)
      .map(({ entity, before, after }) => ({ entity, before: shown(before), after: shown(after) }));
  }
}

describe("what is told", () => {
  it("is nothing of what is there at first, and says how much that is", () => {
    const desk = new Desk({}, { "lab/a": { t: 1 }, "lab/b": { t: 2 } });
    expect(desk.news()).toEqual([]);
    expect(desk.book.entities).toBe(2);
    expect(desk.book.isBaseline).toBe(false);
    expect([...desk.disk.keys()]).toEqual(["lab/a", "lab/b"]);
  });

  it("is each change with what was before: a property written, added, taken away; an entity made and ended", () => {
    const desk = new Desk({}, { "lab/a": { t: 1, s: "x" } });
    desk.set("lab/a", { t: 2 });
    expect(desk.news()).toEqual([{ entity: "lab/a", before: { t: 1, s: "x" }, after: { t: 2, s: "x" } }]);
    desk.set("lab/a", { u: [1] }, [], ["s"]);
    expect(desk.news()).toEqual([{ entity: "lab/a", before: { t: 2, s: "x" }, after: { t: 2, u: [1] } }]);
    desk.set("lab/b", { t: 9 });
    expect(desk.news()).toEqual([{ entity: "lab/b", before: undefined, after: { t: 9 } }]);
    desk.remove("lab/b");
    expect(desk.news()).toEqual([{ entity: "lab/b", before: { t: 9 }, after: undefined }]);
  });

  it("is not what is written anew as it was, nor what has become what it was", () => {
    const desk = new Desk({ debounceMs: 100 }, { "lab/a": { t: 1, o: { b: 1, a: 2 } } });
    desk.set("lab/a", { t: 1, o: { a: 2, b: 1 } });
    desk.set("lab/a", { t: 2 });
    desk.set("lab/a", { t: 1 });
    desk.wait(200);
    expect(desk.news()).toEqual([]);
    expect(desk.book.held).toBe(0);
  });

  it("is only what concerns the property, where there is one", () => {
    const desk = new Desk({ property: "t" }, { "lab/a": { t: 1, s: 1 }, "lab/b": { s: 1 } });
    desk.set("lab/a", { s: 2 });
    desk.set("lab/b", { s: 2 });
    desk.remove("lab/b");
    expect(desk.news()).toEqual([]);
    desk.set("lab/a", { t: 3 });
    expect(desk.news()).toEqual([{ entity: "lab/a", before: { t: 1 }, after: { t: 3 } }]);
  });

  it("is appearing alone, or going alone, with entities or with a property of theirs", () => {
    const appeared = new Desk({ condition: { kind: "appeared" } }, { "lab/a": { t: 1 } });
    const gone = new Desk({ condition: { kind: "gone" }, property: "t" }, { "lab/a": { t: 1, s: 1 } });
    for (const desk of [appeared, gone]) {
      desk.set("lab/a", { t: 2 });
      desk.set("lab/b", { t: 5 });
    }
    expect(appeared.news()).toEqual([{ entity: "lab/b", before: undefined, after: { t: 5 } }]);
    expect(gone.news()).toEqual([]);
    for (const desk of [appeared, gone]) desk.set("lab/a", {}, [], ["t"]);
    expect(appeared.news()).toEqual([]);
    expect(gone.news()).toEqual([{ entity: "lab/a", before: { t: 2 }, after: undefined }]);
    appeared.remove("lab/b");
    appeared.set("lab/b", { t: 6 });
    // Gone and back before anybody looked would be no change; here it was written down in between.
    expect(appeared.news()).toEqual([{ entity: "lab/b", before: undefined, after: { t: 6 } }]);
  });

  it("is a threshold crossed, once until it is crossed back", () => {
    const desk = new Desk({ condition: above30, property: "t" }, { "lab/a": { t: 20 }, "lab/hot": { t: 99 } });
    const values = [25, 31, 35, 29, 30, 30.5];
    const told = values.map((t) => {
      desk.set("lab/a", { t });
      return desk.news().length;
    });
    expect(told).toEqual([0, 1, 0, 0, 0, 1]);
    desk.set("lab/new", { t: 40 });
    expect(desk.news()).toEqual([{ entity: "lab/new", before: undefined, after: { t: 40 } }]);
    desk.set("lab/hot", { t: 98 });
    expect(desk.news()).toEqual([]);
  });

  it.each<[Condition, unknown[], unknown[]]>([
    [{ kind: "compare", property: "t", operator: "==", operand: "on" }, ["on"], ["off", 1, null, ["on"]]],
    [{ kind: "compare", property: "t", operator: "!=", operand: "on" }, ["off", null, 1], ["on"]],
    [{ kind: "compare", property: "t", operator: "==", operand: null }, [null], [0, "", false]],
    [{ kind: "compare", property: "t", operator: "<", operand: 5 }, [4, -1], [5, "4", null, true]],
    [{ kind: "compare", property: "t", operator: "<=", operand: 5 }, [5], [5.1]],
    [{ kind: "compare", property: "t", operator: ">=", operand: 5 }, [5], [4.9]],
    [{ kind: "compare", property: "t", operator: "contains", operand: "el" }, ["help", ["el"]], ["xx", ["help"], 3]],
  ])("follows %j", (condition, meeting, others) => {
    for (const [values, count] of [
      [meeting, 1],
      [others, 0],
    ] as const) {
      for (const t of values) {
        const desk = new Desk({ condition, property: "t" }, {});
        desk.set("lab/a", { t });
        expect([t, desk.news().length]).toEqual([t, count]);
      }
    }
  });
});

describe("holding back", () => {
  it("makes one of what changes within the debounce, and does not put it off for ever", () => {
    const desk = new Desk({ debounceMs: 100 }, { "lab/a": { t: 0 } });
    for (let t = 1; t <= 30; t += 1) {
      desk.set("lab/a", { t });
      desk.wait(10);
    }
    const news = desk.news();
    expect(news.length).toBeGreaterThanOrEqual(2);
    expect(news.length).toBeLessThanOrEqual(3);
    expect(news[0]).toMatchObject({ before: { t: 0 } });
  });

  it("lets an entity cool down, tells then what is newest, and does not hold the others", () => {
    const desk = new Desk({ cooldownMs: 1_000 }, { "lab/a": { t: 0 }, "lab/b": { t: 0 } });
    desk.set("lab/a", { t: 1 });
    expect(desk.news()).toHaveLength(1);
    desk.set("lab/a", { t: 2 });
    desk.set("lab/b", { t: 1 });
    expect(desk.news()).toMatchObject([{ entity: "lab/b" }]);
    desk.set("lab/a", { t: 3 });
    desk.wait(999);
    expect([desk.news(), desk.book.held, desk.book.nextAt()]).toEqual([[], 1, 1_000]);
    desk.wait(1);
    expect(desk.news()).toEqual([{ entity: "lab/a", before: { t: 1 }, after: { t: 3 } }]);
  });

  it("remembers the cooldown of what is gone, and forgets it when it is over", () => {
    const desk = new Desk({ cooldownMs: 1_000 }, { "lab/a": { t: 0 } });
    desk.remove("lab/a");
    expect(desk.news()).toHaveLength(1);
    desk.set("lab/a", { t: 0 });
    expect(desk.news()).toEqual([]);
    desk.remove("lab/a");
    desk.wait(2_000);
    expect([desk.news(), desk.book.held]).toEqual([[], 0]);
    desk.set("lab/b", { t: 0 });
    desk.wait(120_000);
    desk.set("lab/b", { t: 1 });
    desk.settle();
    desk.wait(5_000);
    expect([...desk.disk.keys()]).toEqual(["lab/b"]);
  });

  it("starts only so many turns within an hour, and tells all of them later in one", () => {
    const desk = new Desk({ turnsPerHour: 2 }, {});
    for (const n of [1, 2, 3, 4]) {
      desk.set(`lab/${n}`, { t: n });
      desk.wait(1_000);
    }
    expect([desk.turns, desk.book.held]).toEqual([2, 2]);
    desk.wait(3_600_000 - 5_000);
    expect(desk.turns).toBe(2);
    desk.wait(2_000);
    expect([desk.turns, desk.book.held]).toEqual([3, 0]);
    expect(desk.news()).toHaveLength(4);
  });

  it("re-arms a threshold at once, also while the entity cools down", () => {
    const desk = new Desk({ condition: above30, property: "t", cooldownMs: 1_000 }, { "lab/a": { t: 0 } });
    desk.set("lab/a", { t: 31 });
    expect(desk.news()).toHaveLength(1);
    desk.set("lab/a", { t: 29 });
    desk.settle();
    expect(shown(desk.disk.get("lab/a")?.state)).toEqual({ t: 29 });
    desk.set("lab/a", { t: 32 });
    desk.wait(1_000);
    expect(desk.news()).toEqual([{ entity: "lab/a", before: { t: 29 }, after: { t: 32 } }]);
  });

  it("waits while no turn may begin", () => {
    const desk = new Desk({}, {});
    desk.set("lab/a", { t: 1 });
    desk.settle(false);
    expect([desk.told, desk.book.held]).toEqual([[], 1]);
    expect(desk.news()).toHaveLength(1);
  });
});

describe("a flush that fails, or is overtaken", () => {
  it("is as if it had not been", () => {
    const desk = new Desk({}, { "lab/a": { t: 0 } });
    desk.set("lab/a", { t: 1 });
    expect(desk.book.flush(0, true)?.changes).toHaveLength(1);
    expect(desk.book.flush(0, true)).toBeUndefined();
    desk.book.abandon(0);
    expect(desk.news()).toEqual([{ entity: "lab/a", before: { t: 0 }, after: { t: 1 } }]);
  });

  it("tells what came meanwhile in the next one", () => {
    const desk = new Desk({}, { "lab/a": { t: 0 } });
    desk.set("lab/a", { t: 1 });
    desk.book.flush(0, true);
    desk.set("lab/a", { t: 2 });
    desk.book.commit(0);
    expect(desk.news()).toEqual([{ entity: "lab/a", before: { t: 1 }, after: { t: 2 } }]);
  });

  it.each(["commit", "abandon"] as const)("does not tell of our own write that came meanwhile (%s)", (end) => {
    const desk = new Desk({}, { "lab/a": { t: 0, mine: 0 } });
    desk.set("lab/a", { t: 1 });
    desk.book.flush(0, true);
    desk.set("lab/a", { mine: 1 }, ["mine"]);
    desk.book[end](0);
    const told = { entity: "lab/a", before: { t: 0, mine: 1 }, after: { t: 1, mine: 1 } };
    expect(desk.news()).toEqual(end === "commit" ? [] : [told]);
    expect(shown(desk.disk.get("lab/a")?.state)).toEqual({ t: 1, mine: 1 });
  });

  it("tells nothing of what has become meanwhile what it was", () => {
    const desk = new Desk({ condition: above30 }, { "lab/a": { t: 1 } });
    desk.set("lab/a", { t: 31 });
    desk.book.flush(0, true);
    desk.set("lab/a", { t: 1 });
    desk.book.abandon(0);
    expect([desk.book.held, desk.news()]).toEqual([0, []]);
    desk.set("lab/a", { t: 31 });
    expect(desk.news()).toEqual([{ entity: "lab/a", before: { t: 1 }, after: { t: 31 } }]);
  });

  it("still owes the disk what it owed before, should there be nothing to tell in the end", () => {
    const desk = new Desk({ condition: { kind: "gone" } });
    desk.set("lab/a", { t: 1 });
    desk.remove("lab/a");
    expect(desk.book.flush(0, true)?.changes).toHaveLength(1);
    desk.book.abandon(0);
    desk.set("lab/a", { t: 1 });
    desk.wait(10_000);
    expect(desk.told).toEqual([]);
    expect(shown(desk.disk.get("lab/a")?.state)).toEqual({ t: 1 });
  });

  it("does not tell of our own removal that came meanwhile", () => {
    const desk = new Desk({}, { "lab/a": { t: 0 } });
    desk.set("lab/a", { t: 1 });
    desk.book.flush(0, true);
    desk.remove("lab/a", true);
    desk.book.commit(0);
    expect(desk.news()).toEqual([]);
    expect(desk.disk.has("lab/a")).toBe(false);
  });
});

describe("our own writes", () => {
  it("are known, and what others write beside them is told", () => {
    const desk = new Desk({ debounceMs: 10 }, { "lab/a": { mine: 0, theirs: 0 } });
    desk.set("lab/a", { mine: 1 }, ["mine"]);
    desk.set("lab/a", { theirs: 1 });
    desk.wait(10);
    expect(desk.news()).toEqual([{ entity: "lab/a", before: { mine: 1, theirs: 0 }, after: { mine: 1, theirs: 1 } }]);
    desk.set("lab/b", { mine: 1 }, ["mine"]);
    desk.remove("lab/a", true);
    desk.wait(10);
    expect(desk.news()).toEqual([]);
  });

  it("do not hide that others made the entity", () => {
    const desk = new Desk({ debounceMs: 10, condition: { kind: "appeared" } }, {});
    desk.set("lab/a", { theirs: 1 });
    desk.set("lab/a", { mine: 1 }, ["mine"]);
    desk.wait(10);
    expect(desk.news()).toMatchObject([{ entity: "lab/a", before: undefined }]);
  });

  it("are told when others have overwritten them", () => {
    const desk = new Desk({}, { "lab/a": { t: 0 } });
    desk.set("lab/a", { t: 1 }, ["t"]);
    desk.set("lab/a", { t: 2 });
    expect(desk.news()).toEqual([{ entity: "lab/a", before: { t: 1 }, after: { t: 2 } }]);
  });

  it("are ours within a snapshot too, as far as nobody wrote after us", () => {
    const desk = new Desk({}, { "lab/a": { t: 0, u: 0 } });
    desk.book.unsync();
    desk.book.part("lab/0", {}, "at", []);
    desk.set("lab/a", { t: 1, u: 1 }, ["t", "u"]);
    desk.set("lab/a", { u: 2 });
    desk.book.part("lab/a", { t: 1, u: 2 }, "at", []);
    desk.book.whole(0);
    expect(desk.news()).toContainEqual({ entity: "lab/a", before: { t: 1, u: 0 }, after: { t: 1, u: 2 } });
  });
});

describe("a snapshot", () => {
  it("tells nothing before it is whole, and then of what is not in it", () => {
    const desk = new Desk({}, { "lab/a": { t: 0 }, "lab/b": { t: 0 }, "lab/c": { t: 0 } });
    desk.book.unsync();
    desk.book.part("lab/a", { t: 1 }, "at", []);
    desk.set("lab/c", { t: 5 });
    desk.set("lab/d", { t: 1 });
    desk.remove("lab/d");
    expect(desk.news()).toEqual([]);
    desk.book.part("lab/c", { t: 5 }, "at", []);
    desk.book.whole(0);
    expect(desk.news()).toEqual([
      { entity: "lab/a", before: { t: 0 }, after: { t: 1 } },
      { entity: "lab/c", before: { t: 0 }, after: { t: 5 } },
      { entity: "lab/b", before: { t: 0 }, after: undefined },
    ]);
  });

  it("tells of what went before its first part came, also while a turn was being written", () => {
    const desk = new Desk({}, { "lab/a": { t: 0 }, "lab/b": { t: 0 }, "lab/c": { t: 0 } });
    desk.book.unsync();
    desk.remove("lab/a");
    desk.snapshot({ "lab/b": { t: 0 }, "lab/c": { t: 0 } });
    expect(desk.news()).toEqual([{ entity: "lab/a", before: { t: 0 }, after: undefined }]);
    desk.set("lab/b", { t: 1 });
    desk.book.flush(0, true);
    desk.book.unsync();
    desk.remove("lab/b");
    desk.book.commit(0);
    desk.snapshot({ "lab/c": { t: 0 } });
    expect(desk.news()).toEqual([{ entity: "lab/b", before: { t: 1 }, after: undefined }]);
  });

  it("holds nothing of what came and went before it", () => {
    const desk = new Desk({}, { "lab/a": { t: 0 } });
    desk.set("lab/b", { t: 1 });
    desk.book.unsync();
    desk.remove("lab/b");
    desk.set("lab/a", { t: 1 }, ["t"]);
    desk.wait(120_000);
    desk.snapshot({ "lab/a": { t: 1 } });
    expect([desk.book.held, desk.news()]).toEqual([0, []]);
  });

  it("holds what waits till it is whole", () => {
    const desk = new Desk({}, { "lab/a": { t: 0 } });
    desk.set("lab/a", { t: 1 });
    desk.book.part("lab/a", { t: 0 }, "at", []);
    expect(desk.news()).toEqual([]);
    desk.book.whole(0);
    expect(desk.news()).toEqual([]);
  });
});

describe("what is bounded", () => {
  it("leaves out entities beyond the limit and keeps those it knows", () => {
    const limits = { ...BOOK_LIMITS, maxEntities: 3 };
    const desk = new Desk({}, { "lab/c": {}, "lab/d": {} }, limits);
    desk.snapshot({ "lab/a": {}, "lab/b": {}, "lab/c": {}, "lab/d": {} });
    expect(desk.news()).toMatchObject([{ entity: "lab/a" }]);
    expect([desk.book.entities, desk.book.leftOut]).toEqual([3, 1]);
    desk.remove("lab/a");
    desk.set("lab/b", { t: 1 });
    expect(desk.news()).toMatchObject([{ entity: "lab/a", after: undefined }, { entity: "lab/b" }]);
  });

  it("does not grow by what comes and goes", () => {
    const limits = { ...BOOK_LIMITS, maxEntities: 10 };
    const desk = new Desk({ condition: { kind: "gone" }, turnsPerHour: 1, cooldownMs: 86_400_000 }, {}, limits);
    for (let n = 0; n < 1_000; n += 1) {
      desk.set(`lab/${n}`, { t: n });
      desk.settle();
      desk.remove(`lab/${n}`);
      desk.settle();
    }
    expect(desk.disk.size).toBeLessThanOrEqual(20);
    expect(desk.book.held).toBeLessThanOrEqual(20);
  });

  it("knows a value too large to keep by its digest, and an entity of too many properties by being there", () => {
    const text = "x".repeat(100_000);
    const desk = new Desk({}, { "lab/a": { t: text, s: 1 } });
    expect(JSON.stringify([...(desk.disk.get("lab/a")?.state ?? [])]).length).toBeLessThan(200);
    desk.set("lab/a", { t: text });
    expect(desk.news()).toEqual([]);
    desk.set("lab/a", { t: `${text}y` });
    expect(desk.news()).toMatchObject([{ before: { t: { chars: 100_002 } }, after: { t: { chars: 100_003 }, s: 1 } }]);
    const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`p${n}`, n]));
    desk.set("lab/a", many);
    expect(desk.news()).toHaveLength(1);
    desk.set("lab/a", { p1: 2 });
    expect(desk.news()).toEqual([]);
  });

  it("sees no difference between a value and its digest, whichever the room it had", () => {
    const value = { t: "y".repeat(5_000) };
    const desk = new Desk({}, {});
    desk.disk.set("lab/a", { state: stateOf(value, 1_000), toldAt: undefined });
    desk.crash({ "lab/a": value });
    expect(desk.news()).toEqual([]);
  });

  it("keeps little of each where there is much of all", () => {
    const limits = { ...BOOK_LIMITS, maxChars: 10_000 };
    const desk = new Desk({}, {}, limits);
    for (let n = 0; n < 50; n += 1) desk.set(`lab/${n}`, { t: "z".repeat(6_000) });
    desk.settle();
    const kept = [...desk.disk.values()].map(({ state }) => [...(state?.values() ?? [])].join("").length);
    expect(Math.max(...kept.slice(5))).toBeLessThan(100);
  });

  it("writes a large first sight, and many changes, in portions", () => {
    const world = Object.fromEntries(Array.from({ length: 2_500 }, (_, n) => [`lab/${n}`, { t: 0 }]));
    const desk = new Desk({}, world);
    expect(desk.disk.size).toBe(2_500);
    desk.snapshot(Object.fromEntries(Object.keys(world).map((id) => [id, { t: 1 }])));
    expect(desk.news()).toHaveLength(2_500);
    expect(desk.turns).toBe(3);
  });

  it("survives values of any depth and properties of any name", () => {
    let deep: unknown = 1;
    for (let n = 0; n < 50_000; n += 1) deep = [deep];
    expect(() => stateOf({ deep }, LARGE)).not.toThrow();
    const named = JSON.parse('{"__proto__":{"x":1},"constructor":2,"":3}') as Record<string, unknown>;
    const state = stateOf(named, LARGE);
    expect(state && [...decodeState(encodeState(state)).keys()].toSorted()).toEqual(["", "__proto__", "constructor"]);
  });
});

describe("any history", () => {
  const EVENTS = ["crash", "unsync", "resync", "write", "written", "fail"] as const;
  type Step =
    | { readonly kind: "set"; readonly entity: string; readonly t: number; readonly own: boolean }
    | { readonly kind: "remove"; readonly entity: string; readonly own: boolean }
    | { readonly kind: "wait"; readonly ms: number }
    | { readonly kind: (typeof EVENTS)[number] };
  const entity = fc.constantFrom("lab/a", "lab/b", "lab/c");
  const own = fc.boolean();
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 8, arbitrary: fc.record({ kind: fc.constant("set" as const), entity, t: fc.nat(3), own }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("remove" as const), entity, own }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(0, 5, 50, 500) }) },
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constantFrom(...EVENTS) }),
    },
  );
  const pace = fc.record({
    debounceMs: fc.constantFrom(0, 10),
    cooldownMs: fc.constantFrom(0, 100),
    turnsPerHour: fc.constantFrom(1, 5, 3_600),
  });
  const condition = fc.constantFrom<Condition>(
    { kind: "changed" },
    { kind: "appeared" },
    { kind: "gone" },
    { kind: "compare", property: "t", operator: ">", operand: 1 },
  );

  it("is told as a chain: each change begins with what was known, and in the end everything is known", () => {
    fc.assert(
      fc.property(pace, condition, fc.array(step, { maxLength: 80 }), (over, when, steps) => {
        const desk = new Desk({ ...over, condition: when }, { "lab/a": { t: 0 } });
        const world: Record<string, { t: number }> = { "lab/a": { t: 0 } };
        for (const one of steps) {
          switch (one.kind) {
            case "set":
              world[one.entity] = { t: one.t };
              desk.set(one.entity, { t: one.t }, one.own ? ["t"] : []);
              break;
            case "remove":
              delete world[one.entity];
              desk.remove(one.entity, one.own);
              break;
            case "wait":
              desk.wait(one.ms);
              break;
            case "crash":
              desk.crash(world);
              break;
            case "resync":
              desk.book.unsync();
              desk.snapshot(world);
              break;
            case "unsync":
              desk.book.unsync();
              break;
            case "write":
              desk.begin();
              break;
            case "written":
              desk.end();
              break;
            case "fail":
              desk.begin();
              desk.end("fails");
          }
        }
        desk.end();
        desk.snapshot(world);
        // An hour after another everything that was held is told.
        for (let n = 0; n < 10; n += 1) desk.wait(3_600_001);
        expect(desk.book.held).toBe(0);
        const known = Object.fromEntries(
          [...desk.disk].flatMap(([id, { state }]) => (state === undefined ? [] : [[id, shown(state)]])),
        );
        expect(known).toEqual(world);
        for (const { before, after } of desk.told) {
          expect(shown(before)).not.toEqual(shown(after));
          if (when.kind === "appeared") expect([before, after === undefined]).toEqual([undefined, false]);
          if (when.kind === "gone") expect([before === undefined, after]).toEqual([false, undefined]);
          if (when.kind === "compare") expect(valueIn(after, "t")).toBeGreaterThan(1);
          if (when.kind === "compare") expect(Number(valueIn(before, "t") ?? 0)).toBeLessThanOrEqual(1);
        }
        const isTheirs = !steps.some((one) => "own" in one && one.own);
        if (when.kind !== "changed" || !isTheirs) return;
        // Each begins where the one before it ended: none is missing between, none is told twice.
        for (const changes of Map.groupBy(desk.told, (change) => change.entity).values()) {
          for (const [index, { before }] of changes.entries()) {
            const earlier =
              index === 0 ? (changes[0]?.entity === "lab/a" ? { t: 0 } : undefined) : shown(changes[index - 1]?.after);
            expect(shown(before)).toEqual(earlier);
          }
        }
      }),
      { numRuns: 1_500 },
    );
  });

  it("of ours alone tells nothing", () => {
    const owned = step.filter((one) => !("own" in one) || one.own);
    fc.assert(
      fc.property(pace, condition, fc.array(owned, { maxLength: 60 }), (over, when, steps) => {
        const desk = new Desk({ ...over, condition: when }, { "lab/a": { t: 0 } });
        const world: Record<string, { t: number }> = { "lab/a": { t: 0 } };
        for (const one of steps) {
          if (one.kind === "set") {
            world[one.entity] = { t: one.t };
            desk.set(one.entity, { t: one.t }, ["t"]);
          } else if (one.kind === "remove") {
            delete world[one.entity];
            desk.remove(one.entity, true);
          } else if (one.kind === "wait") desk.wait(one.ms);
          else {
            // What was written down before a crash is known after it.
            desk.settle();
            if (one.kind === "crash") desk.crash(world);
            if (one.kind === "unsync") desk.book.unsync();
            if (one.kind === "resync") desk.snapshot(world);
          }
        }
        desk.wait(3_600_001);
        expect(desk.told).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it("without a hold tells every change that was seen, once", () => {
    fc.assert(
      fc.property(fc.array(fc.record({ entity, t: fc.option(fc.nat(3)) }), { maxLength: 60 }), (writes) => {
        const desk = new Desk({}, {});
        const world = new Map<string, number>();
        let changes = 0;
        for (const { entity: id, t } of writes) {
          if (world.get(id) !== (t ?? undefined)) changes += 1;
          if (t === null) {
            world.delete(id);
            desk.remove(id);
          } else {
            world.set(id, t);
            desk.set(id, { t });
          }
          desk.settle();
        }
        expect(desk.told).toHaveLength(changes);
      }),
    );
  });
});
