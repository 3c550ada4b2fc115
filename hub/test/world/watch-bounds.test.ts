/** What one watcher can make the hub hold, and how long it can make others wait. */
import { describe, expect, it } from "vitest";
import { listOf, testHub, textOf } from "../support/hub.ts";
import type { Json, TestHub } from "../support/hub.ts";
import { event, fieldIs, fluxClient, watch } from "./support/world.ts";

const EXPLICIT = "?mode=explicit";

async function openWatchers({ url }: TestHub): Promise<string | undefined> {
  const figures = await (await fetch(`${url}/metrics`)).text();
  return /agentrux_hub_world_watchers (\d+)/.exec(figures)?.[1];
}

describe("a watcher that asks on and on", () => {
  const subscription = JSON.stringify({ type: "subscribe", prefix: "p", property: "x".repeat(10_000) });

  it.each(["a message", "a ping"])("with %s, and reads no answers, is cut off", { timeout: 60_000 }, async (what) => {
    const hub = await testHub({ flux: { auth: true } });
    const { ws } = await watch(hub.url, EXPLICIT);
    ws.on("error", () => undefined);
    ws.pause();
    const data = Buffer.alloc(125);
    // More than the system itself keeps on the way.
    for (let sent = 0; sent < 40_000_000 && (await openWatchers(hub)) === "1"; sent += 1_000_000) {
      await new Promise<void>((resolve) => {
        if (what === "a ping") for (let n = 1; n < 8000; n += 1) ws.ping(data);
        else for (let n = 1; n < 100; n += 1) ws.send(subscription);
        ws.ping(data, true, () => resolve());
      });
    }
    await expect.poll(() => openWatchers(hub), { timeout: 5000 }).toBe("0");
  });

  it("for snapshots, faster than they can be sent, is cut off", async () => {
    const hub = await testHub();
    const seen = await watch(hub.url, EXPLICIT);
    for (let n = 0; n < 30_000 && seen.ws.readyState === seen.ws.OPEN; n += 1) {
      seen.send({ type: "subscribe", prefix: "p", snapshot: true });
    }
    expect(await seen.closed()).toBe(1008);
  });

  it("and reads the answers gets every one, however many it asks for at a time", async () => {
    const hub = await testHub({ flux: { maxWatcherPendingBytes: 20_000 } });
    const seen = await watch(hub.url, EXPLICIT);
    let pongs = 0;
    seen.ws.on("pong", () => {
      pongs += 1;
    });
    for (let n = 0; n < 2000; n += 1) {
      seen.send({ type: "subscribe", entity_id: `e/${n}` });
      seen.ws.ping();
    }
    await seen.until((message) => fieldIs(message["subscription"] ?? {}, "entity_id", "e/1999"));
    expect(seen.messages).toHaveLength(2000);
    await expect.poll(() => pongs).toBe(2000);
  });
});

describe("a snapshot", () => {
  it("comes in parts that no client has to refuse, however large its entities are", async () => {
    const hub = await testHub();
    const client = fluxClient(hub.url);
    const ids = Array.from({ length: 12 }, (_, n) => `big/${String(n).padStart(2, "0")}`);
    for (const id of ids) await client.publish(id, { text: "x".repeat(350_000) });
    const seen = await watch(hub.url, EXPLICIT);
    seen.send({ type: "subscribe", prefix: "big/", snapshot: true });
    await seen.until((message) => fieldIs(message, "type", "snapshot") && fieldIs(message, "more", false));
    const parts = seen.messages.filter((message) => fieldIs(message, "type", "snapshot"));
    expect(Math.max(...parts.map((part) => JSON.stringify(part).length))).toBeLessThan(1_500_000);
    expect(parts.flatMap((part) => listOf(part["entities"]).map((entity) => entity["id"]))).toEqual(ids);
  });
});

describe("a watcher's subscriptions", () => {
  const subscribe = (n: number, length: number) => ({ type: "subscribe", prefix: String(n).padStart(length, "x") });

  it("may be as long as an id that can be read, and no longer", async () => {
    const hub = await testHub();
    const seen = await watch(hub.url, EXPLICIT);
    for (const name of ["entity_id", "prefix", "namespace"]) {
      seen.send({ type: "subscribe", [name]: "x".repeat(16_384) });
      seen.send({ type: "subscribe", [name]: "x".repeat(16_385) });
    }
    seen.send({ type: "subscribe", entity_id: "e", property: "x".repeat(16_385) });
    seen.send({ type: "ping" });
    const types = (await seen.until((message) => fieldIs(message, "type", "pong"))).map(({ type }) => type);
    expect(types).toEqual(["subscribed", "error", "subscribed", "error", "subscribed", "error", "error", "pong"]);
  });

  it.each([
    ["many", 10_000, 10],
    ["long", 63, 16_384],
  ])("may not be too %s together", async (_what, most, length) => {
    const hub = await testHub();
    const seen = await watch(hub.url, EXPLICIT);
    for (let n = 0; n < most; n += 1) seen.send(subscribe(n, length));
    // What is there already takes no more room, and what is taken back makes some.
    seen.send(subscribe(0, length));
    seen.send({ ...subscribe(1, length), type: "unsubscribe" });
    seen.send(subscribe(most, length));
    await expect.poll(() => seen.messages.length, { timeout: 10_000 }).toBe(most + 3);
    seen.send(subscribe(1, length));
    expect(await seen.closed()).toBe(1008);
  });
});

describe("catching up", () => {
  const ENTITIES = 6000;
  const ids = Array.from({ length: ENTITIES }, (_, n) => `e/${n}`);

  /** Counts how many entities are judged in one turn of the event loop; the largest number so far. */
  function judgedAtATime({ deps }: TestHub): () => number {
    const { access } = deps.world;
    const mayRead = access.mayRead.bind(access);
    let [now, most] = [0, 0];
    Object.defineProperty(access, "mayRead", {
      value: (...args: Parameters<typeof mayRead>) => {
        if (now === 0) setImmediate(() => (now = 0));
        now += 1;
        most = Math.max(most, now);
        return mayRead(...args);
      },
    });
    return () => most;
  }

  it("lets others have their turn, however much has changed and however little of it is wanted", async () => {
    const hub = await testHub();
    const seen = await watch(hub.url, EXPLICIT);
    seen.send({ type: "ping" });
    const [{ cursor } = {}] = await seen.until((message) => fieldIs(message, "type", "pong"));
    const client = fluxClient(hub.url);
    await client.batch(ids.map((id) => event(id, { n: 1 })));
    await client.batch(ids.slice(0, 2000).map((id) => event(id, { __deleted__: true })));
    const judged = judgedAtATime(hub);
    for (let n = 0; n < 3; n += 1) {
      seen.send({ type: "subscribe", entity_id: "e/nothing", cursor });
      await seen.until((message) => fieldIs(message, "type", "synced"));
    }
    expect(judged()).toBeGreaterThan(0);
    expect(judged()).toBeLessThanOrEqual(1000);
  });

  it("loses nothing and overtakes nothing while the world goes on", { timeout: 60_000 }, async () => {
    const hub = await testHub();
    const client = fluxClient(hub.url);
    await client.batch(ids.map((id) => event(id, { n: 0 })));
    const seen = await watch(hub.url, EXPLICIT);
    seen.send({ type: "ping" });
    const [{ cursor } = {}] = await seen.until((message) => fieldIs(message, "type", "pong"));
    await client.batch(ids.map((id, n) => event(id, n % 3 === 0 ? { __deleted__: true } : { n: 1 })));
    seen.send({ type: "subscribe", prefix: "e/", cursor });
    seen.send({ type: "subscribe", prefix: "e/", property: "n", snapshot: true });
    for (let n = 2; n < 40; n += 1) {
      const some = ids.filter((_, index) => index % 40 === n);
      await client.batch(some.map((id) => event(id, n % 5 === 0 ? { __deleted__: true } : { n })));
    }
    await client.publish("e/last", { n: -1 });
    const isLast = (message: Json) =>
      fieldIs(message, "entity_id", "e/last") || fieldIs(message["entity"] ?? {}, "id", "e/last");
    await seen.until(isLast);
    await seen.until((message) => fieldIs(message, "type", "synced"));
    const state = new Map<string, unknown>();
    let at = 0;
    let isBehind = false;
    for (const message of seen.messages.slice(1)) {
      const type = textOf(message["type"]);
      const position = Number(textOf(message["cursor"]).split("-")[1]);
      if (type === "resync") isBehind = true;
      else if (type !== "subscribed") {
        expect(position).toBeGreaterThanOrEqual(at);
        at = position;
      }
      if (type === "synced") isBehind = false;
      if (type === "entity_update") expect(isBehind).toBe(false);
      if (type === "entity_deleted") state.delete(textOf(message["entity_id"]));
      const whole =
        type === "entity_state" ? [message["entity"]] : type === "snapshot" ? listOf(message["entities"]) : [];
      for (const entity of whole) state.set(textOf(entity?.["id"]), entity?.["properties"]?.["n"]);
      if (type === "entity_update") state.set(textOf(message["entity_id"]), message["changes"]?.["n"]);
    }
    const listed = await client.list("?prefix=e/");
    expect(new Map(listed.map((entity) => [textOf(entity["id"]), entity["properties"]?.["n"]]))).toEqual(state);
  });

  it("tells a stock client of what was deleted and made anew, also when there is much to tell", async () => {
    const hub = await testHub({ flux: { maxWatcherPendingBytes: 20_000 } });
    const client = fluxClient(hub.url);
    const seen = await watch(hub.url);
    await client.publish("e/anew", { old: 1 });
    await seen.until((message) => fieldIs(message, "entity_id", "e/anew"));
    seen.ws.pause();
    const filler = "x".repeat(30_000);
    for (let n = 0; n < 400; n += 1) await client.publish("e/filler", { filler, n });
    await client.remove("e/anew");
    await client.publish("e/anew", { young: 1 });
    await client.batch(ids.map((id) => event(id, { n: 1 })));
    await client.publish("e/anew", { younger: 1 });
    seen.ws.resume();
    const messages = await seen.until((message) => fieldIs(message, "property", "younger"));
    const told = messages.filter((message) => fieldIs(message, "entity_id", "e/anew"));
    expect(told.map((message) => textOf(message["property"] ?? message["type"]))).toEqual([
      "old",
      "entity_deleted",
      "young",
      "younger",
    ]);
  });
});
