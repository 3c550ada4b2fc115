import { refusal } from "../../src/service/http-errors.ts";
import type { HttpAnswer } from "../../src/service/http.ts";
import { dialectA } from "../../src/service/dialects/a.ts";
import { dialectB } from "../../src/service/dialects/b.ts";
import type { PullRequest } from "../../src/service/types.ts";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NEVER } from "./peer.ts";

const UUID = "0197a1b2-0000-7000-8000-000000000001";
const OTHER = "0197a1b2-0000-7000-8000-000000000002";

const pulling = (request: Partial<PullRequest> = {}): PullRequest => ({
  topicId: UUID,
  limit: 50,
  signal: NEVER,
  ...request,
});
const publishing = { topicId: UUID, type: "openclaw.response", signal: NEVER } as const;
const eventA = (sequence: number, more: object = {}) => ({
  event_id: `e${sequence}`,
  sequence_no: sequence,
  type: "t",
  payload: { n: sequence },
  ...more,
});
const eventB = (id: string, more: object = {}) => ({ event_id: id, event_type: "t", payload: null, ...more });

describe("generation A", () => {
  test("pulls after a sequence number, from the beginning, or the newest", () => {
    expect(dialectA.pull(pulling({ after: "41", type: "a b" })).path).toBe(
      `/topics/${UUID}/events?limit=50&after_sequence_no=41&type=a+b`,
    );
    expect(dialectA.pull(pulling({ after: "" })).path).toBe(`/topics/${UUID}/events?limit=50&after_sequence_no=0`);
    expect(dialectA.pull(pulling()).path).toBe(`/topics/${UUID}/events?limit=50&after_sequence_no=0`);
    expect(dialectA.pull(pulling({ order: "desc" })).path).toBe(`/topics/${UUID}/events?limit=50`);
    expect(dialectA.pull(pulling({ topicId: `top_${UUID}`, after: "1" })).path).toContain(`/topics/${UUID}/`);
  });

  test("a position that is no sequence number is refused before anything is sent", () => {
    expect(() => dialectA.pull(pulling({ after: "evt_x" }))).toThrow(expect.objectContaining({ code: "invalid" }));
  });

  test("reads an event whole", () => {
    const full = eventA(7, {
      timestamp: "2026-01-01T00:00:00Z",
      payload_ref: "o1",
      producer_script: "scr_p",
      correlation_id: "c",
      reply_topic: OTHER,
      unknown_field: 1,
    });
    expect(dialectA.readPage({ items: [full], next_cursor: null }, pulling({ after: "6" }))).toEqual({
      events: [
        {
          topicId: UUID,
          eventId: "e7",
          cursor: "7",
          sequence: 7,
          type: "t",
          payload: { n: 7 },
          payloadRef: "o1",
          producer: "scr_p",
          correlationId: "c",
          replyTopic: OTHER,
          storedAt: "2026-01-01T00:00:00Z",
        },
      ],
      malformed: 0,
      next: "7",
    });
  });

  test("sorts by sequence whatever order the service chose, newest first only when asked", () => {
    const items = [eventA(3), eventA(1), eventA(2)];
    const forward = dialectA.readPage({ items }, pulling({ after: "0" }));
    expect(forward.events.map((event) => event.sequence)).toEqual([1, 2, 3]);
    expect(forward.next).toBe("3");
    const newest = dialectA.readPage({ items }, pulling({ order: "desc" }));
    expect(newest.events.map((event) => event.sequence)).toEqual([3, 2, 1]);
    expect(newest.next).toBe("3");
  });

  test("reads back from a position by asking for what stands as many numbers before it", () => {
    const back = pulling({ order: "desc", after: "130", limit: 100 });
    expect(dialectA.pull(back).path).toBe(`/topics/${UUID}/events?limit=100&after_sequence_no=29`);
    const page = dialectA.readPage({ items: [eventA(29), eventA(30), eventA(129), eventA(130), eventA(131)] }, back);
    expect(page.events.map((event) => event.sequence)).toEqual([129, 30]);
    expect(page).not.toHaveProperty("next");
    const first = dialectA.pull(pulling({ order: "desc", after: "40", limit: 100 }));
    expect(first.path).toBe(`/topics/${UUID}/events?limit=100&after_sequence_no=0`);
  });

  test("an empty page has no position of its own", () => {
    expect(dialectA.readPage({ items: [] }, pulling({ after: "9" }))).toEqual({ events: [], malformed: 0 });
  });

  test("malformed items are counted, and the page leads past them", () => {
    const items = [eventA(11), "text", null, { event_id: 5 }, eventA(15, { type: undefined }), 17];
    const page = dialectA.readPage({ items }, pulling({ after: "10" }));
    expect(page.events.map((event) => event.sequence)).toEqual([11]);
    expect(page.malformed).toBe(5);
    expect(page.next).toBe("16");
    expect(dialectA.readPage({ items: ["?", eventA(15)] }, pulling({ after: "10" })).next).toBe("15");
  });

  test("what a service repeats of the page before is left out", () => {
    const page = dialectA.readPage({ items: [eventA(9), eventA(10), eventA(12)] }, pulling({ after: "10" }));
    expect(page.events.map((event) => event.sequence)).toEqual([12]);
    expect(page.next).toBe("12");
    expect(dialectA.readPage({ items: [eventA(9)] }, pulling({ after: "10" }))).toEqual({ events: [], malformed: 0 });
  });

  test("a page of nothing but rubbish leads on without overtaking what it may hide", () => {
    expect(dialectA.readPage({ items: [1, 2, 3] }, pulling({ after: "10" }))).toEqual({
      events: [],
      malformed: 3,
      next: "13",
    });
  });

  test("a page's position is never ahead of an event that was not on it", () => {
    const gaps = fc.array(
      fc.record({ gap: fc.integer({ min: 1, max: 50 }), kind: fc.constantFrom("good", "numbered", "rubbish") }),
      {
        minLength: 1,
        maxLength: 40,
      },
    );
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_000 }), gaps, fc.boolean(), (after, steps, backwards) => {
        let last = after;
        let highestKnown = after;
        const items = steps.map(({ gap, kind }) => {
          last += gap;
          if (kind !== "rubbish") highestKnown = last;
          return kind === "good" ? eventA(last) : kind === "numbered" ? { sequence_no: last } : "rubbish";
        });
        const page = dialectA.readPage(
          { items: backwards ? items.toReversed() : items },
          pulling({ after: String(after) }),
        );
        expect(Number(page.next)).toBeLessThanOrEqual(last);
        expect(Number(page.next)).toBeGreaterThanOrEqual(Math.max(highestKnown, after + steps.length));
      }),
    );
  });

  test("publishes the fields of the generation and nothing else", () => {
    const { path, body } = dialectA.publish({
      ...publishing,
      payload: { a: null },
      correlationId: "c",
      replyTopic: `top_${OTHER}`,
      metadata: { only: "b" },
    });
    expect(path).toBe(`/topics/${UUID}/events`);
    expect(body).toEqual({ type: "openclaw.response", payload: { a: null }, correlation_id: "c", reply_topic: OTHER });
    expect(dialectA.publish({ ...publishing, payload: 1, payloadRef: `pob_${OTHER}` }).body).toEqual({
      type: "openclaw.response",
      payload_ref: OTHER,
    });
  });

  test("resumes a stream by query and header, from the beginning by neither", () => {
    expect(dialectA.stream({ topicId: UUID, after: "5" })).toEqual({
      path: `/topics/${UUID}/events/stream?after_sequence_no=5`,
      lastEventId: "5",
    });
    for (const after of [undefined, "", "0"]) {
      expect(dialectA.stream({ topicId: UUID, after })).toEqual({ path: `/topics/${UUID}/events/stream` });
    }
  });

  test.each([
    ['{"topic_id":"t","latest_sequence_no":9}', "8", { kind: "hint", position: "9" }],
    ["{}", "8", { kind: "hint", position: "8" }],
    ["not json", "", { kind: "hint" }],
    ['{"latest_sequence_no":"9"}', "x", { kind: "hint" }],
  ])("frame %s with id %j", (data, id, expected) => {
    expect(dialectA.readFrame("message", data, id)).toEqual(expected);
  });

  test("objects", () => {
    const object = {
      topicId: UUID,
      contentType: "text/plain",
      filename: "a.txt",
      sizeBytes: 3,
      sha256: Uint8Array.of(0xab, 0xcd),
    };
    expect(dialectA.createObject(object)).toEqual({
      path: `/topics/${UUID}/payloads`,
      body: { content_type: "text/plain", filename: "a.txt", size: 3, hash: "abcd" },
    });
    const ticket = dialectA.readTicket(
      { object_id: "o", upload_url: "https://s/x", download_url: "https://s/y" },
      object,
    );
    expect(ticket).toEqual({
      object: { objectId: "o", downloadUrl: "https://s/y" },
      url: "https://s/x",
      headers: { "content-type": "text/plain" },
    });
    expect(dialectA.objectInfo(UUID, `pob_${OTHER}`).path).toBe(`/topics/${UUID}/payloads/${OTHER}`);
    expect(dialectA.readObjectInfo({ download_url: "https://s/y", size: 3, content_type: null }, "o")).toEqual({
      objectId: "o",
      downloadUrl: "https://s/y",
      size: 3,
    });
  });
});

describe("generation B", () => {
  test("pulls with its own words", () => {
    expect(dialectB.pull(pulling({ after: "c 1", excludeSelf: true, type: "t" })).path).toBe(
      `/topics/top_${UUID}/events?limit=50&order=asc&after=c+1&type=t&exclude_self=true`,
    );
    expect(dialectB.pull(pulling({ topicId: `top_${UUID}`, after: "" })).path).toBe(
      `/topics/top_${UUID}/events?limit=50&order=asc`,
    );
    expect(dialectB.pull(pulling({ order: "desc", limit: 1 })).path).toBe(
      `/topics/top_${UUID}/events?limit=1&order=desc`,
    );
  });

  test("reads an event whole, correlation and reply topic out of its metadata", () => {
    const full = eventB("evt_1", {
      topic_id: `top_${UUID}`,
      stored_at: "2026-01-01T00:00:00Z",
      payload: [1],
      payload_object_id: "pob_1",
      metadata: { correlation_id: "c", reply_topic: `top_${OTHER}`, mine: true },
      cursor: "cur1",
      sequence_number: 4,
      producer_script: "scr_p",
    });
    const [event] = dialectB.readPage({ events: [full], next: {} }, pulling()).events;
    expect(event).toEqual({
      topicId: UUID,
      eventId: "evt_1",
      cursor: "cur1",
      sequence: 4,
      type: "t",
      payload: [1],
      payloadRef: "pob_1",
      producer: "scr_p",
      correlationId: "c",
      replyTopic: OTHER,
      metadata: { correlation_id: "c", reply_topic: `top_${OTHER}`, mine: true },
      storedAt: "2026-01-01T00:00:00Z",
    });
  });

  test("without a cursor the event id is the position", () => {
    const page = dialectB.readPage({ events: [eventB("evt_1"), eventB("evt_2", { cursor: "" })] }, pulling());
    expect(page.events.map((event) => event.cursor)).toEqual(["evt_1", "evt_2"]);
    expect(page.next).toBe("evt_2");
  });

  test.each([
    [
      "the page's own",
      { events: [eventB("evt_1")], next: { after: "n", has_more: true, frontier_cursor: "f" } },
      {},
      "n",
    ],
    ["the last event's", { events: [eventB("evt_1", { cursor: "c" })], next: null }, {}, "c"],
    ["the last item's, though unreadable", { events: [eventB("evt_1"), { cursor: "c2" }] }, {}, "c2"],
    ["the frontier of an empty page", { events: [], next: { after: null, frontier_cursor: "f" } }, {}, "f"],
    [
      "the empty page's own, where more is to come",
      { events: [], next: { after: "n", has_more: true, frontier_cursor: "f" } },
      {},
      "n",
    ],
    [
      "none, rather than one beyond what is to come",
      { events: [], next: { has_more: true, frontier_cursor: "f" } },
      {},
      undefined,
    ],
    [
      "the frontier of an empty newest-first page, whatever it says of older ones",
      { events: [], next: { after: "n", has_more: true, frontier_cursor: "f" } },
      { order: "desc" },
      "f",
    ],
    ["none", { events: [] }, {}, undefined],
    [
      "the newest of a newest-first page",
      { events: [eventB("evt_9", { cursor: "c9" }), eventB("evt_8")], next: { after: "older" } },
      { order: "desc" },
      "c9",
    ],
    [
      "the frontier of an empty newest-first page",
      { events: [], next: { frontier_cursor: "f" } },
      { order: "desc" },
      "f",
    ],
  ] as const)("next position: %s", (_name, document, request, expected) => {
    expect(dialectB.readPage(document, pulling(request)).next).toBe(expected);
  });

  test("an empty page is the end, unless the service says that more follows", () => {
    const page = (has_more: boolean | null, more: object = {}) =>
      dialectB.readPage({ events: [], next: { after: "n", has_more }, ...more }, pulling());
    expect(page(true)).toEqual({ events: [], malformed: 0, next: "n", hasMore: true });
    for (const has_more of [false, null]) expect(page(has_more)).not.toHaveProperty("hasMore");
    expect(page(true, { events: [eventB("evt_1")] })).not.toHaveProperty("hasMore");
  });

  test("malformed items are counted", () => {
    const page = dialectB.readPage(
      { events: [null, eventB("evt_1"), { event_id: "evt_2" }, []], next: { after: "n" } },
      pulling(),
    );
    expect([page.events.length, page.malformed, page.next]).toEqual([1, 3, "n"]);
  });

  test("publishes payload or object, and everything else in the metadata", () => {
    expect(dialectB.publish({ ...publishing, payload: "p" }).body).toEqual({
      event_type: "openclaw.response",
      payload: "p",
    });
    expect(
      dialectB.publish({
        ...publishing,
        payload: "p",
        payloadRef: OTHER,
        correlationId: "c",
        replyTopic: OTHER,
        metadata: { k: 1 },
      }).body,
    ).toEqual({
      event_type: "openclaw.response",
      payload_object_id: `pob_${OTHER}`,
      metadata: { k: 1, correlation_id: "c", reply_topic: `top_${OTHER}` },
    });
  });

  test("resumes a stream by the header alone", () => {
    expect(dialectB.stream({ topicId: UUID, after: "cur", excludeSelf: true })).toEqual({
      path: `/topics/top_${UUID}/events/stream?exclude_self=true`,
      lastEventId: "cur",
    });
    expect(dialectB.stream({ topicId: UUID, after: "" })).toEqual({ path: `/topics/top_${UUID}/events/stream` });
  });

  test.each([
    ["hint", '{"event_id":"evt_1","cursor":"c"}', "i", { kind: "hint", position: "c" }],
    ["hint", '{"event_id":"evt_1"}', "i", { kind: "hint", position: "i" }],
    ["hint", "broken", "", { kind: "hint" }],
    ["message", "{}", "", { kind: "hint" }],
    ["ready", "{}", "", { kind: "hint" }],
    ["resync_required", '{"reason":"replay_gap"}', "i", { kind: "hint" }],
    ["heartbeat", "{}", "i", { kind: "alive" }],
    ["error", '{"code":"GONE","reason":"deleted"}', "", { kind: "error", code: "GONE", reason: "deleted" }],
    ["error", "?", "", { kind: "error", code: "UNKNOWN", reason: "" }],
  ])("frame %s %s", (name, data, id, expected) => {
    expect(dialectB.readFrame(name, data, id)).toEqual(expected);
  });

  test("objects", () => {
    const object = {
      topicId: UUID,
      contentType: "text/plain",
      filename: "a.txt",
      sizeBytes: 3,
      sha256: new Uint8Array(32),
    };
    expect(dialectB.createObject(object)).toEqual({
      path: `/topics/top_${UUID}/payloads`,
      body: {
        content_type: "text/plain",
        size_bytes: 3,
        checksum_sha256: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
      },
    });
    const ticket = {
      payload_object_id: "pob_1",
      presigned_put_url: "https://s/x",
      required_headers: { "x-amz-a": "1" },
    };
    expect(dialectB.readTicket(ticket, object)).toEqual({
      object: { objectId: "pob_1" },
      url: "https://s/x",
      headers: { "x-amz-a": "1" },
    });
    expect(dialectB.objectInfo(UUID, OTHER).path).toBe(`/topics/top_${UUID}/payloads/pob_${OTHER}`);
    expect(
      dialectB.readObjectInfo({ presigned_get_url: "https://s/y", size_bytes: 3, content_type: "a/b" }, "pob_1"),
    ).toEqual({
      objectId: "pob_1",
      downloadUrl: "https://s/y",
      contentType: "a/b",
      size: 3,
    });
  });
});

describe("both", () => {
  const dialects = [dialectA, dialectB];

  test.each(["../auth", "a/b", "", "a?b", "a%2fb", ".", "é", "x".repeat(129)])(
    "an id like %j never becomes a path",
    (id) => {
      for (const dialect of dialects) {
        expect(() => dialect.pull(pulling({ topicId: id, after: "" }))).toThrow(
          expect.objectContaining({ code: "invalid" }),
        );
        expect(() => dialect.objectInfo(UUID, id)).toThrow(expect.objectContaining({ code: "invalid" }));
      }
    },
  );

  test("no document whatever throws anything but malformed_response, and no item throws at all", () => {
    const item = fc.oneof(
      fc.jsonValue(),
      fc.record(
        {
          event_id: fc.jsonValue(),
          sequence_no: fc.oneof(fc.jsonValue(), fc.maxSafeInteger()),
          event_type: fc.jsonValue(),
          type: fc.jsonValue(),
          cursor: fc.jsonValue(),
          metadata: fc.jsonValue(),
          payload: fc.jsonValue(),
        },
        { requiredKeys: [] },
      ),
    );
    fc.assert(
      fc.property(fc.array(item, { maxLength: 20 }), fc.jsonValue(), (items, other) => {
        for (const dialect of dialects) {
          const page = dialect.readPage({ items, events: items }, pulling({ after: "" }));
          expect(page.events.length + page.malformed).toBe(items.length);
          const outcome = outcomeOf(() => dialect.readPage(other, pulling({ after: "" })));
          expect(["page", "malformed_response"]).toContain(outcome);
        }
      }),
      { numRuns: 300 },
    );
  });

  test("no frame whatever throws", () => {
    const names = fc.constantFrom("message", "hint", "ready", "heartbeat", "error", "resync_required", "constructor");
    fc.assert(
      fc.property(names, fc.oneof(fc.string(), fc.json()), fc.string(), (name, data, id) => {
        for (const dialect of dialects)
          expect(["hint", "alive", "error"]).toContain(dialect.readFrame(name, data, id).kind);
      }),
    );
  });
});

describe("an expired position", () => {
  const answer = (status: number, body: unknown): HttpAnswer => ({
    status,
    contentType: "application/json",
    text: JSON.stringify(body),
    retryAfterMs: undefined,
    serverTimeMs: undefined,
    header: () => undefined,
  });
  const stale = {
    error: "NOT_FOUND",
    message: "gone",
    details: { reason: "ttl_expired", oldest_available_evt_id: "evt_o" },
    next_action: "cursor_advance",
  };

  test.each([
    ["wrapped in detail", { detail: stale }, "evt_o"],
    ["bare", stale, "evt_o"],
    [
      "with an empty topic",
      { detail: { ...stale, details: { reason: "ttl_expired", oldest_available_evt_id: null } } },
      undefined,
    ],
    ["by next_action alone", { detail: { error: "NOT_FOUND", message: "", next_action: "cursor_advance" } }, undefined],
    ["as RETENTION_MISS", { error: "RETENTION_MISS" }, undefined],
    ["as RETENTION_MISS in detail", { detail: { error: "RETENTION_MISS", message: "x" } }, undefined],
  ])("%s", (_name, body, oldest) => {
    const error = refusal(answer(404, body), "GET /x");
    expect(error).toMatchObject({ code: "cursor_expired", kind: "refused" });
    expect(error.details).toEqual({ oldest });
  });

  test.each([
    ["an unrelated 404", 404, { detail: { error: "NOT_FOUND", message: "no such topic" } }],
    [
      "another reason, whatever the next action",
      404,
      { detail: { error: "NOT_FOUND", message: "", details: { reason: "deleted" }, next_action: "cursor_advance" } },
    ],
    ["another status", 409, { detail: stale }],
    ["no error of the service", 404, "gone"],
  ])("is not read into %s", (_name, status, body) => {
    expect(refusal(answer(status, body), "GET /x").code).not.toBe("cursor_expired");
  });
});

function outcomeOf(read: () => unknown): unknown {
  try {
    read();
    return "page";
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}
