/** What one watcher can make the hub hold, and how long it can make others wait. */
import { describe, expect, it } from "vitest";
import { testHub } from "../support/hub.ts";
import type { TestHub } from "../support/hub.ts";
import { fieldIs, watch } from "./support/world.ts";

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
