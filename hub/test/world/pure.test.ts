/** The parts of the world without a clock, a disk or a socket: text, order, merging. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson } from "../../src/world/canonical.ts";
import type { EntityFields } from "../../src/world/entity.ts";
import { readEvent, faultOf } from "../../src/world/event.ts";
import { changeOf, fold, NO_EXTRAS } from "../../src/world/fold.ts";
import { Instants, isoMicros } from "../../src/world/instants.ts";
import { SortedIds } from "../../src/world/sorted-ids.ts";
import { WorldState } from "../../src/world/state.ts";
import { Coverage } from "../../src/world/watch/coverage.ts";
import type { Selector } from "../../src/world/watch/subscriptions.ts";

describe("canonical JSON", () => {
  it("means the same, sorted at every level and without white space", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.integer({ min: 0, max: 3 }), (value, indent) => {
        const text = canonicalJson(JSON.stringify(value, undefined, indent));
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(text)).toBe(text);
      }),
    );
  });

  it.each([
    ['{"b":1,"a":{"d":[1, 2],"c":null}}', '{"a":{"c":null,"d":[1,2]},"b":1}'],
    ['{"n":1.0,"big":12345678901234567890123,"e":1E5}', '{"big":12345678901234567890123,"e":1E5,"n":1.0}'],
    ['{"a":1,"a":2}', '{"a":2}'],
    ['{"\\u0061":1,"a":2}', '{"a":2}'],
    ['{"q\\"":"\\\\"}', '{"q\\"":"\\\\"}'],
    [" [ ] ", "[]"],
  ])("%s", (text, expected) => {
    expect(canonicalJson(text)).toBe(expected);
  });

  it("refuses what is nested deeper than the stock server reads", () => {
    const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);
    expect(canonicalJson(nested(127))).toBe(nested(127));
    expect(() => canonicalJson(nested(128))).toThrow("recursion limit exceeded");
    expect(() => canonicalJson(nested(100_000))).toThrow("recursion limit exceeded");
  });
});

describe("sorted ids", () => {
  const idArb = fc.string({ unit: fc.constantFrom("a", "b", "/", "\uffff", "z"), maxLength: 5 });

  it("page like a sorted list, whatever was added and deleted", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ id: idArb, add: fc.boolean() }), { maxLength: 60 }),
        idArb,
        fc.option(idArb, { nil: undefined }),
        fc.constantFrom("asc" as const, "desc" as const),
        fc.integer({ min: 1, max: 10 }),
        (steps, prefix, after, order, limit) => {
          const ids = new SortedIds();
          const model = new Set<string>();
          for (const { id, add } of steps) {
            if (add && !model.has(id)) ids.add(id);
            if (!add && model.has(id)) ids.delete(id);
            if (add) model.add(id);
            else model.delete(id);
          }
          const sorted = [...model].sort();
          const inOrder = order === "asc" ? sorted : sorted.toReversed();
          const expected = inOrder
            .filter((id) => id.startsWith(prefix))
            .filter((id) => after === undefined || (order === "asc" ? id > after : id < after))
            .slice(0, limit);
          expect(ids.page({ prefix, order, limit, ...(after === undefined ? {} : { after }) })).toEqual(expected);
          expect(ids.size).toBe(model.size);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("stay in order over many blocks", () => {
    const ids = new SortedIds();
    const all = Array.from({ length: 5000 }, (_, n) => `e${String((n * 7919) % 5000).padStart(4, "0")}`);
    for (const id of all) ids.add(id);
    expect(ids.page({ prefix: "", order: "asc", limit: 10_000 })).toEqual(all.toSorted());
    for (const id of all.slice(0, 4000)) ids.delete(id);
    expect(ids.page({ prefix: "", order: "desc", limit: 10_000 })).toEqual(all.slice(4000).toSorted().toReversed());
    const loaded = new SortedIds();
    loaded.load(all.toSorted());
    expect(loaded.page({ prefix: "e4", order: "asc", limit: 2 })).toEqual(["e4000", "e4001"]);
  });
});

interface PlainEvent {
  readonly properties: Readonly<Record<string, unknown>>;
  readonly remove: readonly string[];
}

/** The same rules, on plain objects. */
function plainly(before: Record<string, unknown> | undefined, { properties, remove }: PlainEvent) {
  if (properties["__deleted__"] === true) return undefined;
  if (Object.keys(properties).length === 0 && (remove.length === 0 || before === undefined)) return before;
  const kept = Object.entries(before ?? {}).filter(([name]) => !remove.includes(name));
  return { ...Object.fromEntries(kept), ...properties };
}

describe("merging", () => {
  const name = fc.constantFrom("a", "b", "c", 'q"uote', "__proto__", "__deleted__");
  const eventArb: fc.Arbitrary<PlainEvent> = fc.record({
    properties: fc.dictionary(name, fc.oneof(fc.jsonValue({ maxDepth: 1 }), fc.constant(true)), {
      maxKeys: 3,
      noNullPrototype: true,
    }),
    remove: fc.array(name, { maxLength: 2 }),
  });

  it("does what the rules say, event by event", () => {
    fc.assert(
      fc.property(fc.array(eventArb, { maxLength: 12 }), (events) => {
        let fields: EntityFields | undefined;
        let model: Record<string, unknown> | undefined;
        events.forEach((event, index) => {
          const properties = canonicalJson(JSON.stringify(event.properties));
          const change = changeOf(properties, { ...NO_EXTRAS, remove: event.remove });
          const before = fields;
          fields = fold("e", fields, change, { seq: index + 1, at: (index + 1) * 10 });
          model = plainly(model, JSON.parse(JSON.stringify(event)) as PlainEvent);
          const text = model === undefined ? undefined : canonicalJson(JSON.stringify(model));
          expect(fields.properties).toBe(text);
          expect(fields.newest).toBe(index + 1);
          // The record it was made of is as it was.
          if (fields.version !== index + 1)
            expect({ ...fields, newest: 0 }).toEqual({ ...(before ?? fields), newest: 0 });
        });
      }),
      { numRuns: 300 },
    );
  });

  it("begins a new life after a deletion", () => {
    const at = (seq: number) => ({ seq, at: seq });
    const set = (text: string) => changeOf(text, NO_EXTRAS);
    const first = fold("e", undefined, set('{"a":1}'), at(1));
    const gone = fold("e", first, set('{"__deleted__":true,"b":1}'), at(2));
    expect(gone).toMatchObject({ properties: undefined, version: 2, born: 1 });
    expect(fold("e", gone, set('{"__deleted__":true}'), at(3))).toMatchObject({ version: 2, newest: 3 });
    expect(fold("e", gone, set('{"c":1}'), at(4))).toMatchObject({ properties: '{"c":1}', version: 4, born: 4 });
  });

  it.each(['{"__deleted__":"true"}', '{"__deleted__":1}', '{"__deleted__":false}'])("%s is no deletion", (text) => {
    expect(changeOf(text, NO_EXTRAS).kind).toBe("merge");
  });

  it("keeps, renews and ends a time to live", () => {
    const live = (before: EntityFields | undefined, ttlS: number | undefined, seq: number) =>
      fold("e", before, changeOf('{"a":1}', { remove: [], ttlS }), { seq, at: seq * 1_000_000 });
    const first = live(undefined, 10, 1);
    expect(first.expiresAt).toBe(11_000);
    expect(live(first, undefined, 2).expiresAt).toBe(11_000);
    expect(live(first, 5, 3).expiresAt).toBe(8000);
    expect(live(first, 0, 4).expiresAt).toBe(0);
  });
});

describe("reading an event", () => {
  const event = (fields: object) =>
    JSON.stringify({ stream: "s", source: "x", timestamp: 1, payload: { entity_id: "e", properties: {} }, ...fields });

  it.each([
    [{ timestamp: "1" }, 'invalid type: string "1", expected i64'],
    [{ timestamp: 1.5 }, "invalid type: floating point `1.5`, expected i64"],
    [{ stream: 5 }, "stream: invalid type: integer `5`, expected a string"],
    [{ stream: undefined }, "missing field `stream` at line 1 column 72"],
    [{ remove: "a" }, "remove: must be a list of property names"],
    [{ ttlSeconds: -1 }, "ttlSeconds: must be a whole number"],
    [{ expectedVersion: "1" }, "expectedVersion: must be a whole number"],
  ])("of wrong form %o", (fields, message) => {
    expect(() => readEvent(event(fields))).toThrow(message);
  });

  it("refuses a field of the envelope that stands twice, which is how envelopes are smuggled", () => {
    expect(() => readEvent(`{"source":"a","source":"b"}`)).toThrow("duplicate field `source`");
    expect(() => readEvent(`{"source":"a","s\\u006furce":"b"}`)).toThrow("duplicate field `source`");
  });

  it("refuses an id that no UTF-8 can hold", () => {
    expect(() => readEvent(event({ source: "\ud800" }))).toThrow("half of a surrogate pair");
  });

  it.each([
    [{ stream: "" }, "stream is required"],
    [{ source: "" }, "source is required"],
    [{ stream: "A" }, "invalid stream format 'A': must be lowercase with optional dots"],
    [{ timestamp: 0 }, "timestamp must be positive, got 0"],
    [{ payload: null }, "payload is required"],
    [{ payload: [] }, "payload must be a JSON object"],
    [{ eventId: "", key: null }, undefined],
  ])("of wrong content %o", (fields, fault) => {
    expect(faultOf(readEvent(event(fields)))).toBe(fault);
  });
});

describe("instants", () => {
  it("only ever grow, also when the clock does not", () => {
    let now = 1000;
    const instants = new Instants({ now: () => now }, 0);
    const given = [instants.next(), instants.next()];
    now = 500;
    given.push(instants.next());
    now = 2000;
    given.push(instants.next());
    expect(given).toEqual([1_000_000, 1_000_001, 1_000_002, 2_000_000]);
    expect(isoMicros(1_700_000_000_000_042)).toBe("2023-11-14T22:13:20.000042");
  });
});

describe("coverage", () => {
  const textArb = fc.string({ unit: fc.constantFrom("a", "b", "/"), maxLength: 4 });

  it("finds what a look at everything finds, whatever was added and deleted", () => {
    const scopeArb = fc.record({ kind: fc.constantFrom<Selector["kind"]>("entity", "prefix"), value: textArb });
    const stepArb = fc.record({ scope: scopeArb, one: fc.integer({ min: 1, max: 3 }), add: fc.boolean() });
    fc.assert(
      fc.property(fc.array(stepArb, { maxLength: 40 }), textArb, (steps, id) => {
        const coverage = new Coverage<number>();
        const model = new Map<string, (typeof steps)[number]>();
        for (const step of steps) {
          if (step.add) coverage.add(step.scope, step.one);
          else coverage.delete(step.scope, step.one);
          const key = JSON.stringify([step.scope, step.one]);
          if (step.add) model.set(key, step);
          else model.delete(key);
        }
        const expected = [...model.values()].filter(({ scope: { kind, value } }) =>
          kind === "entity" ? id === value : id.startsWith(value),
        );
        const found = coverage.of(id).flatMap((covering) => [...covering]);
        const byNumber = (a: number, b: number) => a - b;
        expect(found.toSorted(byNumber)).toEqual(expected.map(({ one }) => one).toSorted(byNumber));
        for (const { scope } of steps) {
          const isThere = [...model.values()].some((step) => JSON.stringify(step.scope) === JSON.stringify(scope));
          expect(coverage.has(scope)).toBe(isThere);
        }
      }),
    );
  });
});

describe("what has changed since an event", () => {
  const writeArb = fc.record({ id: fc.constantFrom("a", "b", "c", "d", "e"), isLive: fc.boolean() });

  it("is read whole and in order, however the world goes on between the pieces", () => {
    const pieceArb = fc.record({ writes: fc.array(writeArb, { maxLength: 4 }), limit: fc.integer({ min: 1, max: 4 }) });
    fc.assert(
      fc.property(
        fc.array(writeArb, { maxLength: 12 }),
        fc.array(pieceArb, { maxLength: 12 }),
        fc.nat({ max: 12 }),
        fc.nat({ max: 3 }),
        (before, pieces, sinceMax, stopAfter) => {
          const state = new WorldState();
          const put = ({ id, isLive }: { id: string; isLive: boolean }) => {
            const seq = state.seq + 1;
            const fields = { id, properties: isLive ? "{}" : undefined, version: seq, newest: seq, born: 1, at: seq };
            state.put({ ...fields, expiresAt: 0 }, seq, seq);
          };
          before.forEach(put);
          const since = Math.min(sinceMax, state.seq);
          const changes = state.changesSince(since);
          const known = new Map<string, number>();
          let latest = since;
          const read = (limit: number) => {
            let met = 0;
            return changes.read(limit, ({ id, version }) => {
              expect(version).toBeGreaterThan(latest);
              latest = version;
              known.set(id, version);
              met += 1;
              return met <= stopAfter;
            });
          };
          for (const { writes, limit } of pieces) {
            read(limit);
            writes.forEach(put);
            // An event that changes nothing leaves its record where it is.
            const [record] = state.records();
            if (record === undefined) continue;
            const { older: _older, newer: _newer, ...fields } = record;
            state.put({ ...fields, newest: state.seq + 1 }, state.seq + 1, state.seq + 1);
          }
          while (!read(5));
          const changed = state.records().filter(({ version }) => version > since);
          const upToDate = [...known].filter(([id, version]) => state.record(id)?.version === version);
          expect(new Map(upToDate)).toEqual(new Map(changed.map(({ id, version }) => [id, version])));
          changes.close();
        },
      ),
    );
  });
});
