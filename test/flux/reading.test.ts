/** Pages, history, one's own writes and event ids, where servers differ. */

import { describe, expect, it, onTestFinished } from "vitest";
import type { FluxEntity, FluxEvent } from "agentrux-wire";
import { createFluxClient, type FluxClient } from "../../src/flux/client.ts";
import { eventTime, newEventId } from "../../src/flux/event-id.ts";
import { newestEvents } from "../../src/flux/history.ts";
import { listPage } from "../../src/flux/listing.ts";
import { becomesVisible } from "../../src/flux/visible.ts";
import { failure } from "../service/peer.ts";
import { startStock, type StockServer } from "../tools/flux/stock.ts";
import { never, World } from "../tools/flux/support.ts";

async function serverOf(kind: "hub" | "stock"): Promise<FluxClient> {
  const server = kind === "hub" ? await World.open(false) : await startStock();
  const client = createFluxClient({ url: server instanceof World ? server.hub.url : server.url });
  onTestFinished(async () => {
    await client.close();
    await server.close();
  });
  return client;
}

function event(id: string, properties: Record<string, unknown>) {
  return { stream: "s", source: "t", timestamp: 1_764_470_659_000, payload: { entity_id: id, properties } };
}

describe.each(["hub", "stock"] as const)("pages of a %s", (kind) => {
  const ALL = ["w/10", "w/2", "w/a", "w/b#", "w/z", "w/ü", "x/1"];

  it.each(["id", "-id", "updated", "-updated"] as const)("by %s hold everything once, in order", async (sort) => {
    const client = await serverOf(kind);
    const written = ["w/z", "w/a", "w/ü", "w/2", "x/1", "w/10", "w/b#"];
    for (const id of written) await client.publish(event(id, { n: 1 }), never());
    const ids: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await listPage(client, { limit: 2, sort, ...(cursor === undefined ? {} : { cursor }) }, never());
      expect(page.entities.length).toBeLessThanOrEqual(2);
      ids.push(...page.entities.map(({ id }) => id));
      cursor = page.next;
    } while (cursor !== undefined);
    const expected = sort.endsWith("id") ? ALL : written;
    expect(ids).toEqual(sort.startsWith("-") ? expected.toReversed() : expected);
  });

  it("by prefix and namespace, and none that is not asked for", async () => {
    const client = await serverOf(kind);
    for (const id of ["w/a", "w/ab", "w2/a", "wa"]) await client.publish(event(id, { n: 1 }), never());
    const names = async (query: object) =>
      (await listPage(client, { limit: 50, ...query }, never())).entities.map(({ id }) => id);
    expect(await names({ prefix: "w/a" })).toEqual(["w/a", "w/ab"]);
    expect(await names({ namespace: "w" })).toEqual(["w/a", "w/ab"]);
    expect(await names({ prefix: "w/a&prefix=" })).toEqual([]);
  });

  it("do not take a cursor from elsewhere", async () => {
    const client = await serverOf(kind);
    for (const cursor of ["w/a", "", "e30", Buffer.from('{"after":[1,2]}').toString("base64url")]) {
      expect(await failure(listPage(client, { limit: 1, cursor }, never()))).toMatchObject({
        code: "invalid",
        kind: "local",
      });
    }
  });
});

it("times of a stock server are put in order whatever their digits", async () => {
  const times = [
    "2026-11-01T00:00:00+00:00",
    "2026-11-01T00:00:00.5Z",
    "2026-11-01T00:00:00.500001+00:00",
    "2026-11-01T00:00:01Z",
  ];
  const items = times.map((lastUpdated, index) => ({ id: `e${index}`, properties: {}, lastUpdated })) as FluxEntity[];
  const client = { list: () => Promise.resolve({ items: items.toReversed() }) };
  const { entities } = await listPage(client, { limit: 10, sort: "updated" }, never());
  expect(entities.map(({ id }) => id)).toEqual(["e0", "e1", "e2", "e3"]);
});

describe("history", () => {
  it("of a hub comes by pages, newest first", async () => {
    const client = await serverOf("hub");
    for (let n = 1; n <= 5; n += 1) await client.publish(event("w/h", { n }), never());
    const first = await newestEvents(client, { entity: "w/h", limit: 3 }, Date.now(), never());
    const second = await newestEvents(
      client,
      { entity: "w/h", limit: 3, cursor: first.next ?? "" },
      Date.now(),
      never(),
    );
    const numbers = [...first.events, ...second.events].map(
      ({ payload }) => (payload as { properties: { n: number } }).properties.n,
    );
    expect(numbers).toEqual([5, 4, 3, 2, 1]);
    expect([second.next, first.uncertain]).toEqual([undefined, undefined]);
  });

  const NOW = Date.parse("2026-11-02T00:00:00Z");

  /** Events of a stock server, one every `everyMs` until now. */
  function fill(stock: StockServer, count: number, everyMs: number): void {
    for (let n = 0; n < count; n += 1) {
      stock.log.push({ ...event("w/h", { n }), eventId: `e${n}`, arrivedAt: NOW - (count - n) * everyMs });
    }
  }

  async function numbersOf(count: number, everyMs: number, limit: number) {
    const stock = await startStock();
    const client = createFluxClient({ url: stock.url });
    onTestFinished(async () => {
      await client.close();
      await stock.close();
    });
    fill(stock, count, everyMs);
    const read = await newestEvents(client, { entity: "w/h", limit, since: "2026-11-01T00:00:00Z" }, NOW, never());
    const numbers = read.events.map(({ payload }) => (payload as { properties: { n: number } }).properties.n);
    return { numbers, uncertain: read.uncertain, requests: stock.received.length };
  }

  it.each([
    ["few", 3, 60_000, 10],
    ["exactly as many as asked for", 10, 60_000, 10],
    ["more than asked for", 300, 60_000, 20],
    ["more than a server gives at once", 1_400, 60_000, 20],
    ["many in a burst just now", 1_100, 20, 5],
  ])("of a stock server is the newest ones all the same: %s", async (_what, count, everyMs, limit) => {
    const { numbers, uncertain, requests } = await numbersOf(count, everyMs, limit);
    const newest = Array.from({ length: Math.min(count, limit) }, (_, back) => count - 1 - back);
    expect(numbers).toEqual(newest);
    expect(uncertain).toBeUndefined();
    expect(requests).toBeLessThanOrEqual(18);
  });

  it("of a stock server says when it cannot be sure", async () => {
    const { uncertain, numbers } = await numbersOf(1_200, 0.5, 10);
    expect(uncertain).toBe(true);
    expect(numbers.length).toBe(10);
  });

  it("asks once where everything has come", async () => {
    let asked = 0;
    const items = [{ eventId: "1", version: 4 }] as unknown as FluxEvent[];
    const client = { history: () => Promise.resolve({ items: (asked += 1) > 0 ? items : [] }) };
    await newestEvents(client, { entity: "e", limit: 1 }, NOW, never());
    expect(asked).toBe(1);
  });
});

describe("one's own writes", () => {
  const entity = (properties: Record<string, unknown>, version?: number) =>
    ({ id: "e", properties, lastUpdated: "", ...(version === undefined ? {} : { version }) }) as FluxEntity;
  const after = (reads: (FluxEntity | undefined)[]) => ({
    entity: () => Promise.resolve(reads.length > 1 ? reads.shift() : reads[0]),
  });

  it.each([
    ["by version", { id: "e", version: 5 }, [entity({}, 4), entity({}, 5)], true],
    ["by a version that others have passed", { id: "e", version: 5 }, [entity({}, 9)], true],
    [
      "by values",
      { id: "e", properties: { a: { b: [1] }, n: -0 } },
      [undefined, entity({ a: { b: [1] }, n: 0, c: 2 })],
      true,
    ],
    ["by their absence", { id: "e", gone: true as const }, [entity({}), undefined], true],
    ["never", { id: "e", version: 5 }, [entity({}, 4)], false],
    ["never, for another value", { id: "e", properties: { a: 1 } }, [entity({ a: 2 })], false],
    ["never, for a property that objects have anyway", { id: "e", properties: { toString: 1 } }, [entity({})], false],
    ["never, for what is not there", { id: "e", properties: {} }, [undefined], false],
  ])("become visible %s", async (_how, wanted, reads, expected) => {
    expect(await becomesVisible(after(reads), wanted, never(), expected ? 10_000 : 60)).toBe(expected);
  });

  it("are not known where looking fails or is ended, and that is no error", async () => {
    const failing = { entity: () => Promise.reject(new Error("no")) };
    expect(await becomesVisible(failing, { id: "e", version: 1 }, never())).toBe(false);
    expect(await becomesVisible(after([entity({}, 0)]), { id: "e", version: 1 }, AbortSignal.abort())).toBe(false);
  });
});

describe("event ids", () => {
  it("are UUIDs of version 7 that hold their time", () => {
    const now = 1_764_470_659_123;
    const ids = Array.from({ length: 100 }, () => newEventId(now));
    expect(new Set(ids).size).toBe(100);
    for (const id of ids) {
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(eventTime(id)).toBe(now);
    }
  });

  it.each(["", "3f2a9c1e-4b5d-4e6f-8a7b-9c0d1e2f3a4b", "00000000-0000-7000-8000-000000000000", "x"])(
    "%j is none",
    (id) => {
      expect(eventTime(id)).toBeUndefined();
    },
  );
});
