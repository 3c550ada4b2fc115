/**
 * What any Flux server does (section 8 of the wire spec), seen from outside. With FLUX_SUITE_URL it asks the server there,
 * with FLUX_SUITE_ADMIN_TOKEN as its admin token; without, two hubs of its own, one with auth and one without.
 */
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startHub } from "../../src/server.ts";
import { listOf, textOf } from "../support/hub.ts";
import type { Json } from "../support/hub.ts";
import { event, fieldIs, fluxClient, fresh, said, watch } from "./support/world.ts";
import type { FluxClient } from "./support/world.ts";

interface Target {
  readonly url: string;
  readonly adminToken: string | undefined;
}

async function ownHub(auth: boolean): Promise<Target & { readonly stop: () => Promise<void> }> {
  const dataDir = await mkdtemp(join(tmpdir(), "agentrux-hub-test-"));
  const hub = await startHub({ dataDir, port: 0, logLevel: "silent", flux: { auth } });
  const stop = async () => {
    await hub.close();
    await rm(dataDir, { recursive: true, force: true });
  };
  return { url: hub.url, adminToken: hub.adminToken, stop };
}

const given = process.env["FLUX_SUITE_URL"]?.replace(/\/+$/, "");

for (const auth of [false, true]) {
  describe(`a Flux server ${given ?? "of our own"}, auth ${auth ? "on" : "off"}`, () => {
    let target: Target;
    let anybody: FluxClient;
    let client: FluxClient;
    let namespace: string;

    beforeAll(async () => {
      const own = given === undefined ? await ownHub(auth) : undefined;
      target = own ?? { url: given ?? "", adminToken: process.env["FLUX_SUITE_ADMIN_TOKEN"] };
      anybody = fluxClient(target.url);
      namespace = fresh("ns");
      const registered = await register(namespace);
      client = fluxClient(target.url, registered.status === 200 ? textOf(registered.json["token"]) : undefined);
      return own?.stop;
    });

    const register = (name: string, token = target.adminToken) =>
      anybody.call("POST", "/api/namespaces", { body: { name }, ...(token === undefined ? {} : { token }) });
    const id = (name?: string) => `${namespace}/${fresh(name)}`;
    /** A server that was given has one of the two modes. */
    const inMode = async (wanted = auth) => {
      const isOn = (await register(fresh("x"))).status !== 404;
      return given === undefined || isOn === wanted;
    };

    describe("the envelope", () => {
      it("gets a time-ordered UUID of version 7, another for each event", async () => {
        const ids = [];
        for (let n = 0; n < 3; n += 1) ids.push(textOf((await client.publish(id(), { n })).json["eventId"]));
        for (const one of ids)
          expect(one).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        expect(ids.map((one) => one.slice(0, 13))).toEqual(ids.map((one) => one.slice(0, 13)).toSorted());
        expect(new Set(ids).size).toBe(3);
      });

      it("keeps an event id that is given, and replaces an empty one", async () => {
        const own = fresh("own");
        const answer = await client.publish(id(), { a: 1 }, { eventId: own });
        expect([answer.status, answer.json]).toEqual([200, { eventId: own, stream: "sensors" }]);
        expect(textOf((await client.publish(id(), { a: 1 }, { eventId: "" })).json["eventId"])).toHaveLength(36);
      });

      it.each([
        ["an empty stream", { stream: "" }, "stream is required"],
        ["no stream", { stream: undefined }, "missing field `stream`"],
        ["an empty source", { source: "" }, "source is required"],
        ["no source", { source: undefined }, "missing field `source`"],
        ["no timestamp", { timestamp: undefined }, "missing field `timestamp`"],
        ["timestamp 0", { timestamp: 0 }, "timestamp must be positive, got 0"],
        ["timestamp -1", { timestamp: -1 }, "timestamp must be positive, got -1"],
        ["a timestamp in text", { timestamp: "1" }, 'invalid type: string "1", expected i64'],
        ["a broken timestamp", { timestamp: 1.5 }, "invalid type: floating point `1.5`, expected i64"],
        ["a null payload", { payload: null }, "payload is required"],
        ["no payload", { payload: undefined }, "missing field `payload`"],
        ["a list for payload", { payload: [] }, "payload must be a JSON object"],
        ["text for payload", { payload: "x" }, "payload must be a JSON object"],
      ])("with %s is refused with 400", async (_name, fields, error) => {
        const answer = await client.publish(id(), { a: 1 }, fields);
        expect(answer.status).toBe(400);
        expect(answer.json["error"]).toContain(error);
      });

      it.each(["sensors", "sensors.temperature", "a.b.c.d", "data123"])("may have stream %s", async (stream) => {
        expect((await client.publish(id(), { a: 1 }, { stream })).status).toBe(200);
      });

      it.each([".x", "x.", "a..b", "Sensors", "a-b", "a_b", "a/b"])("may not have stream %s", async (stream) => {
        const answer = await client.publish(id(), { a: 1 }, { stream });
        expect([answer.status, answer.json["error"]]).toEqual([
          400,
          `invalid stream format '${stream}': must be lowercase with optional dots`,
        ]);
      });

      it.each(["", "nonsense", "{"])("that is %j and no JSON is refused with 400", async (raw) => {
        expect((await client.call("POST", "/api/events", { raw })).status).toBe(400);
      });

      it("is refused when a field stands twice", async () => {
        const raw = `{"stream":"s","stream":"t","source":"x","timestamp":1,"payload":{}}`;
        const answer = await client.call("POST", "/api/events", { raw });
        expect([answer.status, textOf(answer.json["error"])]).toEqual([
          400,
          expect.stringContaining("duplicate field `stream`"),
        ]);
      });

      it("needs no content type, and may carry fields that nobody knows", async () => {
        const entityId = id();
        const raw = JSON.stringify(event(entityId, { a: 1 }, { surprise: true }));
        expect(
          (await client.call("POST", "/api/events", { raw, headers: { "Content-Type": "text/plain" } })).status,
        ).toBe(200);
        await expect.poll(() => client.entity(entityId)).toMatchObject({ properties: { a: 1 } });
      });
    });

    describe("state", () => {
      it("merges properties one level deep; the last arrival wins, whatever its timestamp", async () => {
        const one = id();
        await client.publish(one, { a: { x: 1, y: 1 }, keep: null }, { timestamp: 2000 });
        await client.publish(one, { a: { z: 1 } }, { timestamp: 1000 });
        await client.publish(one, { b: [1, 2] });
        await expect
          .poll(async () => (await client.entity(one))?.["properties"])
          .toEqual({
            a: { z: 1 },
            b: [1, 2],
            keep: null,
          });
        expect(await client.entity(one)).toEqual({
          id: one,
          properties: { a: { z: 1 }, b: [1, 2], keep: null },
          lastUpdated: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.(\d{3}){1,3})?\+00:00$/),
        });
      });

      it("keeps the text of numbers, and sorts keys at every level", async () => {
        const one = id();
        const properties = '{"z":1.0,"big":18446744073709551615,"a":{"d":1,"c":2}}';
        const raw = `{"stream":"s","source":"x","timestamp":1,"payload":{"entity_id":"${one}","properties":${properties}}}`;
        await client.call("POST", "/api/events", { raw });
        const path = `/api/state/entities/${encodeURIComponent(one)}`;
        await expect
          .poll(async () => (await client.call("GET", path)).text)
          .toContain('"properties":{"a":{"c":2,"d":1},"big":18446744073709551615,"z":1.0}');
      });

      it("moves lastUpdated also when nothing changes", async () => {
        const one = id();
        await client.publish(one, { a: 1 });
        await expect.poll(() => client.entity(one)).toBeDefined();
        const before = (await client.entity(one))?.["lastUpdated"];
        await client.publish(one, { a: 1 });
        await expect.poll(async () => (await client.entity(one))?.["lastUpdated"]).not.toEqual(before);
      });

      it("takes ten writers to ten entities, and ten writers to ten properties of one", async () => {
        const one = id();
        const ids = Array.from({ length: 10 }, () => id("parallel"));
        await Promise.all(ids.map((each) => client.publish(each, { a: 1 })));
        await Promise.all(ids.map((_, n) => client.publish(one, { [`p${n}`]: n })));
        await expect.poll(async () => (await client.list(`?prefix=${namespace}/parallel`)).length).toBe(10);
        await expect.poll(async () => Object.keys((await client.entity(one))?.["properties"] ?? {}).length).toBe(10);
      });

      it("is 404 for what is not there", async () => {
        const answer = await client.call("GET", `/api/state/entities/${encodeURIComponent(id())}`);
        expect([answer.status, answer.json["error"]]).toEqual([404, "Entity not found"]);
      });

      it("ends with a tombstone, and begins anew after it", async () => {
        const one = id();
        await client.publish(one, { a: 1 });
        await expect.poll(() => client.entity(one)).toBeDefined();
        await client.publish(one, { __deleted__: true, b: 1 });
        await expect.poll(() => client.entity(one)).toBeUndefined();
        await client.publish(one, { c: 1 });
        await expect.poll(async () => (await client.entity(one))?.["properties"]).toEqual({ c: 1 });
      });

      it.each(["true", 1, false])("keeps __deleted__ %j as a property", async (value) => {
        const one = id();
        await client.publish(one, { __deleted__: value });
        await expect.poll(async () => (await client.entity(one))?.["properties"]).toEqual({ __deleted__: value });
      });

      it.each([[{}], ["text"], [undefined]])(
        "is not touched by properties %j, though they are accepted",
        async (properties) => {
          const one = id();
          expect((await client.publish(one, properties)).status).toBe(200);
          await client.publish(id("after"), { a: 1 });
          expect(await client.entity(one)).toBeUndefined();
        },
      );
    });

    describe("deleting", () => {
      it("answers with an event, for what is not there too", async () => {
        const one = id();
        await client.publish(one, { a: 1 });
        await expect.poll(() => client.entity(one)).toBeDefined();
        const answer = await client.remove(one);
        expect([answer.status, answer.json]).toEqual([200, { entity_id: one, eventId: expect.any(String) }]);
        await expect.poll(() => client.entity(one)).toBeUndefined();
        expect((await client.remove(one)).status).toBe(200);
      });

      it("takes a namespace, a prefix, or ids", async () => {
        const [a, b, c] = [id("del-a"), id("del-b"), id("other")];
        for (const one of [a, b, c]) await client.publish(one, { x: 1 });
        await expect.poll(async () => (await client.list(`?prefix=${namespace}/del-`)).length).toBe(2);
        const filter = (body: object) => client.call("POST", "/api/state/entities/delete", { body });
        expect((await filter({ prefix: `${namespace}/del-` })).json).toEqual({ deleted: 2, failed: 0, errors: [] });
        expect((await filter({ entity_ids: [c, `${namespace}/nothing`] })).json).toMatchObject({
          deleted: 2,
          failed: 0,
        });
        await client.publish(a, { x: 1 });
        await expect.poll(() => client.entity(a)).toBeDefined();
        expect((await filter({ namespace })).json).toMatchObject({ failed: 0, errors: [] });
        await expect.poll(() => client.list(`?namespace=${namespace}`)).toEqual([]);
        expect((await filter({})).status).toBe(422);
      });
    });

    describe("listing", () => {
      it("filters by namespace, by prefix, and by both", async () => {
        const tag = fresh("q");
        const ids = [`${namespace}/${tag}-1`, `${namespace}/${tag}-2`];
        for (const one of ids) await client.publish(one, { x: 1 });
        const found = async (query: string) =>
          (await client.list(query)).map((entity) => textOf(entity["id"])).toSorted();
        await expect.poll(() => found(`?prefix=${namespace}/${tag}`)).toEqual(ids);
        expect(await found(`?namespace=${namespace}&prefix=${namespace}/${tag}-1`)).toEqual([ids[0]]);
        expect(await found(`?namespace=${namespace}&prefix=other/`)).toEqual([]);
        expect(await found(`?namespace=${namespace.slice(0, -1)}`)).toEqual([]);
        expect(await found("")).toEqual(expect.arrayContaining(ids));
      });

      it("has bare ids in it, but in no namespace", async ({ skip }) => {
        if (!(await inMode(false)) || auth) return skip("bare ids are for servers without auth");
        const bare = fresh("bare");
        await client.publish(bare, { x: 1 });
        await expect.poll(async () => (await client.list(`?prefix=${bare}`)).length).toBe(1);
        expect(await client.list(`?namespace=${bare}`)).toEqual([]);
        await client.remove(bare);
      });
    });

    describe("a batch", () => {
      it("tells of each event, in order", async () => {
        const one = id();
        const answer = await client.batch([
          event(one, { a: 1 }),
          event(one, { b: 1 }, { stream: "No" }),
          event(one, { c: 1 }),
        ]);
        expect(answer.status).toBe(200);
        expect(answer.json).toMatchObject({ successful: 2, failed: 1 });
        const results = listOf(answer.json["results"]);
        expect(results.map((result) => result["error"])).toEqual([
          null,
          "validation failed: invalid stream format 'No': must be lowercase with optional dots",
          null,
        ]);
        expect(results.map((result) => result["stream"])).toEqual(["sensors", "No", "sensors"]);
        expect(results[1]?.["eventId"]).toBeNull();
        await expect.poll(async () => (await client.entity(one))?.["properties"]).toEqual({ a: 1, c: 1 });
      });

      it("that is empty, or has an event of the wrong form, is refused whole", async () => {
        const one = id();
        const empty = await client.batch([]);
        expect([empty.status, empty.json["error"]]).toEqual([400, "Batch request must contain at least one event"]);
        const broken = await client.batch([event(one, { a: 1 }), event(one, { a: 1 }, { timestamp: undefined })]);
        expect([broken.status, textOf(broken.json["error"])]).toEqual([
          400,
          expect.stringContaining("missing field `timestamp`"),
        ]);
        expect(await client.entity(one)).toBeUndefined();
      });
    });

    describe("history", () => {
      it("is newest first, with optional fields where they were given, and tombstones", async () => {
        const one = id();
        await client.publish(one, { n: 1 }, { key: "k", schema: "s" });
        await client.publish(one, { n: 2 });
        await client.remove(one);
        const query = `?entity=${encodeURIComponent(one)}`;
        await expect.poll(async () => (await client.history(query)).length).toBe(3);
        const [gone, second, first] = await client.history(query);
        expect(gone).toMatchObject({ payload: { entity_id: one, properties: { __deleted__: true } } });
        expect(second).toEqual({
          eventId: expect.any(String),
          stream: "sensors",
          source: "suite",
          timestamp: 1_700_000_000_000,
          payload: { entity_id: one, properties: { n: 2 } },
        });
        expect(first).toMatchObject({ key: "k", schema: "s" });
      });

      it("checks its parameters", async () => {
        const status = async (query: string) => (await client.call("GET", `/api/events${query}`)).status;
        expect(await status("")).toBe(400);
        expect(await status("?entity=x&since=2026-02-22")).toBe(400);
        expect(await status("?entity=x&since=2026-02-22T00:00:00+01:00")).toBe(400);
        expect(await status("?entity=x&since=2026-02-22T00:00:00%2B01:00")).toBe(200);
        expect(await status("?entity=x&limit=many")).toBe(400);
        expect(await status("?entity=x&limit=100000")).toBe(200);
      });
    });

    describe("the WebSocket", () => {
      const updates = (messages: readonly Json[], one: string) =>
        messages.filter((message) => fieldIs(message, "entity_id", one)).map(said);

      it("tells everything until it is asked for something, property by property in order of name", async () => {
        const one = id();
        const all = await watch(target.url);
        await client.publish(one, { b: 2, a: 1 });
        await all.until((message) => fieldIs(message, "property", "b") && fieldIs(message, "entity_id", one));
        expect(updates(all.messages, one)).toEqual([
          { type: "state_update", entity_id: one, property: "a", value: 1 },
          { type: "state_update", entity_id: one, property: "b", value: 2 },
        ]);
        expect(textOf(all.messages.find((message) => fieldIs(message, "entity_id", one))?.["timestamp"])).toMatch(/Z$/);
      });

      it("tells subscribers of theirs, and everybody of deletions", async () => {
        const [mine, other] = [id(), id()];
        const some = await watch(target.url);
        some.send({ type: "subscribe", entity_id: mine });
        // Nothing of this is answered, and nothing is broken by it.
        for (const odd of ["nonsense", { type: "subscribe", entityId: other }, { type: "dance" }]) some.send(odd);
        await client.publish(mine, { first: 1 });
        await some.until((message) => fieldIs(message, "property", "first"));
        await client.publish(other, { a: 1 });
        await client.remove(other);
        await client.publish(mine, { last: 1 });
        await some.until((message) => fieldIs(message, "property", "last"));
        await some.until(
          (message) => fieldIs(message, "type", "entity_deleted") && fieldIs(message, "entity_id", other),
        );
        expect(updates(some.messages, other)).toEqual([{ type: "entity_deleted", entity_id: other }]);
        some.send({ type: "unsubscribe", entity_id: mine });
        await expect
          .poll(async () => {
            await client.publish(other, { again: 1 });
            return some.messages.some((message) => fieldIs(message, "property", "again"));
          })
          .toBe(true);
      });

      it("sends figures", async () => {
        const figures = await watch(target.url, "?metrics=true");
        const [message] = (await figures.until((message) => fieldIs(message, "type", "metrics_update"))).filter(
          (message) => fieldIs(message, "type", "metrics_update"),
        );
        expect(message).toMatchObject({
          entities: { total: expect.any(Number) },
          events: { total: expect.any(Number), rate_per_second: expect.any(Number) },
          websocket: { connections: expect.any(Number) },
          publishers: { active: expect.any(Number) },
        });
      });
    });

    describe("configuration and connectors", () => {
      it("show themselves", async () => {
        const config = await anybody.call("GET", "/api/admin/config");
        expect(Object.keys(config.json).toSorted()).toEqual([
          "body_size_limit_batch_bytes",
          "body_size_limit_single_bytes",
          "rate_limit_enabled",
          "rate_limit_per_namespace_per_minute",
        ]);
        const connectors = await client.call("GET", "/api/connectors");
        expect(listOf(connectors.json["connectors"]).map(({ name }) => name)).toEqual(
          expect.arrayContaining(["github", "gmail", "linkedin", "calendar"]),
        );
        const github = await client.call("GET", "/api/connectors/github");
        expect(github.json).toMatchObject({ name: "github", poll_interval_seconds: 300 });
        expect((await client.call("GET", "/api/connectors/none")).status).toBe(404);
        expect((await client.call("DELETE", "/api/connectors/none/token")).status).toBe(404);
      });

      it("answer other paths with 404, and other methods with 405", async () => {
        expect((await client.call("GET", "/api/nowhere")).status).toBe(404);
        expect((await client.call("PUT", "/api/events")).status).toBe(405);
      });
    });

    describe(`namespaces with auth ${auth ? "on" : "off"}`, () => {
      it("keeps namespaces apart, or has none", async ({ skip }) => {
        if (!(await inMode())) return skip("the server has the other mode");
        if (!auth) {
          expect((await register(fresh("x"))).status).toBe(404);
          expect((await client.call("GET", "/api/namespaces/abc")).status).toBe(404);
          for (const one of [fresh(), `${fresh()}/x`, "a/b/c"])
            expect((await anybody.publish(one, { a: 1 })).status).toBe(200);
          return undefined;
        }
        const other = fresh("other");
        const token = textOf((await register(other)).json["token"]);
        const publish = async (one: unknown, headers: Record<string, string> = {}) =>
          (await anybody.publish(one, { a: 1 }, {}, { headers })).status;
        const bearer = { Authorization: `Bearer ${token}` };
        expect(await publish(`${other}/x`, bearer)).toBe(200);
        expect(await publish(`${other}/x`, { Authorization: `bearer   ${token} ` })).toBe(200);
        for (const header of ["", "Bearer", "Bearer ", "Basic abc", token]) {
          expect([header, await publish(`${other}/x`, { Authorization: header })]).toEqual([header, 401]);
        }
        expect(await publish(`${other}/x`)).toBe(401);
        expect(await publish(`${namespace}/x`, bearer)).toBe(403);
        expect(await publish(`${other}/x`, { Authorization: "Bearer wrong" })).toBe(403);
        for (const odd of ["bare", "a/b/c", "", "/e", `${other}/`, "unknown-one/x", "AB/x", undefined, 5]) {
          expect([odd, await publish(odd, bearer)]).toEqual([odd, 401]);
        }
        expect((await fluxClient(target.url, token).remove(`${namespace}/x`)).status).toBe(403);
        expect((await anybody.remove(`${namespace}/x`)).status).toBe(401);
        expect((await client.call("POST", "/api/events", { raw: "{" })).status).toBe(400);
        return undefined;
      });

      it("registers, shows and deletes namespaces", async ({ skip }) => {
        if (!auth || !(await inMode())) return skip("a matter of servers with auth");
        const name = fresh("mine");
        const made = await register(name);
        expect(made.json).toEqual({
          namespaceId: expect.stringMatching(/^ns_[0-9a-z]{8}$/),
          name,
          token: expect.any(String),
        });
        expect((await register(name)).status).toBe(409);
        expect([(await register("ab")).status, (await register("Matt@123")).status]).toEqual([400, 400]);
        expect((await register(fresh("y"), "wrong")).status).toBe(401);
        const shown = await anybody.call("GET", `/api/namespaces/${name}`);
        expect(shown.json).toMatchObject({
          name,
          namespaceId: made.json["namespaceId"],
          createdAt: expect.any(String),
        });
        expect(shown.text).not.toContain(textOf(made.json["token"]));
        const remove = (path: string, token?: string) =>
          anybody.call("DELETE", `/api/namespaces/${path}`, token === undefined ? {} : { token });
        expect((await remove(name)).status).toBe(401);
        expect((await remove(name, "wrong")).status).toBe(401);
        expect((await remove("unknown-one", target.adminToken)).status).toBe(404);
        expect((await remove(name, target.adminToken)).status).toBe(204);
        expect((await anybody.call("GET", `/api/namespaces/${name}`)).status).toBe(404);
        return undefined;
      });

      it("lets the admin alone change the configuration, one value at a time", async ({ skip }) => {
        if (target.adminToken === undefined) return skip("the admin token is not known");
        const put = (body: object, token?: string) =>
          anybody.call("PUT", "/api/admin/config", { body, ...(token === undefined ? {} : { token }) });
        const before = (await anybody.call("GET", "/api/admin/config")).json;
        onTestFinished(async () => void (await put(before, target.adminToken)));
        expect((await put({ body_size_limit_single_bytes: 1000 })).status).toBe(401);
        expect((await put({ body_size_limit_single_bytes: 1000 }, "wrong")).status).toBe(401);
        const changed = await put({ body_size_limit_single_bytes: 1000, unknown: 1 }, target.adminToken);
        expect(changed.json).toEqual({ ...before, body_size_limit_single_bytes: 1000 });
        expect((await put({ rate_limit_enabled: "no" }, target.adminToken)).status).toBe(422);
        const sized = (bytes: number) => {
          const body = JSON.stringify(event(id(), { a: "" }));
          return client.call("POST", "/api/events", {
            raw: body.replace('"a":""', `"a":"${"x".repeat(bytes - body.length)}"`),
          });
        };
        expect((await sized(1000)).status).toBe(200);
        const larger = await sized(1001);
        expect([larger.status, larger.json["error"]]).toEqual([413, "payload too large"]);
        return undefined;
      });
    });
  });
}
