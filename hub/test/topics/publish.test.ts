import { request } from "node:http";
import { describe, expect, it } from "vitest";
import * as admin from "../../src/admin/operations.ts";
import { activate, call, listOf, testBench, textOf } from "../support/hub.ts";
import type { Answer, Bench } from "../support/hub.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const KEY = { "Idempotency-Key": "idk_1" };

const itemsA = async (bench: Bench) => listOf((await bench.getA("?after_sequence_no=0&limit=200")).json["items"]);
const eventsB = async (bench: Bench) => listOf((await bench.getB("?limit=1000")).json["events"]);
const codeOf = (answer: Answer) => answer.json["error"]?.["code"] ?? answer.json["detail"]?.["error"];

describe("publishing in generation A", () => {
  it("answers 201 with a UUID and serves the documented envelope", async () => {
    const bench = await testBench();
    const body = {
      type: "openclaw.request",
      payload: { message: "hi" },
      correlation_id: "c-1",
      reply_topic: bench.topicId,
    };
    const answer = await bench.postA("", { body });
    expect(answer.status).toBe(201);
    expect(answer.json["event_id"]).toMatch(UUID);
    const [event] = await itemsA(bench);
    expect(event).toEqual({
      event_id: answer.json["event_id"],
      sequence_no: 1,
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/),
      type: "openclaw.request",
      payload_mode: "inline",
      payload: { message: "hi" },
      payload_ref: null,
      producer_script: bench.scriptId,
      correlation_id: "c-1",
      reply_topic: bench.topicId,
    });
  });

  it("is read in generation B with prefixed ids, correlation in the metadata, and a cursor", async () => {
    const bench = await testBench();
    await bench.postA("", { body: { type: "t", payload: 1, correlation_id: "c", reply_topic: bench.topicId } });
    const [event] = await eventsB(bench);
    expect(event).toEqual({
      event_id: expect.stringMatching(/^evt_/),
      topic_id: `top_${bench.topicId}`,
      event_type: "t",
      stored_at: expect.any(String),
      payload: 1,
      metadata: { correlation_id: "c", reply_topic: `top_${bench.topicId}` },
      cursor: expect.any(String),
      sequence_number: 1,
      producer_script: bench.scriptId,
    });
  });

  it("reads the body as JSON whatever its Content-Type says", async () => {
    const bench = await testBench();
    for (const type of ["application/x-www-form-urlencoded", "text/plain", "application/json; charset=utf-8"]) {
      const answer = await bench.postA("", { raw: '{"type":"curl"}', headers: { "Content-Type": type } });
      expect(answer.status).toBe(201);
    }
  });

  it("takes chunked bodies without Content-Length, without User-Agent, on doubled slashes", async () => {
    const bench = await testBench();
    const { port } = new URL(bench.hub.url);
    const status = await new Promise((resolve, reject) => {
      const outgoing = request(
        {
          port,
          host: "127.0.0.1",
          path: `/${bench.eventsA}`,
          method: "POST",
          headers: { Authorization: `Bearer ${bench.tokenA}` },
        },
        (response) => resolve(response.resume().statusCode),
      );
      outgoing.once("error", reject);
      outgoing.write('{"type":');
      setTimeout(() => outgoing.end('"chunked"}'), 5);
    });
    expect(status).toBe(201);
    expect((await itemsA(bench)).map((event) => event["type"])).toEqual(["chunked"]);
  });

  it("keeps payloads byte for byte", async () => {
    const bench = await testBench();
    const payload = String.raw`{ "big": 12345678901234567890, "esc": "\ud800 \u0000 é 😀", "n": 1.0,  "a": [1 ,2] }`;
    const nested = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;
    expect((await bench.postA("", { raw: `{"payload":${payload} , "type":"raw"}` })).status).toBe(201);
    expect((await bench.postA("", { raw: `{"type":"deep","payload":${nested}}` })).status).toBe(201);
    const { text } = await bench.getA("?after_sequence_no=0");
    expect(text).toContain(`"payload":${payload},`);
    expect(text).toContain(`"payload":${nested},`);
    expect((await bench.getB("")).text).toContain(`"payload":${payload},`);
  });

  it("ignores unknown members and takes the last of a member named twice", async () => {
    const bench = await testBench();
    await bench.postA("", { raw: '{"type":"a","extra":{"payload":9},"payload":1,"type":"b","payload":{"payload":2}}' });
    expect(await itemsA(bench)).toMatchObject([{ type: "b", payload: { payload: 2 } }]);
  });

  it.each([
    ["malformed JSON", '{"type":', 400],
    ["an empty body", "", 400],
    ["a list", "[]", 422],
    ["no type", '{"payload":{}}', 422],
    ["an empty type", '{"type":""}', 422],
    ["a type with a line break", '{"type":"a\\nb"}', 422],
    ["a type that is no text", '{"type":1}', 422],
    ["invalid UTF-8", Buffer.from([0x7b, 0xff, 0x7d]), 400],
  ])("refuses %s and says what is wrong", async (_what, raw, status) => {
    const bench = await testBench();
    const answer = await bench.postA("", { raw: typeof raw === "string" ? raw : new Uint8Array(raw) });
    expect([answer.status, codeOf(answer)]).toEqual([status, "INVALID"]);
    expect(textOf(answer.json["error"]?.["message"]).length).toBeGreaterThan(5);
    expect(await itemsA(bench)).toEqual([]);
  });

  it("refuses a body over the limit while it streams, with 413", async () => {
    const bench = await testBench({ limits: { maxBodyBytes: 1000 } });
    const announced = await bench.postA("", { raw: `{"type":"${"x".repeat(1100)}"}` });
    expect([announced.status, codeOf(announced)]).toEqual([413, "PAYLOAD_TOO_LARGE"]);
    const { port } = new URL(bench.hub.url);
    const status = await new Promise((resolve, reject) => {
      const outgoing = request(
        {
          port,
          host: "127.0.0.1",
          path: bench.eventsA,
          method: "POST",
          headers: { Authorization: `Bearer ${bench.tokenA}` },
        },
        (response) => resolve(response.resume().statusCode),
      );
      // The hub may close while we still write; what counts is its answer.
      outgoing.once("error", reject);
      outgoing.write("x".repeat(800));
      outgoing.write("x".repeat(800));
    });
    expect(status).toBe(413);
    expect((await bench.publishA("small")).status).toBe(201);
  });

  it("refuses inline payloads over ten megabytes only", async () => {
    const bench = await testBench();
    const payload = "x".repeat(10 * 1024 * 1024 - 2);
    expect((await bench.publishA("t", payload)).status).toBe(201);
    const answer = await bench.publishA("t", `${payload}x`);
    expect([answer.status, codeOf(answer)]).toEqual([413, "PAYLOAD_TOO_LARGE"]);
  });

  it("refuses a reference to an object that is not there", async () => {
    const bench = await testBench();
    const answer = await bench.postA("", { body: { type: "t", payload_ref: "11111111-1111-4111-8111-111111111111" } });
    expect([answer.status, codeOf(answer)]).toEqual([404, "NOT_FOUND"]);
  });
});

describe("publishing in generation B", () => {
  it("answers with a prefixed id and serves what was published, any JSON, metadata as given", async () => {
    const bench = await testBench();
    const metadata = { correlation_id: "c", reply_topic: `top_${bench.topicId}`, group_id: 7 };
    const answer = await bench.postB("", { body: { event_type: "composer.text", payload: ["any"], metadata } });
    expect(answer.status).toBe(201);
    expect(answer.json).toMatchObject({ event_id: expect.stringMatching(/^evt_/), sequence_number: 1 });
    expect(await eventsB(bench)).toMatchObject([{ event_type: "composer.text", payload: ["any"], metadata }]);
    expect(await itemsA(bench)).toMatchObject([
      { type: "composer.text", payload: ["any"], correlation_id: "c", reply_topic: bench.topicId },
    ]);
  });

  it("refuses a payload together with an object", async () => {
    const bench = await testBench();
    const body = { event_type: "t", payload: {}, payload_object_id: "pob_11111111-1111-4111-8111-111111111111" };
    const answer = await bench.postB("", { body });
    expect([answer.status, codeOf(answer)]).toEqual([422, "INVALID"]);
  });

  it("refuses inline payloads over 256 KiB with 413 in its own shape", async () => {
    const bench = await testBench();
    const fits = "x".repeat(256 * 1024 - 2);
    expect((await bench.postB("", { body: { event_type: "t", payload: fits } })).status).toBe(201);
    const answer = await bench.postB("", { body: { event_type: "t", payload: `${fits}x` } });
    expect(answer.status).toBe(413);
    expect(answer.json["detail"]).toMatchObject({ error: "PAYLOAD_TOO_LARGE", details: { limit_bytes: 262_144 } });
  });

  it("counts the metadata in, with an object and in a batch too", async () => {
    const bench = await testBench();
    const payload = "x".repeat(200 * 1024);
    const metadata = (length: number) => ({ note: "é".repeat(length / 2) });
    const objectId = "pob_11111111-1111-4111-8111-111111111111";
    const fits = { event_type: "t", payload, metadata: metadata(55 * 1024) };
    expect((await bench.postB("", { body: fits })).status).toBe(201);
    const tooMuch = [
      { event_type: "t", payload, metadata: metadata(57 * 1024) },
      { event_type: "t", payload_object_id: objectId, metadata: metadata(256 * 1024) },
    ];
    for (const body of tooMuch) {
      for (const answer of [
        await bench.postB("", { body }),
        await bench.postB("/batch", { body: { events: [body] } }),
      ]) {
        expect([answer.status, codeOf(answer)]).toEqual([413, "PAYLOAD_TOO_LARGE"]);
      }
    }
    expect(await eventsB(bench)).toHaveLength(1);
  });

  it("answers malformed bodies in its own shape", async () => {
    const bench = await testBench();
    const answer = await bench.postB("", { raw: "{" });
    expect(answer.status).toBe(400);
    expect(answer.json["detail"]).toMatchObject({ error: "INVALID", message: expect.stringMatching(/JSON/) });
  });
});

describe.each(["A", "B"] as const)("Idempotency-Key in generation %s", (generation) => {
  const post = (bench: Bench, value: unknown, headers: Record<string, string> = KEY) =>
    generation === "A"
      ? bench.postA("", { body: { type: "t", payload: value }, headers })
      : bench.postB("", { body: { event_type: "t", payload: value }, headers });

  it("replays the first answer and stores one event", async () => {
    const bench = await testBench();
    const first = await post(bench, 1);
    const second = await post(bench, 1);
    expect(first.headers.get("idempotent-replayed")).toBeNull();
    expect(second.headers.get("idempotent-replayed")).toBe("true");
    expect([second.status, second.text]).toEqual([first.status, first.text]);
    expect(await itemsA(bench)).toHaveLength(1);
  });

  it("stores one event when thirty publish it at once", async () => {
    const bench = await testBench();
    const answers = await Promise.all(Array.from({ length: 30 }, () => post(bench, 1)));
    expect(new Set(answers.map((answer) => textOf(answer.json["event_id"]))).size).toBe(1);
    expect(answers.filter((answer) => answer.headers.get("idempotent-replayed") === null)).toHaveLength(1);
    expect(await itemsA(bench)).toHaveLength(1);
  });

  it("answers another request under the same key with 409 IDEMPOTENCY_CONFLICT", async () => {
    const bench = await testBench();
    await post(bench, 1);
    const answer = await post(bench, 2);
    expect([answer.status, codeOf(answer)]).toEqual([409, "IDEMPOTENCY_CONFLICT"]);
    expect(await itemsA(bench)).toHaveLength(1);
  });

  it("is scoped to topic and producer", async () => {
    const bench = await testBench();
    const other = await activate(bench.hub, { write: [bench.topicId] }, "other");
    const topic = await admin.createTopic(bench.hub.deps, { name: "second" });
    const both = await activate(bench.hub, { write: [bench.topicId, topic.id] }, "both");
    const send = (token: string, id: string) =>
      call(bench.hub.url, "POST", `/topics/${id}/events`, { token, body: { type: "t" }, headers: KEY });
    const answers = await Promise.all([
      send(bench.tokenA, bench.topicId),
      send(other.tokenA, bench.topicId),
      send(both.tokenA, bench.topicId),
      send(both.tokenA, topic.id),
    ]);
    expect(new Set(answers.map((answer) => textOf(answer.json["event_id"]))).size).toBe(4);
  });

  it("is remembered for seven days, also beyond the event's own retention", async () => {
    const bench = await testBench();
    const first = await post(bench, 1);
    bench.hub.clock.advance(7 * 24 * 3_600_000);
    await bench.hub.deps.store.events.sweep(bench.hub.clock.now(), 1000);
    const fresh = await call(bench.hub.url, "POST", "/auth/token", {
      body: { script_id: bench.scriptId, client_secret: bench.secret },
    });
    expect(await bench.hub.deps.store.events.bounds(bench.topicId)).toEqual({ lastSeq: 1, deletedThroughSeq: 1 });
    const token = textOf(fresh.json["access_token"]);
    const again = await (generation === "A"
      ? bench.postA("", { token, body: { type: "t", payload: 1 }, headers: KEY })
      : bench.postB("", { token, body: { event_type: "t", payload: 1 }, headers: KEY }));
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(again.json["event_id"]).toBe(first.json["event_id"]);
  });

  it("refuses a malformed key", async () => {
    const bench = await testBench();
    const answer = await post(bench, 1, { "Idempotency-Key": "x".repeat(256) });
    expect([answer.status, codeOf(answer)]).toEqual([422, "INVALID"]);
  });
});

describe("publishing in batches", () => {
  it("stores all events in order, with one number each", async () => {
    const bench = await testBench();
    const events = Array.from({ length: 1000 }, (_, n) => ({ type: "n", payload: { n } }));
    const answer = await bench.postA("/batch", { body: { events } });
    expect(answer.status).toBe(201);
    const receipts = listOf(answer.json["events"]);
    expect(receipts.map((receipt) => receipt["sequence_no"])).toEqual(Array.from({ length: 1000 }, (_, n) => n + 1));
    const page = listOf((await bench.getB("?limit=1000")).json["events"]);
    expect(page.map((event) => event["payload"]?.["n"])).toEqual(Array.from({ length: 1000 }, (_, n) => n));
    expect(page.map((event) => event["event_id"])).toEqual(receipts.map((one) => `evt_${textOf(one["event_id"])}`));
  });

  it("stores nothing when one event is wrong, and says which", async () => {
    const bench = await testBench();
    const answer = await bench.postB("/batch", { body: { events: [{ event_type: "ok" }, { event_type: "" }] } });
    expect(answer.status).toBe(422);
    expect(textOf(answer.json["detail"]?.["message"])).toContain("events.1");
    const missing = "11111111-1111-4111-8111-111111111111";
    const refused = await bench.postA("/batch", {
      body: { events: [{ type: "ok" }, { type: "t", payload_ref: missing }] },
    });
    expect(refused.status).toBe(404);
    expect(await itemsA(bench)).toEqual([]);
    expect((await bench.publishA("next")).json["sequence_no"]).toBe(1);
  });

  it("replays as a whole under one key", async () => {
    const bench = await testBench();
    const body = { events: [{ type: "a" }, { type: "b" }] };
    const first = await bench.postA("/batch", { body, headers: KEY });
    const again = await bench.postA("/batch", { body, headers: KEY });
    expect(again.text).toBe(first.text);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(await itemsA(bench)).toHaveLength(2);
  });

  it("answers another batch, or a single event, under a batch's key with 409, and the same batch as before", async () => {
    const bench = await testBench();
    const event = (n: number) => ({ type: "t", payload: n });
    const batch = (...numbers: number[]) =>
      bench.postA("/batch", { body: { events: numbers.map(event) }, headers: KEY });
    const first = await batch(1, 2);
    const others = [
      await batch(1, 2, 3),
      await batch(2, 1),
      await batch(1),
      await bench.postA("", { body: event(1), headers: KEY }),
    ];
    expect(others.map((answer) => [answer.status, codeOf(answer)])).toEqual(
      others.map(() => [409, "IDEMPOTENCY_CONFLICT"]),
    );
    const again = await batch(1, 2);
    expect([again.status, again.text]).toEqual([first.status, first.text]);
    expect(await itemsA(bench)).toHaveLength(2);
  });

  it("answers a batch of one event under that event's key with 409", async () => {
    const bench = await testBench();
    const event = { type: "t", payload: 1 };
    await bench.postA("", { body: event, headers: KEY });
    const answer = await bench.postA("/batch", { body: { events: [event] }, headers: KEY });
    expect([answer.status, codeOf(answer)]).toEqual([409, "IDEMPOTENCY_CONFLICT"]);
    expect(await itemsA(bench)).toHaveLength(1);
  });

  it("stores one of ten batches that come at once under one key", async () => {
    const bench = await testBench();
    const body = { events: [{ type: "a" }, { type: "b" }] };
    const answers = await Promise.all(Array.from({ length: 10 }, () => bench.postA("/batch", { body, headers: KEY })));
    expect(new Set(answers.map((answer) => answer.text)).size).toBe(1);
    expect(answers.filter((answer) => answer.headers.get("idempotent-replayed") === null)).toHaveLength(1);
    expect(await itemsA(bench)).toHaveLength(2);
  });

  it.each([[[]], [Array.from({ length: 1001 }, () => ({ type: "t" }))], ["no list"]])(
    "takes 1 to 1000 events",
    async (events) => {
      const bench = await testBench();
      expect((await bench.postA("/batch", { body: { events } })).status).toBe(422);
    },
  );
});
