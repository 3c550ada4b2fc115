/** What this hub adds to the Flux API, and what it does better than the stock server. */
import { describe, expect, it } from "vitest";
import { CredentialSafe } from "../../src/world/credential-safe.ts";
import { join } from "node:path";
import { listOf, tempFolder, testHub, textOf } from "../support/hub.ts";
import { event, fluxClient } from "./support/world.ts";

describe("an event with an id", () => {
  it("is stored once however often it is sent, at once or later, alone or in a batch", async () => {
    const hub = await testHub();
    const client = fluxClient(hub.url);
    const once = event("e", { n: 1 }, { eventId: "order-1" });
    await client.publish("e", { n: 1 }, { eventId: "order-1" });
    await client.publish("e", { n: 2 });
    const again = await Promise.all([
      client.batch([once, once]),
      client.publish("e", { n: 1 }, { eventId: "order-1" }),
    ]);
    expect(again.map(({ status }) => status)).toEqual([200, 200]);
    expect(await client.entity("e")).toMatchObject({ properties: { n: 2 } });
    expect(await client.history("?entity=e")).toHaveLength(2);
    // The same id with other content is what stock servers make of it: another event.
    await client.publish("e", { n: 3 }, { eventId: "order-1" });
    expect(await client.entity("e")).toMatchObject({ properties: { n: 3 } });
  });
});

describe("an entity's id", () => {
  it.each(["a\nb", "\r\n", "lab/a#b", "lab/%2F", "lab/{a,b}", "lab/ü 🦀"])("may be %j", async (id) => {
    const hub = await testHub();
    const client = fluxClient(hub.url);
    await client.publish(id, { n: 1 });
    expect(await client.entity(id, "?meta=true")).toMatchObject({ id, properties: { n: 1 } });
    expect((await client.remove(id)).status).toBe(200);
    expect(await client.entity(id)).toBeUndefined();
  });
});

describe("a conditional write", () => {
  it("of many with the same version lets one pass, and shows the others what is there", async () => {
    const hub = await testHub();
    const client = fluxClient(hub.url);
    const first = await client.publish("e", { n: 0 });
    const tag = first.headers.get("etag") ?? "";
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => client.publish("e", { n: n + 1 }, {}, { headers: { "If-Match": tag } })),
    );
    const passed = answers.filter(({ status }) => status === 200);
    expect(passed).toHaveLength(1);
    const refused = answers.filter(({ status }) => status === 409);
    expect(refused).toHaveLength(19);
    const now = await client.entity("e", "?meta=true");
    expect(refused[0]?.json).toMatchObject({ code: "CONFLICT", version: now?.["version"], entity: now });
    expect((await client.remove("e", { headers: { "If-Match": tag } })).status).toBe(409);
    expect((await client.publish("e", { n: 1 }, { expectedVersion: 0 })).status).toBe(409);
    const batch = await client.batch([
      event("new", { n: 1 }, { expectedVersion: 0 }),
      event("new", { n: 2 }, { expectedVersion: 0 }),
    ]);
    expect(batch.json).toMatchObject({ successful: 1, failed: 1 });
    expect((await client.publish("e", { n: 1 }, {}, { headers: { "If-Match": "abc" } })).status).toBe(400);
  });
});

describe("time to live", () => {
  it("ends an entity by an event, unless it was renewed, also after a restart", async () => {
    const hub = await testHub();
    const client = fluxClient(hub.url);
    for (const id of ["short", "renewed", "kept"]) await client.publish(id, { n: 1 }, { ttlSeconds: 60 });
    hub.clock.advance(50_000);
    await client.publish("renewed", { n: 2 }, { ttlSeconds: 60 });
    await client.publish("kept", { n: 2 }, { ttlSeconds: 0 });
    await hub.close();
    const again = await testHub({ dataDir: hub.dataDir });
    again.clock.advance(65_000);
    await again.deps.world.expire();
    const after = fluxClient(again.url);
    expect((await after.list("")).map(({ id }) => id)).toEqual(["kept", "renewed"]);
    const [gone] = await after.history("?entity=short&since=2020-01-01T00:00:00Z");
    expect(gone).toMatchObject({ source: "ttl", payload: { properties: { __deleted__: true } } });
  });
});

describe("pages", () => {
  it("hold a listing in any order, each entity once", async () => {
    const hub = await testHub();
    const client = fluxClient(hub.url);
    const ids = Array.from({ length: 25 }, (_, n) => `p/${String(n * 7).padStart(3, "0")}`);
    await client.batch(ids.map((id) => event(id, { n: 1 })));
    await client.publish(ids[3], { n: 2 });
    const byChange = [...ids.filter((id) => id !== ids[3]), ids[3]];
    const orders = { id: ids, "-id": ids.toReversed(), updated: byChange, "-updated": byChange.toReversed() };
    for (const [sort, expected] of Object.entries(orders)) {
      const seen: string[] = [];
      for (let cursor: string | null = ""; cursor !== null;) {
        const from: string = cursor === "" ? "" : `&cursor=${cursor}`;
        const page = await client.call("GET", `/api/state/entities?prefix=p/&limit=10&sort=${sort}${from}`);
        seen.push(...listOf(page.json).map(({ id }) => textOf(id)));
        cursor = page.headers.get("flux-next-cursor");
      }
      expect([sort, seen]).toEqual([sort, expected]);
    }
  });

  it("hold a history, newest first, and the newest of it without a cursor", async () => {
    const hub = await testHub();
    const client = fluxClient(hub.url);
    for (let n = 0; n < 12; n += 1) {
      await client.publish("e", { n });
      await client.publish("other", { n });
    }
    const numbers: unknown[] = [];
    for (let cursor: string | null = ""; cursor !== null;) {
      const from: string = cursor === "" ? "" : `&cursor=${cursor}`;
      const page = await client.call("GET", `/api/events?entity=e&limit=5${from}`);
      numbers.push(...listOf(page.json).map(({ payload }) => payload?.["properties"]?.["n"]));
      cursor = page.headers.get("flux-next-cursor");
    }
    expect(numbers).toEqual(Array.from({ length: 12 }, (_, n) => 11 - n));
    const first = await client.call("GET", "/api/events?entity=e&limit=5");
    const cursor = first.headers.get("flux-next-cursor");
    expect(await client.history(`?entity=other&cursor=${cursor}`)).toEqual([]);
  });

  it("are not needed: a large listing comes whole", async () => {
    const hub = await testHub();
    const client = fluxClient(hub.url);
    await client.batch(Array.from({ length: 3000 }, (_, n) => event(`many/${n}`, { n, text: "x".repeat(100) })));
    expect(new Set((await client.list("?namespace=many")).map(({ id }) => id)).size).toBe(3000);
  });
});

describe("deleting", () => {
  it("of everything, or by several filters, is asked back; a dry run deletes nothing", async () => {
    const hub = await testHub({ flux: { maxBatchDelete: 2 } });
    const client = fluxClient(hub.url);
    for (const id of ["a/1", "a/2", "b/1"]) await client.publish(id, { n: 1 });
    const filter = (body: object) => client.call("POST", "/api/state/entities/delete", { body });
    expect((await filter({ prefix: "" })).status).toBe(400);
    expect((await filter({ namespace: "a", prefix: "b" })).status).toBe(400);
    expect((await filter({ prefix: "", confirm: true })).json["error"]).toContain("Batch too large");
    expect((await filter({ namespace: "a", dry_run: true })).json).toMatchObject({ deleted: 0, matched: 2 });
    expect(await client.list("")).toHaveLength(3);
  });
});

describe("limits", () => {
  it("let a body of the full size pass, alone and in a batch, and no larger one", async () => {
    const hub = await testHub();
    const client = fluxClient(hub.url);
    const sized = (text: string, bytes: number) => text.replace('"a":""', `"a":"${"x".repeat(bytes - text.length)}"`);
    const single = JSON.stringify(event("e", { a: "" }));
    const batch = JSON.stringify({ events: [event("e", { a: "" })] });
    const status = async (path: string, raw: string) => (await client.call("POST", path, { raw })).status;
    expect(await status("/api/events", sized(single, 1_048_576))).toBe(200);
    expect(await status("/api/events", sized(single, 1_048_577))).toBe(413);
    expect(await status("/api/events/batch", sized(batch, 10_485_760))).toBe(200);
    expect(await status("/api/events/batch", sized(batch, 10_485_761))).toBe(413);
  });

  it("hold a namespace's writes, deletions too, until time has passed; the switch switches, and stays", async () => {
    const hub = await testHub({ flux: { auth: true } });
    const admin = fluxClient(hub.url, hub.adminToken);
    const put = (body: object) => admin.call("PUT", "/api/admin/config", { body });
    await put({ rate_limit_per_namespace_per_minute: 2 });
    const token = async (name: string) =>
      textOf((await admin.call("POST", "/api/namespaces", { body: { name } })).json["token"]);
    const [one, two] = [fluxClient(hub.url, await token("one")), fluxClient(hub.url, await token("two"))];
    expect([(await one.publish("one/a", { n: 1 })).status, (await one.remove("one/a")).status]).toEqual([200, 200]);
    const over = await one.publish("one/a", { n: 1 });
    expect([over.status, over.json["error"], over.headers.get("retry-after")]).toEqual([
      429,
      "rate limit exceeded",
      "60",
    ]);
    expect((await two.publish("two/a", { n: 1 })).status).toBe(200);
    hub.clock.advance(30_000);
    expect((await one.publish("one/a", { n: 1 })).status).toBe(200);
    expect((await one.publish("one/a", { n: 1 })).status).toBe(429);
    await put({ rate_limit_enabled: false });
    expect((await one.publish("one/a", { n: 1 })).status).toBe(200);
    await hub.close();
    const again = await testHub({ dataDir: hub.dataDir, flux: { auth: true } });
    expect((await fluxClient(again.url).call("GET", "/api/admin/config")).json).toMatchObject({
      rate_limit_enabled: false,
      rate_limit_per_namespace_per_minute: 2,
    });
  });
});

describe("namespaces", () => {
  it("can be private, get a new token, and take their entities with them", async () => {
    const hub = await testHub({ flux: { auth: true } });
    const admin = fluxClient(hub.url, hub.adminToken);
    const made = await admin.call("POST", "/api/namespaces", { body: { name: "hidden", private: true } });
    const owner = fluxClient(hub.url, textOf(made.json["token"]));
    const stranger = fluxClient(hub.url);
    await owner.publish("hidden/e", { n: 1 });
    expect(await owner.entity("hidden/e")).toBeDefined();
    expect(await owner.list("?namespace=hidden")).toHaveLength(1);
    expect(await stranger.entity("hidden/e")).toBeUndefined();
    expect([await stranger.list(""), await stranger.history("?entity=hidden/e")]).toEqual([[], []]);
    expect((await stranger.call("GET", "/api/namespaces/hidden")).status).toBe(404);
    expect(JSON.stringify(await stranger.entity("flux-core/directory"))).not.toContain("hidden");
    expect((await owner.call("GET", "/api/namespaces/hidden")).json).toMatchObject({ entityCount: 1, private: true });
    const next = await owner.call("POST", "/api/namespaces/hidden/token");
    expect((await owner.publish("hidden/e", { n: 2 })).status).toBe(403);
    const renewed = fluxClient(hub.url, textOf(next.json["token"]));
    expect((await renewed.publish("hidden/e", { n: 2 })).status).toBe(200);
    await renewed.call("PATCH", "/api/namespaces/hidden", { body: { private: false } });
    expect(await stranger.entity("hidden/e")).toBeDefined();
    expect((await admin.call("GET", "/api/namespaces")).json).toMatchObject({ namespaces: [{ name: "hidden" }] });
    await admin.call("DELETE", "/api/namespaces/hidden");
    expect(await stranger.entity("hidden/e")).toBeUndefined();
  });
});

describe("connectors", () => {
  it("keep credentials encrypted, each for its owner, and known after a restart", async () => {
    const hub = await testHub();
    const client = fluxClient(hub.url);
    const secret = "ghp_a-token-nobody-may-read";
    await client.call("POST", "/api/connectors/github/token", { body: { token: secret } });
    const row = hub.deps.store as unknown as { database: { prepare(sql: string): { get(): { sealed: Uint8Array } } } };
    const { sealed } = row.database.prepare("SELECT sealed FROM world_credentials").get();
    expect(Buffer.from(sealed).includes(secret)).toBe(false);
    const safe = new CredentialSafe(join(hub.dataDir, "world-credentials.key"));
    expect(safe.unseal(sealed, "default", "github")).toBe(secret);
    expect(() => safe.unseal(sealed, "other", "github")).toThrow("does not open");
    const otherKey = new CredentialSafe(join(await tempFolder(), "key"));
    expect(() => otherKey.unseal(sealed, "default", "github")).toThrow("does not open");
    await hub.close();
    const again = fluxClient((await testHub({ dataDir: hub.dataDir })).url);
    expect((await again.call("GET", "/api/connectors/github")).json).toMatchObject({ status: "configured" });
    expect((await again.call("DELETE", "/api/connectors/github/token")).json).toEqual({ success: true });
    expect((await again.call("DELETE", "/api/connectors/github/token")).status).toBe(404);
  });
});

describe("web pages", () => {
  it("of other sites are turned away without auth, and let in with it", async () => {
    const page = { headers: { Origin: "https://evil.example" } };
    const own = { headers: { Origin: "http://localhost:8082" } };
    const open = fluxClient((await testHub()).url);
    expect((await open.publish("e", { n: 1 }, {}, page)).status).toBe(403);
    expect((await open.call("GET", "/api/state/entities", page)).status).toBe(403);
    expect((await open.call("GET", "/api/state/entities", own)).headers.get("access-control-allow-origin")).toBe(
      "http://localhost:8082",
    );
    const guarded = fluxClient((await testHub({ flux: { auth: true } })).url);
    const preflight = await guarded.call("OPTIONS", "/api/admin/config", page);
    expect([preflight.status, preflight.headers.get("access-control-allow-methods")]).toEqual([
      204,
      expect.stringContaining("PUT"),
    ]);
  });
});

describe("a full disk", () => {
  it("refuses events, keeps what is there readable, and goes on by itself", async () => {
    const hub = await testHub({ maxDatabasePages: 120 });
    const client = fluxClient(hub.url);
    await client.publish("e", { n: 1 });
    const filler = "x".repeat(100_000);
    let status = 200;
    for (let n = 0; n < 30 && status === 200; n += 1) status = (await client.publish("big", { filler, n })).status;
    expect(status).toBe(507);
    const before = await client.entity("big");
    expect((await client.publish("big", { filler, n: -1 })).status).toBe(507);
    expect(await client.entity("big")).toEqual(before);
    expect(await client.entity("e")).toBeDefined();
    expect(hub.deps.world.health()).toMatchObject({ isRestored: true, isWritable: false });
    expect((await client.publish("e", { n: 2 })).status).toBe(200);
    expect(hub.deps.world.health().isWritable).toBe(true);
  });

  it("is said in /readyz until there is room again, also when nobody writes", async () => {
    const hub = await testHub({ maxDatabasePages: 120, flux: { eventRetentionMs: 1000 } });
    const client = fluxClient(hub.url);
    const ready = async () => (await client.call("GET", "/readyz")).status;
    const filler = "x".repeat(100_000);
    expect(await ready()).toBe(200);
    let status = 200;
    for (let n = 0; n < 30 && status === 200; n += 1) status = (await client.publish("big", { filler, n })).status;
    expect(status).toBe(507);
    const { seq } = hub.deps.world.state;
    const answer = await client.call("GET", "/readyz");
    expect([answer.status, answer.json]).toEqual([
      503,
      { status: "not ready", reason: "the world's log cannot be written" },
    ]);
    // An event that is refused for what it says tells nothing about the disk.
    expect((await client.publish("big", { n: 1 }, { expectedVersion: 0 })).status).toBe(409);
    expect(await ready()).toBe(503);
    await hub.deps.world.snapshot(new AbortController().signal);
    hub.clock.advance(5000);
    await hub.deps.world.drop();
    expect(await ready()).toBe(200);
    expect(await hub.deps.store.world.log.bounds()).toMatchObject({ lastSeq: seq, droppedThrough: seq });
    expect((await client.publish("big", { filler, n: -1 })).status).toBe(200);
    expect(await ready()).toBe(200);
  });
});
