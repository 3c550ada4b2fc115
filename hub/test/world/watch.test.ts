/** Watching in mode `explicit`, coming back with a cursor, and watchers that are slow, broken or hostile. */
import { connect } from "node:net";
import { once } from "node:events";
import { describe, expect, it, onTestFinished } from "vitest";
import { call, listOf, logLines, testHub, textOf } from "../support/hub.ts";
import type { Json } from "../support/hub.ts";
import { event, fieldIs, fluxClient, said, upgradeStatus, watch } from "./support/world.ts";

const EXPLICIT = "?mode=explicit";
const ofType = (messages: readonly Json[], ...types: string[]) =>
  messages.filter((message) => types.includes(textOf(message["type"])));
const changed = (n: number) => (message: Json) => fieldIs(message["changes"] ?? {}, "n", n);

describe("mode explicit", () => {
  it("sends nothing that was not asked for, and answers mistakes", async () => {
    const hub = await testHub();
    const client = fluxClient(hub.url);
    const seen = await watch(hub.url, EXPLICIT);
    await client.publish("a/1", { n: 1 });
    await client.remove("a/1");
    for (const odd of [
      "nonsense",
      { type: "dance" },
      { type: "subscribe" },
      { type: "subscribe", prefix: "a", entity_id: "b" },
    ]) {
      seen.send(odd);
    }
    seen.ws.send(Buffer.from("{}"), { binary: true });
    seen.send({ type: "ping" });
    await seen.until((message) => fieldIs(message, "type", "pong"));
    expect(seen.messages.map(({ type }) => type)).toEqual(["error", "error", "error", "error", "error", "pong"]);
  });

  it("sends what is there, then each event whole, of the entities and properties asked for", async () => {
    const hub = await testHub();
    const client = fluxClient(hub.url);
    await client.publish("lab/1", { n: 0, t: 1 });
    await client.publish("lab2/1", { n: 0 });
    const all = await watch(hub.url, EXPLICIT);
    all.send({ type: "subscribe", namespace: "lab", snapshot: true });
    await all.until((message) => fieldIs(message, "type", "snapshot"));
    const some = await watch(hub.url, EXPLICIT);
    some.send({ type: "subscribe", prefix: "lab/", property: "t" });
    await some.until((message) => fieldIs(message, "type", "subscribed"));
    await client.publish("lab2/1", { n: 1 });
    await client.publish("lab/1", { n: 1 });
    await client.publish("lab/1", { n: 2, t: 2 }, { remove: ["old"] });
    await client.remove("lab/1");
    const over = (message: Json) => fieldIs(message, "type", "entity_deleted");
    const [, snapshot, ...events] = await all.until(over);
    expect(listOf(snapshot?.["entities"])).toMatchObject([{ id: "lab/1", properties: { n: 0, t: 1 }, version: 1 }]);
    const update = { type: "entity_update", entity_id: "lab/1", stream: "sensors", source: "suite" };
    expect(events.map(said)).toEqual([
      { ...update, changes: { n: 1 }, removed: [] },
      { ...update, changes: { n: 2, t: 2 }, removed: ["old"] },
      { type: "entity_deleted", entity_id: "lab/1" },
    ]);
    expect((await some.until(over)).slice(1).map(said)).toEqual([
      { ...update, changes: { t: 2 }, removed: [] },
      { type: "entity_deleted", entity_id: "lab/1" },
    ]);
    all.send({ type: "unsubscribe", prefix: "lab/" });
    await all.until((message) => fieldIs(message, "type", "unsubscribed"));
    await client.publish("lab/1", { n: 3 });
    all.send({ type: "ping" });
    await all.until((message) => fieldIs(message, "type", "pong"));
    expect(all.messages.some(changed(3))).toBe(false);
  });

  it("goes on from a cursor: the state of each entity that changed, deletions too, each once", async () => {
    const hub = await testHub();
    const client = fluxClient(hub.url);
    for (const id of ["a/kept", "a/changed", "a/deleted"]) await client.publish(id, { n: 1 });
    const first = await watch(hub.url, EXPLICIT);
    first.send({ type: "subscribe", entity_id: "*" });
    const [{ cursor } = {}] = await first.until((message) => fieldIs(message, "type", "subscribed"));
    first.ws.close();
    await first.closed();
    for (const n of [2, 3]) await client.publish("a/changed", { n });
    await client.remove("a/deleted");
    await client.publish("b/other", { n: 1 });
    const second = await watch(hub.url, EXPLICIT);
    second.send({ type: "subscribe", prefix: "a/", cursor });
    await second.until((message) => fieldIs(message, "type", "synced"));
    await client.publish("a/changed", { n: 4 });
    const messages = await second.until(changed(4));
    expect(messages.map(({ type }) => type)).toEqual([
      "subscribed",
      "resync",
      "entity_state",
      "entity_deleted",
      "synced",
      "entity_update",
    ]);
    expect(messages[2]?.["entity"]).toMatchObject({ id: "a/changed", properties: { n: 3 } });
    for (const wrong of ["other-1", `${textOf(cursor).split("-")[0]}-99999`, "x"]) {
      const stranger = await watch(hub.url, EXPLICIT);
      stranger.send({ type: "subscribe", prefix: "a/", cursor: wrong });
      const got = await stranger.until((message) => fieldIs(message, "type", "snapshot"));
      expect(ofType(got, "resync")).toMatchObject([{ reason: "cursor_expired" }]);
    }
  });

  it("sends a large snapshot in parts, and no event is lost beside it", { timeout: 30_000 }, async () => {
    const hub = await testHub();
    const client = fluxClient(hub.url);
    await client.batch(Array.from({ length: 5000 }, (_, n) => event(`e/${n}`, { n: 0 })));
    const seen = await watch(hub.url, EXPLICIT);
    seen.send({ type: "subscribe", prefix: "e/", snapshot: true });
    for (let n = 1; n <= 20; n += 1) await client.publish(`e/${n * 17}`, { n });
    await seen.until(changed(20));
    await seen.until((message) => fieldIs(message, "type", "snapshot") && fieldIs(message, "more", false));
    const state = new Map<string, unknown>();
    for (const message of seen.messages) {
      for (const entity of ofType([message], "snapshot").flatMap((one) => listOf(one["entities"]))) {
        state.set(textOf(entity["id"]), entity["properties"]?.["n"]);
      }
      if (fieldIs(message, "type", "entity_update")) state.set(textOf(message["entity_id"]), message["changes"]?.["n"]);
    }
    expect(state.size).toBe(5000);
    for (let n = 1; n <= 20; n += 1) expect(state.get(`e/${n * 17}`)).toBe(n);
  });
});

describe("a slow watcher", () => {
  it.each(["", EXPLICIT])(
    "ends with the state that is, and others wait for nothing (mode %j)",
    { timeout: 60_000 },
    async (mode) => {
      const hub = await testHub({ flux: { maxWatcherPendingBytes: 20_000 } });
      const client = fluxClient(hub.url);
      const slow = await watch(hub.url, mode);
      const quick = await watch(hub.url, mode);
      for (const one of [slow, quick]) one.send({ type: "subscribe", entity_id: "*" });
      await client.publish("e/gone", { n: 0 });
      await quick.until((message) => fieldIs(message, "entity_id", "e/gone"));
      slow.ws.pause();
      const filler = "x".repeat(30_000);
      for (let n = 1; n <= 600; n += 1) await client.publish(`e/${n % 40}`, { n, filler });
      await client.remove("e/gone");
      await client.publish("e/gone", { m: 1 });
      await client.publish("last", { n: -1 });
      await quick.until((message) => fieldIs(message, "entity_id", "last"));
      slow.ws.resume();
      const state = new Map<string, Record<string, unknown>>();
      const isOver = (message: Json) =>
        fieldIs(message, "entity_id", "last") || fieldIs(message["entity"] ?? {}, "id", "last");
      for (const message of await slow.until(isOver)) apply(state, message);
      const listed = await client.list("?prefix=e/");
      expect(listed).toHaveLength(41);
      for (const entity of listed) expect(state.get(textOf(entity["id"]))).toEqual(entity["properties"]);
      const told = ofType(slow.messages, "entity_update", "entity_state", "state_update").length;
      const others = ofType(quick.messages, "entity_update", "entity_state", "state_update").length;
      expect(told).toBeLessThan(others);
      expect(ofType(slow.messages, "resync").length > 0).toBe(mode === EXPLICIT);
    },
  );

  function apply(state: Map<string, Record<string, unknown>>, message: Json): void {
    const entity = message["entity"];
    const id = textOf(entity?.["id"] ?? message["entity_id"] ?? "");
    const type = textOf(message["type"]);
    const before = state.get(id) ?? {};
    if (type === "entity_deleted") state.delete(id);
    else if (type === "entity_state") state.set(id, { ...entity?.["properties"] });
    else if (type === "entity_update") state.set(id, { ...before, ...message["changes"] });
    else if (type === "state_update") state.set(id, { ...before, [textOf(message["property"])]: message["value"] });
  }
});

describe("broken and hostile watchers", () => {
  it("that do not answer pings are gone, and those that do stay", { timeout: 30_000 }, async () => {
    const hub = await testHub({ flux: { watcherTimeoutMs: 4000 } });
    const quiet = await watch(hub.url);
    const dead = await watch(hub.url);
    dead.ws.pause();
    const count = async () =>
      /agentrux_hub_world_watchers (\d+)/.exec((await call(hub.url, "GET", "/metrics")).text)?.[1];
    expect(await count()).toBe("2");
    await expect.poll(count, { timeout: 15_000, interval: 200 }).toBe("1");
    expect(quiet.ws.readyState).toBe(quiet.ws.OPEN);
  });

  it("that send too much, or no WebSocket at all, disturb nobody", async () => {
    const hub = await testHub();
    const client = fluxClient(hub.url);
    const large = await watch(hub.url);
    large.send("x".repeat(70_000));
    expect(await large.closed()).toBe(1009);
    const { port } = new URL(hub.url);
    const raw = connect(Number(port), "127.0.0.1");
    onTestFinished(() => void raw.destroy());
    raw.write(
      "GET /api/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    await once(raw, "data");
    raw.write(Buffer.from([0xff, 0xff, 0x00, 0x12]));
    await once(raw, "close");
    expect((await client.publish("a", { n: 1 })).status).toBe(200);
  });

  it("are let in at that address only, and not from the page of another site", async () => {
    const hub = await testHub({ flux: { maxWatchers: 1 } });
    const status = (path: string, headers: object) => upgradeStatus(hub.url, path, headers);
    expect(await status("/api/other", {})).toBe("404");
    expect(await status("/api/ws", { Origin: "https://evil.example" })).toBe("403");
    expect(await status("/api/ws", { Host: "evil.example" })).toBe("403");
    expect(await status("/api/ws", { Origin: "http://localhost:8082" })).toBe("101");
    expect(await status("/api/ws", {})).toBe("503");
  });

  it("that ask for what is no address are refused, and the hub goes on", async () => {
    const hub = await testHub();
    for (const target of ["//", "http://[", "http://x:99999/"]) {
      expect({ target, status: await upgradeStatus(hub.url, target) }).toEqual({ target, status: "400" });
    }
    expect(await upgradeStatus(hub.url, "/api/ws")).toBe("101");
  });

  it("that meet a fault inside the hub lose their connection, and nobody else does", async () => {
    const { log, lines } = logLines();
    const hub = await testHub({ log });
    await fluxClient(hub.url).publish("e", { n: 1 });
    const seen = await watch(hub.url, EXPLICIT);
    const breakOff = () => {
      throw new Error("broken in an unforeseen way");
    };
    Object.defineProperty(hub.deps.world.state, "seq", { get: breakOff, configurable: true });
    seen.send({ type: "ping" });
    expect(await seen.closed()).toBe(1006);
    Reflect.deleteProperty(hub.deps.world.state, "seq");
    Object.defineProperty(hub.deps.world, "health", { value: breakOff, configurable: true });
    expect(await upgradeStatus(hub.url, "/api/ws")).toBeUndefined();
    await expect(call(hub.url, "GET", "/api/state/entities/e")).rejects.toBeInstanceOf(TypeError);
    Reflect.deleteProperty(hub.deps.world, "health");
    expect(lines.filter((line) => line.includes("broken in an unforeseen way"))).toHaveLength(3);
    expect(await upgradeStatus(hub.url, "/api/ws")).toBe("101");
  });

  it("of private namespaces see them with their token only, and lose sight of them with it", async () => {
    const hub = await testHub({ flux: { auth: true } });
    const admin = fluxClient(hub.url, hub.adminToken);
    const made = await admin.call("POST", "/api/namespaces", { body: { name: "secret", private: true } });
    const token = textOf(made.json["token"]);
    const owner = fluxClient(hub.url, token);
    const bearer = { Authorization: `Bearer ${token}` };
    const [inside, outside] = [await watch(hub.url, "", bearer), await watch(hub.url)];
    await owner.publish("secret/a", { n: 1 });
    await inside.until((message) => fieldIs(message, "property", "n"));
    await owner.call("POST", "/api/namespaces/secret/token");
    expect(await inside.closed()).toBe(1008);
    await admin.publish("secret/a", { n: 2 });
    await admin.remove("secret/a");
    outside.ws.close();
    await outside.closed();
    expect(outside.messages).toEqual([]);
  });
});
