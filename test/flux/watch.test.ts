/** Watches over a real hub: what is told, what is not, and what breaks, restarts and attacks do to that. */

import { rm } from "node:fs/promises";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { systemClock } from "../../src/replies/ports.ts";
import { startTestHub } from "../support/hub.ts";
import { Proxy } from "../support/proxy.ts";
import {
  type DeskOptions,
  hubIn,
  said,
  still,
  tempFolder,
  until,
  watchOf,
  WatchDesk,
  writer,
} from "./support/watching.ts";

vi.setConfig({ testTimeout: 120_000 });

const isWatch = ({ path }: { readonly path: string }) => path.startsWith("/api/ws");

async function setUp(options: DeskOptions = {}, world: Readonly<Record<string, object>> = { "lab/a": { t: 1 } }) {
  const dir = await tempFolder();
  const hub = await hubIn(dir);
  const others = writer(hub.url);
  for (const [entity, properties] of Object.entries(world)) await others.set(entity, { ...properties });
  const desk = await WatchDesk.start(dir, hub.url, options);
  await desk.ready();
  return { dir, hub, others, desk };
}

/** The same behind a proxy that can be told to break it. */
async function setUpBehindProxy(options: DeskOptions = {}, reroute?: (path: string) => string) {
  const dir = await tempFolder();
  const hub = await hubIn(dir);
  const others = writer(hub.url);
  await others.set("lab/a", { t: 1 });
  const proxy = await Proxy.start(hub.url, {
    monotonic: () => performance.now(),
    ...(reroute === undefined ? {} : { reroute }),
  });
  const desk = await WatchDesk.start(dir, proxy.url, options);
  await desk.ready();
  return { dir, hub, others, desk, proxy, close: () => proxy.close() };
}

describe("a watch on the hub", () => {
  it("tells nothing of what it begins with, and of each change once, with before and after", async () => {
    const { desk, others } = await setUp();
    expect(desk.lines.join("\n")).toContain("begins with 1 entities as they are");
    await others.set("elsewhere/a", { t: 1 });
    await others.set("lab/a", { t: 2 });
    await desk.untilTold(1);
    await others.set("lab/b", { u: "x" });
    await desk.untilTold(2);
    await others.set("lab/b", {}, { remove: ["u"], payload: { entity_id: "lab/b", properties: { v: 1 } } });
    await desk.untilTold(3);
    await others.remove("lab/a");
    await desk.untilTold(4);
    await still();
    expect(said(await desk.told())).toEqual([
      { entity: "lab/a", event: "changed", before: { t: 1 }, after: { t: 2 } },
      { entity: "lab/b", event: "appeared", after: { u: "x" } },
      { entity: "lab/b", event: "changed", before: { u: "x" }, after: { v: 1 } },
      { entity: "lab/a", event: "gone", before: { t: 2 } },
    ]);
    expect(desk.set.numbers()).toMatchObject({
      watches: 1,
      connected: true,
      entities: 1,
      held: 0,
      turns: 4,
      changes: 4,
    });
  });

  it("tells of one entity, and of a threshold crossed", async () => {
    const watches = [
      { id: "one", entity: "lab/a" },
      { id: "hot", namespace: "lab", when: "t > 30" },
    ];
    const { desk, others } = await setUp({ watches });
    for (const t of [20, 31, 35, 10, 40]) {
      await others.set("lab/b", { t, note: "n" });
      await still(30);
    }
    await desk.untilTold(2);
    await others.set("lab/a", { t: 2 });
    await desk.untilTold(3);
    await still();
    expect(said(await desk.told())).toEqual([
      { entity: "lab/b", event: "changed", before: { t: 20 }, after: { t: 31 } },
      { entity: "lab/b", event: "changed", before: { t: 10 }, after: { t: 40 } },
      { entity: "lab/a", event: "changed", before: { t: 1 }, after: { t: 2 } },
    ]);
  });

  it("makes one turn of what changes together", async () => {
    const { desk, others } = await setUp({ watches: [{ prefix: "lab/", debounceMs: 200 }] });
    const set = (entity_id: string, properties: Record<string, unknown>) => ({
      stream: "s",
      source: "t",
      timestamp: 1,
      payload: { entity_id, properties },
    });
    const many = Array.from({ length: 20 }, (_, n) => [set("lab/a", { t: n }), set(`lab/n${n % 5}`, { n })]).flat();
    await others.client.publishBatch([...many, set("lab/a", { t: 99 })], AbortSignal.timeout(10_000));
    await desk.untilTold(6);
    await still(400);
    const turns = await desk.turns();
    expect(turns).toHaveLength(1);
    expect(said(turns[0] ?? [])).toContainEqual({
      entity: "lab/a",
      event: "changed",
      before: { t: 1 },
      after: { t: 99 },
    });
  });

  it("holds what an entity does while it cools down, and tells then what is", async () => {
    const { desk, others } = await setUp({ watches: [{ prefix: "lab/", cooldownSeconds: 1 }] });
    await others.set("lab/a", { t: 2 });
    await desk.untilTold(1);
    for (const t of [3, 4, 5]) await others.set("lab/a", { t });
    await until("it is held", () => desk.set.numbers().held === 1);
    expect(await desk.told()).toHaveLength(1);
    expect(said(await desk.untilTold(2))[1]).toMatchObject({ before: { t: 2 }, after: { t: 5 } });
  });

  it("starts no more turns than its hour allows, and none while one is under way", async () => {
    const { desk, others } = await setUp({ watches: [{ prefix: "lab/", turnsPerHour: 2 }] });
    desk.isBusy = true;
    for (const t of [2, 3]) {
      await others.set("lab/a", { t });
      await still(50);
    }
    expect(await desk.turns()).toHaveLength(0);
    desk.isBusy = false;
    expect(said(await desk.untilTold(1))).toMatchObject([{ before: { t: 1 }, after: { t: 3 } }]);
    for (const t of [4, 5, 6]) {
      await others.set("lab/a", { t });
      await still(50);
    }
    await still();
    expect(await desk.turns()).toHaveLength(2);
    expect(desk.set.numbers().held).toBe(1);
  });

  it("does not tell the agent what it has done itself, and tells it what others do beside it", async () => {
    const watches = [
      { id: "all", prefix: "lab/" },
      { id: "one", entity: "lab/a" },
    ];
    const { desk, others } = await setUp({ watches });
    const mine = { stream: "s", source: "me", timestamp: Date.now() };
    const signal = AbortSignal.timeout(10_000);
    await desk.client.publish({ ...mine, payload: { entity_id: "lab/a", properties: { t: 5, u: [1] } } }, signal);
    await desk.client.publishBatch([{ ...mine, payload: { entity_id: "lab/mine", properties: { t: 1 } } }], signal);
    await desk.client.publish(
      { ...mine, payload: { entity_id: "lab/a", properties: { v: 1 } }, remove: ["u"] },
      signal,
    );
    await desk.client.delete("lab/mine", signal);
    await still();
    expect(await desk.told()).toEqual([]);
    await others.set("lab/a", { t: 6 });
    await desk.untilTold(2);
    await still();
    const change = { entity: "lab/a", event: "changed", before: { t: 5 }, after: { t: 6 } };
    expect(said(await desk.told())).toEqual([change, change]);
  });

  it("tells what somebody else does after the agent was refused the same", async () => {
    const { desk, others } = await setUp({ watches: [{ prefix: "lab/", when: "status == taken" }] });
    await others.set("lab/a", { status: "free" });
    const event = { stream: "s", source: "me", timestamp: Date.now() };
    const mine = { ...event, payload: { entity_id: "lab/a", properties: { status: "taken" } }, expectedVersion: 0 };
    await expect(desk.client.publish(mine, AbortSignal.timeout(10_000))).rejects.toMatchObject({ code: "conflict" });
    await others.set("lab/a", { status: "taken" });
    expect(await desk.untilTold(1)).toMatchObject([{ entity: "lab/a", after: { status: "taken" } }]);
  });

  it("follows more entities than a snapshot's part holds", async () => {
    const world = Object.fromEntries(Array.from({ length: 1_050 }, (_, n) => [`lab/${n}`, { n }]));
    const dir = await tempFolder();
    const hub = await hubIn(dir);
    const others = writer(hub.url);
    const events = Object.entries(world).map(([entity_id, properties]) => ({
      stream: "s",
      source: "t",
      timestamp: 1,
      payload: { entity_id, properties },
    }));
    await others.client.publishBatch(events, AbortSignal.timeout(10_000));
    const desk = await WatchDesk.start(dir, hub.url);
    await desk.ready();
    expect(desk.set.numbers().entities).toBe(1_050);
    await others.set("lab/1049", { n: 0 });
    await others.set("lab/7", { n: 0 });
    expect((await desk.untilTold(2)).map(({ entity }) => entity)).toEqual(["lab/1049", "lab/7"]);
  });

  it("sees a private namespace with its token", async () => {
    const dir = await tempFolder();
    const hub = await hubIn(dir, { flux: { auth: true } });
    const answer = await fetch(`${hub.url}/api/namespaces`, {
      method: "POST",
      headers: { authorization: `Bearer ${hub.adminToken}`, "content-type": "application/json" },
      body: JSON.stringify({ name: "lab", private: true }),
    });
    const { token } = (await answer.json()) as { token: string };
    const others = writer(hub.url, token);
    await others.set("lab/a", { t: 1 });
    const blind = await WatchDesk.start(await tempFolder(), hub.url);
    const desk = await WatchDesk.start(dir, hub.url, { token });
    await Promise.all([desk.ready(), blind.ready()]);
    await others.set("lab/a", { t: 2 });
    await desk.untilTold(1);
    await still();
    expect(await blind.told()).toEqual([]);
    expect(blind.lines.join("\n")).toContain("a private namespace looks empty");
  });
});

describe("a start over what an earlier life has left", () => {
  it("tells what changed meanwhile, once, and nothing that was told before", async () => {
    const { dir, hub, desk, others } = await setUp({}, { "lab/a": { t: 1 }, "lab/b": { t: 1 }, "lab/c": { t: 1 } });
    await others.set("lab/a", { t: 2 });
    await desk.untilTold(1);
    await desk.stop();
    await others.set("lab/a", { t: 3 });
    await others.set("lab/a", { t: 2 });
    await others.set("lab/b", { t: 2 });
    await others.remove("lab/c");
    await others.set("lab/d", { t: 1 });
    const again = await WatchDesk.start(dir, hub.url);
    await again.ready();
    await again.untilTold(4);
    await still();
    expect(said((await again.told()).slice(1))).toEqual([
      { entity: "lab/b", event: "changed", before: { t: 1 }, after: { t: 2 } },
      { entity: "lab/d", event: "appeared", after: { t: 1 } },
      { entity: "lab/c", event: "gone", before: { t: 1 } },
    ]);
  });

  it("begins anew where the definition is another, and goes on where only its pace or its words are", async () => {
    const { dir, hub, desk, others } = await setUp({ watches: [{ prefix: "lab/" }] });
    await desk.stop();
    await others.set("lab/a", { t: 2 });
    const paced = await WatchDesk.start(dir, hub.url, {
      watches: [{ prefix: "lab/", instruction: "x", debounceMs: 1 }],
    });
    await paced.ready();
    await paced.untilTold(1);
    await paced.stop();
    await others.set("lab/a", { t: 3 });
    const other = await WatchDesk.start(dir, hub.url, { watches: [{ prefix: "lab/", property: "t" }] });
    await other.ready();
    await still();
    expect(await other.told()).toHaveLength(1);
    await others.set("lab/a", { t: 4 });
    expect(said(await other.untilTold(2))[1]).toMatchObject({ before: { t: 3 }, after: { t: 4 } });
  });

  it("keeps cooldowns and the hour's turns", async () => {
    const watches = [{ prefix: "lab/", cooldownSeconds: 3_600, turnsPerHour: 2 }];
    const { dir, hub, desk, others } = await setUp({ watches });
    await others.set("lab/a", { t: 2 });
    await desk.untilTold(1);
    await desk.stop();
    const again = await WatchDesk.start(dir, hub.url, { watches });
    await again.ready();
    await others.set("lab/a", { t: 3 });
    await others.set("lab/b", { t: 1 });
    await again.untilTold(2);
    await others.set("lab/c", { t: 1 });
    await still();
    expect((await again.told()).map(({ entity }) => entity)).toEqual(["lab/a", "lab/b"]);
    expect(again.set.numbers().held).toBe(2);
  });

  it("forgets watches that are gone from the configuration", async () => {
    const { dir, hub, desk, others } = await setUp({ watches: [{ id: "old", prefix: "lab/" }] });
    await desk.stop();
    const without = await WatchDesk.start(dir, hub.url, { watches: [] });
    await without.stop();
    await others.set("lab/a", { t: 2 });
    const again = await WatchDesk.start(dir, hub.url, { watches: [{ id: "old", prefix: "lab/" }] });
    await again.ready();
    await still();
    expect(await again.told()).toEqual([]);
  });
});

describe("watches added at run time", () => {
  it("begin with what is, survive a restart, and end when they are removed", async () => {
    const { dir, hub, desk, others } = await setUp({ watches: [{ id: "config", prefix: "other/" }] });
    const info = await desk.set.add(watchOf({ id: "mine", prefix: "lab/" }), "agent");
    expect(info).toMatchObject({ origin: "agent", definition: { id: "mine" } });
    await desk.ready();
    await others.set("lab/a", { t: 2 });
    expect(said(await desk.untilTold(1))).toMatchObject([{ before: { t: 1 }, after: { t: 2 } }]);
    await expect(desk.set.add(watchOf({ id: "mine", prefix: "x/" }), "agent")).rejects.toMatchObject({
      code: "conflict",
    });
    await expect(desk.set.add(watchOf({ id: "config", prefix: "x/" }), "topic")).rejects.toMatchObject({
      code: "conflict",
    });
    await expect(desk.set.remove("config")).rejects.toMatchObject({ code: "not_allowed" });
    expect(await desk.set.remove("nothing")).toBe(false);
    await desk.stop();
    await others.set("lab/a", { t: 3 });
    const again = await WatchDesk.start(dir, hub.url, { watches: [{ id: "config", prefix: "other/" }] });
    await again.untilTold(2);
    expect(again.set.list().map(({ definition, origin }) => [definition.id, origin])).toEqual([
      ["config", "config"],
      ["mine", "agent"],
    ]);
    expect(await again.set.remove("mine")).toBe(true);
    await others.set("lab/a", { t: 4 });
    await still();
    expect(await again.told()).toHaveLength(2);
    await again.set.add(watchOf({ id: "mine", prefix: "lab/" }), "topic");
    await again.ready();
    await others.set("lab/a", { t: 5 });
    expect(said(await again.untilTold(3))[2]).toMatchObject({ before: { t: 4 }, after: { t: 5 } });
  });

  it("share a subscription with others, and are at most twenty", async () => {
    const { desk, others } = await setUp();
    for (let n = 0; n < 20; n += 1) await desk.set.add(watchOf({ id: `w${n}`, prefix: "lab/" }), "agent");
    await expect(desk.set.add(watchOf({ id: "more", prefix: "lab/" }), "agent")).rejects.toMatchObject({
      code: "invalid",
    });
    await desk.ready();
    await others.set("lab/a", { t: 2 });
    await desk.untilTold(21);
    expect(await desk.set.remove("w3")).toBe(true);
    await others.set("lab/a", { t: 3 });
    await desk.untilTold(41);
    await still();
    expect(await desk.told()).toHaveLength(41);
  });
});

describe("a connection that breaks", () => {
  it("goes on from where it was: nothing lost, nothing twice", async () => {
    const { desk, others, proxy, close } = await setUpBehindProxy();
    for (let n = 2; n < 30; n += 1) {
      await others.set("lab/a", { t: n });
      await others.set(`lab/${n}`, { t: n });
      if (n % 4 === 0) proxy.cut(isWatch);
      if (n % 9 === 0) await until("it is back", () => desk.live);
    }
    await until("it is back", () => desk.live);
    await until("the last is told", async () => (await desk.told()).some(({ after }) => after?.["t"] === 29));
    await still();
    const told = await desk.told();
    expect(
      told
        .filter(({ event }) => event === "appeared")
        .map(({ entity }) => entity)
        .toSorted(),
    ).toEqual(Array.from({ length: 28 }, (_, n) => `lab/${n + 2}`).toSorted());
    const ofA = told.filter(({ entity }) => entity === "lab/a");
    // Each begins where the one before ended.
    expect(ofA.map(({ before }) => before?.["t"])).toEqual([1, ...ofA.slice(0, -1).map(({ after }) => after?.["t"])]);
    expect(ofA.at(-1)?.after).toEqual({ t: 29 });
    await close();
  });

  it("is noticed when it is half-open, and what was missed is told", async () => {
    const { desk, others, proxy, close } = await setUpBehindProxy({ times: { quietMs: 200, pongMs: 200 } });
    await still(500);
    expect(desk.lines.filter((line) => line.includes("interrupted"))).toEqual([]);
    expect(proxy.freeze(isWatch)).toBe(1);
    await others.set("lab/a", { t: 2 });
    await others.remove("lab/a");
    expect(said(await desk.untilTold(1))).toEqual([{ entity: "lab/a", event: "gone", before: { t: 1 } }]);
    expect(desk.lines.join("\n")).toContain("no answer within 200 ms");
    await close();
  });

  it("stays away and comes back with the hub, and says so", async () => {
    const { dir, hub, desk, others } = await setUp({}, { "lab/a": { t: 1 }, "lab/b": { t: 1 } });
    const port = Number(new URL(hub.url).port);
    await others.client.close();
    await hub.close();
    await until("it is told", () => desk.set.numbers().problem !== undefined);
    expect(desk.set.numbers().connected).toBe(false);
    const again = await hubIn(dir, { port });
    const writing = writer(again.url);
    await writing.set("lab/a", { t: 2 });
    await writing.remove("lab/b");
    await desk.untilTold(2);
    await still();
    expect(said(await desk.told())).toEqual([
      { entity: "lab/a", event: "changed", before: { t: 1 }, after: { t: 2 } },
      { entity: "lab/b", event: "gone", before: { t: 1 } },
    ]);
    await until("it is over", () => desk.set.numbers().problem === undefined);
  });

  it("goes on over a hub that is killed again and again", async () => {
    const dir = await tempFolder();
    let hub = await startTestHub(dir);
    onTestFinished(() => hub.stop());
    const others = writer(hub.url);
    await others.set("lab/a", { t: 0 });
    const desk = await WatchDesk.start(dir, hub.url);
    await desk.ready();
    for (let t = 1; t <= 6; t += 1) {
      // Acknowledged means that it is there after the kill, seen by the watch or not.
      await others.set("lab/a", { t });
      await others.set(`lab/${t}`, { t });
      if (t % 2 !== 0) continue;
      await hub.kill();
      hub = await hub.again();
    }
    await until("all is told", async () => (await desk.told()).some(({ entity }) => entity === "lab/6"));
    await until("the last is told", async () => (await desk.told()).some(({ after }) => after?.["t"] === 6));
    const told = await desk.told();
    expect(told.flatMap(({ entity, event }) => (event === "appeared" ? [entity] : []))).toEqual(
      ["1", "2", "3", "4", "5", "6"].map((n) => `lab/${n}`),
    );
    const ofA = told.filter(({ entity }) => entity === "lab/a");
    expect(ofA.map(({ before }) => before?.["t"])).toEqual([0, ...ofA.slice(0, -1).map(({ after }) => after?.["t"])]);
  });

  it("makes good from a snapshot what the hub cannot tell any more", async () => {
    const { dir, hub, desk, others } = await setUp({}, { "lab/a": { t: 1 }, "lab/b": { t: 1 } });
    const port = Number(new URL(hub.url).port);
    await others.client.close();
    await hub.close();
    // Another log: the cursor names nothing there.
    await rm(`${dir}/hub`, { recursive: true });
    const again = await hubIn(dir, { port });
    await writer(again.url).set("lab/a", { t: 7 });
    await desk.untilTold(2);
    await still();
    const told = said(await desk.told());
    expect(told).toContainEqual({ entity: "lab/b", event: "gone", before: { t: 1 } });
    expect(told.filter(({ entity }: { entity?: string }) => entity === "lab/a").at(-1)).toMatchObject({
      after: { t: 7 },
    });
  });

  it("is caught up by the hub when it was too slow for it", async () => {
    const dir = await tempFolder();
    const hub = await hubIn(dir, { flux: { maxWatcherPendingBytes: 4_096 } });
    const others = writer(hub.url);
    const desk = await WatchDesk.start(dir, hub.url, { watches: [{ prefix: "lab/", debounceMs: 300 }] });
    await desk.ready();
    const events = Array.from({ length: 3_000 }, (_, n) => ({
      stream: "s",
      source: "t",
      timestamp: 1,
      payload: { entity_id: `lab/${n % 300}`, properties: { n, text: "x".repeat(400) } },
    }));
    await others.client.publishBatch(events, AbortSignal.timeout(10_000));
    await until("all is told", () => desk.set.numbers().changes >= 300);
    await until("nothing waits", () => desk.set.numbers().held === 0 && desk.set.numbers().entities === 300);
    expect(desk.live).toBe(true);
  });
});

describe("a stock server", () => {
  const stock = (path: string) => path.replace("?mode=explicit", "");

  it("is recognised and watched by hints and REST", async () => {
    const { desk, others, close } = await setUpBehindProxy({}, stock);
    expect(desk.lines.join("\n")).toContain("(stock)");
    await others.set("lab/a", { t: 2, u: 1 });
    await desk.untilTold(1);
    await others.set("lab/b", { t: 1 });
    await desk.untilTold(2);
    await others.remove("lab/a");
    await desk.untilTold(3);
    await others.set("elsewhere/a", { t: 1 });
    await still();
    expect(said(await desk.told())).toEqual([
      { entity: "lab/a", event: "changed", before: { t: 1 }, after: { t: 2, u: 1 } },
      { entity: "lab/b", event: "appeared", after: { t: 1 } },
      { entity: "lab/a", event: "gone", before: { t: 2, u: 1 } },
    ]);
    await close();
  });

  it("is listed anew after each break, and at intervals, since it loses messages in silence", async () => {
    const { desk, others, proxy, close } = await setUpBehindProxy({ times: { stockListMs: 300 } }, stock);
    proxy.cut(isWatch);
    await others.set("lab/a", { t: 2 });
    await desk.untilTold(1);
    await until("it is back", () => desk.live);
    // Nothing comes over the socket any more; the list still does.
    expect(proxy.freeze(isWatch)).toBeGreaterThan(0);
    await others.set("lab/a", { t: 3 });
    expect(said(await desk.untilTold(2))[1]).toMatchObject({ before: { t: 2 }, after: { t: 3 } });
    await close();
  });

  it("is left and found again when it falls silent, or REST fails", async () => {
    const { desk, others, proxy, close } = await setUpBehindProxy({ times: { stockSilenceMs: 3_000 } }, stock);
    const rest = proxy.harm(({ path }) => path.startsWith("/api/state/"), { kind: "refuse" });
    await others.set("lab/a", { t: 2 });
    await until("it is told", () => desk.set.numbers().problem !== undefined);
    rest.lift();
    await desk.untilTold(1);
    await until("it is back", () => desk.live);
    proxy.freeze(isWatch);
    await others.set("lab/a", { t: 3 });
    await desk.untilTold(2);
    // Once at first, and once after each end.
    expect(desk.lines.filter((line) => line.includes("(stock)"))).toHaveLength(3);
    await close();
  });

  it("does not echo our own writes either", async () => {
    const { desk, others, close } = await setUpBehindProxy({}, stock);
    const payload = { entity_id: "lab/a", properties: { t: 9 } };
    const event = { stream: "s", source: "me", timestamp: 1, payload };
    await desk.client.publish(event, AbortSignal.timeout(10_000));
    await still();
    await others.set("lab/a", { t: 10 });
    await desk.untilTold(1);
    expect(said(await desk.told())).toEqual([
      { entity: "lab/a", event: "changed", before: { t: 9 }, after: { t: 10 } },
    ]);
    await close();
  });
});

it("stops within moments, whatever is under way", async () => {
  const { desk, others } = await setUp({ watches: [{ prefix: "lab/", debounceMs: 60_000 }] });
  await others.set("lab/a", { t: 2 });
  const begun = systemClock.monotonic();
  await desk.stop();
  expect(systemClock.monotonic() - begun).toBeLessThan(5_000);
});
