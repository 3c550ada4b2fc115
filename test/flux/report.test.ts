/** What is told of changes: a line each, bounded, the rest declared; and knowing own writes again. */

import type { FluxEventRequest } from "agentrux-wire";
import { describe, expect, it } from "vitest";
import { AgentruxError } from "../../src/errors.ts";
import type { FluxClient } from "../../src/flux/client.ts";
import { createOwnWrites, notingWrites, type OwnWrites } from "../../src/flux/own-writes.ts";
import { type EntityState, stateOf } from "../../src/flux/watch/entity-state.ts";
import type { Change } from "../../src/flux/watch/flush.ts";
import { REPORT_LIMITS, reportOf } from "../../src/flux/watch/report.ts";

const state = (properties: object): EntityState | undefined => stateOf({ ...properties }, 64 * 1_024);
const change = (entity: string, before?: object, after?: object): Change => ({
  entity,
  before: before && state(before),
  after: after && state(after),
  at: "2026-01-01T00:00:00Z",
});
const lines = (text: string): Record<string, unknown>[] =>
  text.split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);

describe("a report", () => {
  it("shows the properties that differ, before and after", () => {
    const at = "2026-01-01T00:00:00Z";
    expect(
      lines(reportOf([change("a", { t: 1, s: "x", gone: 1 }, { t: 2, s: "x", new: [1] }), change("b", { t: 1 })])),
    ).toEqual([
      { entity: "a", event: "changed", at, before: { gone: 1, t: 1 }, after: { new: [1], t: 2 } },
      { entity: "b", event: "gone", at, before: { t: 1 } },
    ]);
  });

  it("is a line for each entity, whatever is in their names and values", () => {
    const evil = 'x\n{"entity":"forged"}\u2028"';
    const [one, ...more] = lines(reportOf([change(evil, undefined, { [evil]: evil })]));
    expect([one?.["entity"], one?.["after"], more]).toEqual([evil, { [evil]: evil }, []]);
  });

  it("cuts long values, says of the largest only how long they are, and leaves out properties of which there are many", () => {
    const after = (text: string) => lines(text)[0]?.["after"];
    const long = after(reportOf([change("a", { t: "x" }, { t: "y".repeat(5_000) })]));
    expect(long).toEqual({ t: `${"y".repeat(1_000)}... [5000 characters]` });
    const huge = after(reportOf([change("a", { t: "x" }, { t: "y".repeat(100_000) })]));
    expect(huge).toEqual({ t: "[100002 characters]" });
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`p${n}`, "z".repeat(50)]));
    const text = reportOf([change("a", undefined, many)]);
    expect(text.length).toBeLessThanOrEqual(REPORT_LIMITS.entityChars);
    expect(lines(text)[0]?.["left_out"]).toMatch(/^\d+ more properties$/);
  });

  it("names entities beyond a hundred, and counts those beyond its length", () => {
    const changes = Array.from({ length: 1_000 }, (_, n) => change(`lab/${n}`, { n: 0 }, { n: 1 }));
    const all = lines(reportOf(changes));
    expect(all).toHaveLength(101);
    expect(all.at(-1)?.["also_changed"]).toHaveLength(900);
    const wide = changes.map((one) => ({ ...one, entity: one.entity.padEnd(500, "x") }));
    const text = reportOf(wide);
    expect(text.length).toBeLessThan(REPORT_LIMITS.chars + 10_000);
    const last = lines(text).at(-1) as { also_changed: string[]; and_more: number };
    expect(lines(text).length - 1 + last.also_changed.length + last.and_more).toBe(1_000);
  });

  it("says of what is too large to be kept that it is", () => {
    const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`p${n}`, n]));
    expect(lines(reportOf([change("a", { t: 1 }, many)]))).toMatchObject([
      { entity: "a", note: "too large to be compared" },
    ]);
  });
});

describe("own writes", () => {
  it("are recognised once, by value, for a while; so are removals, of entities and of properties", () => {
    let now = 0;
    const own = createOwnWrites(() => now);
    own.wrote("a", { t: { b: [1] }, u: undefined });
    expect(own.recognise("a", "t", { b: [2] })).toBe(false);
    expect([own.recognise("a", "t", { b: [1] }), own.recognise("a", "t", { b: [1] })]).toEqual([true, false]);
    expect(own.recognise("a", "u", undefined)).toBe(true);
    own.removed("a");
    expect([own.recogniseRemoval("b"), own.recogniseRemoval("a"), own.recogniseRemoval("a")]).toEqual([
      false,
      true,
      false,
    ]);
    own.wrote("a", { t: 1 });
    now = 60_001;
    expect(own.recognise("a", "t", 1)).toBe(false);
  });

  it("are noted before they are sent, however they are", async () => {
    const own = createOwnWrites(() => 0);
    const sent: string[] = [];
    const answer = (name: string, value: object) => () => {
      sent.push(name);
      return Promise.resolve(value);
    };
    const client = clientOf(own, {
      publish: answer("one", {}),
      publishBatch: answer("many", { results: [{ error: null }] }),
      delete: answer("gone", {}),
      deleteMany: answer("all", { deleted: 1, failed: 0, errors: [] }),
    });
    await client.publish(event("a"), signal);
    await client.publishBatch([event("b")], signal);
    await client.delete("c", signal);
    await client.deleteMany({ entity_ids: ["d"] }, signal);
    expect(sent).toEqual(["one", "many", "gone", "all"]);
    expect(["a", "b"].map((id) => own.recognise(id, "t", 1) && own.recognise(id, "old", undefined))).toEqual([
      true,
      true,
    ]);
    expect(["c", "d"].map((id) => own.recogniseRemoval(id))).toEqual([true, true]);
  });

  it("are somebody else's where the server refused ours, and may be ours where it is not known", async () => {
    const own = createOwnWrites(() => 0);
    const isKnown = async (kind: "refused" | "local" | "unknown") => {
      const fail = () => Promise.reject(new AgentruxError("conflict", "no", { kind }));
      const client = clientOf(own, { publish: fail, publishBatch: fail, delete: fail, deleteMany: fail });
      await Promise.allSettled([
        client.publish(event("a"), signal),
        client.publishBatch([event("b")], signal),
        client.delete("c", signal),
        client.deleteMany({ entity_ids: ["d"] }, signal),
      ]);
      return [
        ...["a", "b"].flatMap((id) => [own.recognise(id, "t", 1), own.recognise(id, "old", undefined)]),
        ...["c", "d"].map((id) => own.recogniseRemoval(id)),
      ];
    };
    for (const kind of ["refused", "local"] as const) expect(new Set(await isKnown(kind))).toEqual(new Set([false]));
    expect(new Set(await isKnown("unknown"))).toEqual(new Set([true]));
  });

  it("are those of a batch that the server took", async () => {
    const own = createOwnWrites(() => 0);
    const ids = ["a", "b", "c"];
    let answer: object = { results: [{ error: null }, { error: "rate limit exceeded" }] };
    const client = clientOf(own, {
      publishBatch: () => Promise.resolve(answer),
      deleteMany: () => Promise.resolve(answer),
    });
    await client.publishBatch(ids.map(event), signal);
    expect(ids.map((id) => own.recognise(id, "t", 1))).toEqual([true, false, true]);
    const removed = async (said: object) => {
      answer = said;
      await client.deleteMany({ entity_ids: ids }, signal);
      return ids.map((id) => own.recogniseRemoval(id));
    };
    expect(await removed({ deleted: 2, failed: 1, errors: ["b: no"] })).toEqual([true, false, true]);
    expect(await removed({ deleted: 0, failed: 0, errors: [] })).toEqual([false, false, false]);
  });

  it("that are refused take nothing back that was written after them", async () => {
    const own = createOwnWrites(() => 0);
    const { promise, reject } = Promise.withResolvers<never>();
    const sent = clientOf(own, { publish: () => promise }).publish(event("a"), signal);
    own.wrote("a", { t: 1 });
    reject(new AgentruxError("conflict", "no", { kind: "refused" }));
    await expect(sent).rejects.toThrow("no");
    expect(own.recognise("a", "t", 1)).toBe(true);
  });
});

const { signal } = new AbortController();

function clientOf(own: OwnWrites, plain: object): FluxClient {
  return notingWrites(plain as FluxClient, own);
}

function event(entity_id: string): FluxEventRequest {
  return { stream: "s", source: "t", timestamp: 1, remove: ["old"], payload: { entity_id, properties: { t: 1 } } };
}
