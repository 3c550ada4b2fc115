/** `flux_batch`: every event accounted for, whatever becomes of it. */

import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { AgentruxError } from "../../../src/errors.ts";
import { createFluxClient, type FluxClient } from "../../../src/flux/client.ts";
import { fluxBatchTool } from "../../../src/tools/flux/batch.ts";
import { PIECE_MAX_BYTES, PIECE_MAX_ITEMS, pieces } from "../../../src/tools/flux/pieces.ts";
import { startStock } from "./stock.ts";
import { Agent, Closing, errorOf, never, World } from "./support.ts";

const closing = new Closing();
afterEach(() => closing.all());

let open: World;
let closed: World;
beforeAll(async () => {
  [open, closed] = await Promise.all([World.open(false), World.open(true)]);
});
afterAll(async () => {
  await open.close();
  await closed.close();
});

describe("flux_batch", () => {
  const event = (name: string, properties: object = { n: 1 }) => ({ entity: `lab/${name}`, properties });

  it("writes all, in their order, under ids of one batch", async () => {
    const agent = await closing.after(closed.agent());
    const events = [event("o", { n: 1 }), event("p"), { ...event("o", { n: 2 }), source: "b", stream: "x" }];
    const outcome = await agent.call(fluxBatchTool, { events, stream: "s", source: "a" });
    expect(outcome).toMatchObject({
      isError: false,
      text: "3 of 3 events are applied.",
      details: { applied: 3, visible: true },
    });
    const history = (await agent.client.history({ entity: "lab/o" }, never())).items;
    expect(history.map(({ source, stream, payload }) => [source, stream, payload])).toEqual([
      ["b", "x", { entity_id: "lab/o", properties: { n: 2 } }],
      ["a", "s", { entity_id: "lab/o", properties: { n: 1 } }],
    ]);
    expect(history[0]?.eventId).toBe(`${String(outcome.details["batch_id"])}-2`);
  });

  it("is a failure where one event failed, and says which, and why", async () => {
    const agent = await closing.after(closed.agent());
    const events = [
      event("q"),
      { entity: "other/q", properties: { n: 1 } },
      { entity: "lab/a/b", properties: { n: 1 } },
      event("r"),
    ];
    const outcome = await agent.call(fluxBatchTool, { events });
    expect(outcome).toMatchObject({
      isError: true,
      details: {
        ok: false,
        applied: 2,
        failed: [
          { index: 1, code: "forbidden" },
          { index: 2, code: "invalid" },
        ],
        error: { code: "partial", kind: "refused" },
      },
    });
    expect(outcome.text).toContain(
      "2 of 4 events are applied, 2 failed.\nevent 1 (other/q): forbidden: authorization failed",
    );
    expect(await agent.client.entity("lab/r", never())).toBeDefined();
  });

  it("has the failures' own code where all failed alike", async () => {
    const agent = await closing.after(closed.agent());
    const outcome = await agent.call(fluxBatchTool, { events: [{ entity: "other/a", properties: { n: 1 } }] });
    expect(errorOf(outcome)).toMatchObject({ code: "forbidden" });
    const stale = await agent.call(fluxBatchTool, { events: [{ ...event("s"), expected_version: 99 }] });
    expect(errorOf(stale)).toMatchObject({ code: "conflict" });
  });

  it("can be repeated as a whole: what is there counts once", async () => {
    const agent = await closing.after(closed.agent());
    const events = [event("t", { n: 1 }), event("u", { n: 2 })];
    const first = await agent.call(fluxBatchTool, { events });
    const again = await agent.call(fluxBatchTool, { events, batch_id: first.details["batch_id"] });
    expect(again).toMatchObject({ isError: false, details: { applied: 2 } });
    expect((await agent.client.history({ entity: "lab/t" }, never())).items.length).toBe(1);
  });

  it("stops at the write too many, and says what was not sent", async () => {
    const world = await closing.after(World.open(true));
    const operator = createFluxClient({ url: world.hub.url, adminToken: world.hub.adminToken });
    closing.later(() => operator.close());
    await operator.updateConfig({ rate_limit_per_namespace_per_minute: 501 }, never());
    const agent = await closing.after(world.agent());
    const events = Array.from({ length: 1_400 }, (_, n) => event(`r${n}`));
    const outcome = await agent.call(fluxBatchTool, { events });
    expect(outcome.details).toMatchObject({ ok: false, error: { code: "partial" } });
    // The share grows again meanwhile, by a few in a second.
    const applied = Number(outcome.details["applied"]);
    expect(applied).toBeGreaterThanOrEqual(501);
    expect(outcome.details["failed"]).toHaveLength(1_000 - applied);
    expect(outcome.details["not_sent"]).toHaveLength(400);
    expect(outcome.text).toContain("Not sent: events 1000 to 1399.");
    expect(outcome.text).toMatch(/^\.\.\. and \d+ more\.$/m);
  });

  it("goes to a stock server in pieces that it takes", async () => {
    const stock = await closing.after(startStock());
    const agent = await closing.after(Agent.at({ url: stock.url }));
    const events = Array.from({ length: 40 }, (_, n) => event(`b${n}`, { n, text: "x".repeat(100_000) }));
    expect(await agent.call(fluxBatchTool, { events })).toMatchObject({ isError: false, details: { applied: 40 } });
    expect(stock.log.map(({ payload }) => payload.properties["n"])).toEqual(events.map((_, n) => n));
    const sizes = stock.received.filter(({ path }) => path.endsWith("/batch")).map(({ body }) => body.length);
    expect(Math.max(...sizes)).toBeLessThan(2_000_000);
    expect(sizes.length).toBe(3);
  });

  it("keeps account of a piece whose answer is lost, and sends nothing behind it", async () => {
    let asked = 0;
    const client = {
      ...(await closing.after(open.agent())).client,
      publishBatch: (events: readonly unknown[]) =>
        (asked += 1) === 2
          ? Promise.reject(new AgentruxError("network", "the connection broke", { kind: "unknown", retryable: true }))
          : Promise.resolve({ successful: events.length, failed: 0, results: events.map(() => ({ error: null })) }),
    } as FluxClient;
    const agent = await closing.after(open.agent());
    const events = Array.from({ length: 1_200 }, (_, n) => event(`l${n}`));
    const outcome = await agent.call(fluxBatchTool, { events }, { client });
    expect(asked).toBe(2);
    expect(outcome.details).toMatchObject({ applied: 500, failed: [], error: { code: "partial", kind: "unknown" } });
    expect(outcome.text).toContain("Not known: events 500 to 999.\nNot sent: events 1000 to 1199.");
    expect(outcome.text).toContain("flux_get");
    expect(outcome.text).toContain(String(outcome.details["batch_id"]));
  });

  it("misses no event that an answer leaves out", async () => {
    const client = {
      ...(await closing.after(open.agent())).client,
      publishBatch: () => Promise.resolve({ successful: 2, failed: 0, results: [{ error: null }] }),
    } as FluxClient;
    const agent = await closing.after(open.agent());
    const outcome = await agent.call(fluxBatchTool, { events: [event("m"), event("n")] }, { client });
    expect(outcome.details).toMatchObject({
      ok: false,
      applied: 1,
      failed: [{ index: 1, code: "malformed_response" }],
    });
  });

  it("is cut into pieces by number and by bytes", () => {
    expect(pieces([])).toEqual([]);
    expect(pieces(Array.from({ length: PIECE_MAX_ITEMS + 1 }, () => 1)).map(({ length }) => length)).toEqual([
      PIECE_MAX_ITEMS,
      1,
    ]);
    const third = "é".repeat(PIECE_MAX_BYTES / 6);
    expect(pieces([third, third, third, third]).map(({ length }) => length)).toEqual([2, 2]);
    expect(pieces(["x".repeat(PIECE_MAX_BYTES * 2), "y"]).map(({ length }) => length)).toEqual([1, 1]);
  });
});
