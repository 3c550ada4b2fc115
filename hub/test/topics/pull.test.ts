import { describe, expect, it } from "vitest";
import * as admin from "../../src/admin/operations.ts";
import { activate, call, listOf, testBench, textOf } from "../support/hub.ts";
import type { Answer, Bench } from "../support/hub.ts";

const numbersA = (answer: Answer) => listOf(answer.json["items"]).map((item) => item["sequence_no"]);
const numbersB = (answer: Answer) => listOf(answer.json["events"]).map((event) => event["sequence_number"]);

async function published(count: number): Promise<Bench> {
  const bench = await testBench();
  const events = Array.from({ length: count }, (_, n) => ({ type: n % 2 === 0 ? "odd" : "even" }));
  if (count > 0) await bench.postA("/batch", { body: { events } });
  return bench;
}

/** Deletes the events published so far, and goes back to the present. */
async function outlive(bench: Bench, seconds = 3601): Promise<void> {
  bench.hub.clock.advance(seconds * 1000);
  await bench.hub.deps.store.events.sweep(bench.hub.clock.now(), 10_000);
  bench.hub.clock.advance(-seconds * 1000);
}

describe("pulling in generation A", () => {
  it("lists the newest first without a cursor, also filtered by type", async () => {
    const bench = await published(6);
    expect(numbersA(await bench.getA(""))).toEqual([6, 5, 4, 3, 2, 1]);
    expect(numbersA(await bench.getA("?limit=2"))).toEqual([6, 5]);
    expect(numbersA(await bench.getA("?limit=2&type=odd"))).toEqual([5, 3]);
  });

  it("lists ascending after a sequence number, exclusive, 0 meaning from the oldest", async () => {
    const bench = await published(5);
    expect(numbersA(await bench.getA("?after_sequence_no=0"))).toEqual([1, 2, 3, 4, 5]);
    expect(numbersA(await bench.getA("?after_sequence_no=3"))).toEqual([4, 5]);
    expect(numbersA(await bench.getA("?after_sequence_no=2&limit=2"))).toEqual([3, 4]);
    expect(numbersA(await bench.getA("?after_sequence_no=0&type=even"))).toEqual([2, 4]);
  });

  it("ends drain loops with an empty array and a null cursor", async () => {
    const bench = await published(2);
    const answer = await bench.getA("?after_sequence_no=2");
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({ items: [], next_cursor: null });
  });

  it("pages through by next_cursor, forwards and backwards", async () => {
    const bench = await published(5);
    for (const [start, expected] of [
      ["?after_sequence_no=0&limit=2", [1, 2, 3, 4, 5]],
      ["?limit=2", [5, 4, 3, 2, 1]],
    ] as const) {
      const seen: unknown[] = [];
      let answer = await bench.getA(start);
      seen.push(...numbersA(answer));
      while (answer.json["next_cursor"] !== null) {
        answer = await bench.getA(`?limit=2&cursor=${textOf(answer.json["next_cursor"])}`);
        seen.push(...numbersA(answer));
      }
      expect(seen).toEqual(expected);
    }
  });

  it("clamps limit instead of refusing it", async () => {
    const bench = await published(60);
    expect(numbersA(await bench.getA("?limit=0"))).toHaveLength(1);
    expect(numbersA(await bench.getA("?limit=-3"))).toHaveLength(1);
    expect(numbersA(await bench.getA("?limit=999999"))).toHaveLength(60);
    expect(numbersA(await bench.getA(""))).toHaveLength(50);
  });

  it("refuses parameters that make no sense", async () => {
    const bench = await published(1);
    for (const query of [
      "?after_sequence_no=x",
      "?after_sequence_no=-1",
      "?after_sequence_no=1&cursor=x",
      "?cursor=x",
      "?limit=x",
      "?order=up",
    ]) {
      const answer = await bench.getA(query);
      expect([query, answer.status, answer.json["error"]?.["code"]]).toEqual([query, 422, "INVALID"]);
    }
  });

  it("returns what is left for an old position, and numbers go on", async () => {
    const bench = await published(4);
    await outlive(bench);
    await bench.publishA("new");
    const answer = await bench.getA("?after_sequence_no=1");
    expect(answer.status).toBe(200);
    expect(numbersA(answer)).toEqual([5]);
  });

  it("reads one event by id in either form", async () => {
    const bench = await published(1);
    const id = textOf(listOf((await bench.getA("")).json["items"])[0]?.["event_id"]);
    expect((await bench.getA(`/${id}`)).json).toMatchObject({ event_id: id, sequence_no: 1 });
    expect((await bench.getB(`/evt_${id}`)).json).toMatchObject({ event_id: `evt_${id}`, sequence_number: 1 });
    const other = await admin.createTopic(bench.hub.deps, { name: "other" });
    const agent = await activate(bench.hub, { read: [other.id] }, "other");
    const elsewhere = await call(bench.hub.url, "GET", `/topics/${other.id}/events/${id}`, { token: agent.tokenA });
    expect([elsewhere.status, elsewhere.json["error"]?.["code"]]).toEqual([404, "NOT_FOUND"]);
    expect((await bench.getA("/nonsense")).status).toBe(404);
  });
});

describe("pulling by sequence", () => {
  it("answers ascending and inclusive, short where rows were deleted", async () => {
    const bench = await published(5);
    expect(numbersA(await bench.getA("/by-sequence?start_seq=2&end_seq=4"))).toEqual([2, 3, 4]);
    expect(numbersA(await bench.getA("/by-sequence?start_seq=4&end_seq=9"))).toEqual([4, 5]);
    await outlive(bench);
    await bench.publishA("new");
    expect(numbersA(await bench.getA("/by-sequence?start_seq=1&end_seq=500"))).toEqual([6]);
  });

  it("refuses more than 500 numbers, and a range that is none", async () => {
    const bench = await published(1);
    for (const query of ["start_seq=1&end_seq=501", "start_seq=2&end_seq=1", "start_seq=1", "start_seq=a&end_seq=b"]) {
      expect([query, (await bench.getA(`/by-sequence?${query}`)).status]).toEqual([query, 422]);
    }
    expect((await bench.getA("/by-sequence?start_seq=1&end_seq=500")).status).toBe(200);
  });
});

describe("pulling in generation B", () => {
  it("lists ascending by default, newest first on request", async () => {
    const bench = await published(4);
    expect(numbersB(await bench.getB(""))).toEqual([1, 2, 3, 4]);
    expect(numbersB(await bench.getB("?order=desc&limit=1"))).toEqual([4]);
  });

  it("pages by next.after, whatever the page size, without loss or repetition", async () => {
    const bench = await published(23);
    for (const limit of [1, 7, 22, 23, 24]) {
      for (const [order, expected] of [
        ["asc", Array.from({ length: 23 }, (_, n) => n + 1)],
        ["desc", Array.from({ length: 23 }, (_, n) => 23 - n)],
      ] as const) {
        const seen: unknown[] = [];
        let after = "";
        for (;;) {
          const answer = await bench.getB(`?order=${order}&limit=${limit}${after}`);
          seen.push(...numbersB(answer));
          after = `&after=${textOf(answer.json["next"]?.["after"])}`;
          if (textOf(answer.json["next"]?.["has_more"]) === "false") break;
        }
        expect(seen).toEqual(expected);
      }
    }
  });

  it("continues after an event's cursor and after its id alike", async () => {
    const bench = await published(5);
    const third = listOf((await bench.getB("")).json["events"])[2];
    for (const after of [third?.["cursor"], third?.["event_id"]]) {
      expect(numbersB(await bench.getB(`?after=${textOf(after)}`))).toEqual([4, 5]);
    }
  });

  it("gives a frontier also when the page is empty, and it never skips what was not served", async () => {
    const bench = await published(0);
    const empty = await bench.getB("");
    expect(empty.json).toMatchObject({ events: [], next: { has_more: false, frontier_cursor: expect.any(String) } });
    await bench.postA("/batch", { body: { events: [{ type: "a" }, { type: "b" }, { type: "c" }] } });
    const frontier = textOf(empty.json["next"]?.["frontier_cursor"]);
    expect(numbersB(await bench.getB(`?after=${frontier}`))).toEqual([1, 2, 3]);
    const partial = await bench.getB("?limit=1");
    const next = textOf(partial.json["next"]?.["frontier_cursor"]);
    expect(numbersB(await bench.getB(`?after=${next}`))).toEqual([2, 3]);
    const full = await bench.getB(`?after=${next}`);
    expect(numbersB(await bench.getB(`?after=${textOf(full.json["next"]?.["frontier_cursor"])}`))).toEqual([]);
  });

  it("leaves out the caller's own events, and its positions move past them", async () => {
    const bench = await published(3);
    const other = await activate(bench.hub, { read: [bench.topicId], write: [bench.topicId] }, "other");
    await call(bench.hub.url, "POST", bench.eventsA, { token: other.tokenA, body: { type: "theirs" } });
    await bench.publishA("mine");
    const answer = await bench.getB("?exclude_self=true");
    expect(numbersB(answer)).toEqual([4]);
    const after = textOf(answer.json["next"]?.["after"]);
    expect(numbersB(await bench.getB(`?after=${after}`))).toEqual([]);
    expect(numbersB(await bench.getB("?exclude_self=true&order=desc&limit=2"))).toEqual([4]);
    const theirs = await call(bench.hub.url, "GET", `${bench.eventsB}?exclude_self=true`, { token: other.tokenB });
    expect(numbersB(theirs)).toEqual([1, 2, 3, 5]);
  });

  it("finds another's event behind a long run of one's own", async () => {
    const bench = await published(1);
    const other = await activate(bench.hub, { read: [bench.topicId], write: [bench.topicId] }, "other");
    const mine = { events: Array.from({ length: 1000 }, () => ({ type: "mine" })) };
    for (let i = 0; i < 11; i += 1) {
      await call(bench.hub.url, "POST", `${bench.eventsA}/batch`, { token: other.tokenA, body: mine });
    }
    await bench.publishA("needle");
    const get = (query: string) => call(bench.hub.url, "GET", bench.eventsB + query, { token: other.tokenB });
    expect(numbersB(await get("?exclude_self=true"))).toEqual([1, 11_002]);
    expect(numbersB(await get("?exclude_self=true&order=desc"))).toEqual([11_002, 1]);
    expect(numbersB(await get("?exclude_self=true&order=desc&type=odd"))).toEqual([1]);
    expect(numbersB(await get("?exclude_self=true&type=nothing"))).toEqual([]);
  });

  it.each(["payload", "metadata"])(
    "ends a page early rather than answer with hundreds of megabytes of %s",
    async (what) => {
      const bench = await testBench({ limits: { maxInlinePayloadBBytes: 10 * 1024 * 1024 } });
      const body = { event_type: "big", [what]: { text: "x".repeat(9 * 1024 * 1024) } };
      for (let i = 0; i < 3; i += 1) await bench.postB("", { body });
      const first = await bench.getB("");
      expect(numbersB(first)).toEqual([1]);
      expect(first.json["next"]).toMatchObject({ has_more: true });
      expect(numbersB(await bench.getB(`?after=${textOf(first.json["next"]?.["after"])}`))).toEqual([2]);
      const forA = await bench.getA("?after_sequence_no=1");
      expect([numbersA(forA), forA.json["next_cursor"] === null]).toEqual([[2], false]);
    },
  );

  describe("positions older than retention", () => {
    const expired = (oldest: unknown) => ({
      detail: {
        error: "NOT_FOUND",
        message: expect.any(String),
        details: { reason: "ttl_expired", oldest_available_evt_id: oldest },
        next_action: "cursor_advance",
      },
    });

    it("are answered 404 with the oldest event, for cursors and for ids", async () => {
      const bench = await published(4);
      const first = listOf((await bench.getB("?limit=1")).json["events"])[0];
      await outlive(bench);
      await bench.publishA("new");
      const oldest = listOf((await bench.getB("?limit=1")).json["events"])[0]?.["event_id"];
      for (const after of [first?.["cursor"], first?.["event_id"]]) {
        const answer = await bench.getB(`?after=${textOf(after)}`);
        expect([answer.status, answer.json]).toEqual([404, expired(oldest)]);
      }
    });

    it("name no event when the topic is empty", async () => {
      const bench = await published(2);
      const first = listOf((await bench.getB("?limit=1")).json["events"])[0];
      await outlive(bench);
      for (const after of [first?.["cursor"], first?.["event_id"]]) {
        const answer = await bench.getB(`?after=${textOf(after)}`);
        expect([answer.status, answer.json]).toEqual([404, expired(null)]);
      }
    });

    it("are not those at the edge: nothing between them and the oldest event was missed", async () => {
      const bench = await published(3);
      const frontier = textOf((await bench.getB("")).json["next"]?.["frontier_cursor"]);
      await outlive(bench);
      expect(numbersB(await bench.getB(`?after=${frontier}`))).toEqual([]);
      await bench.publishA("new");
      expect(numbersB(await bench.getB(`?after=${frontier}`))).toEqual([4]);
    });

    it("are not unknown ones: other refusals carry neither reason nor next_action", async () => {
      const bench = await published(2);
      const other = await admin.createTopic(bench.hub.deps, { name: "other" });
      const cursor = textOf(listOf((await bench.getB("")).json["events"])[0]?.["cursor"]);
      const foreign = cursor.replace(bench.topicId.slice(0, 8), other.id.slice(0, 8));
      const statuses: unknown[] = [];
      for (const after of ["evt_11111111-1111-4111-8111-111111111111", `${cursor}zz`, foreign, "nonsense"]) {
        const answer = await bench.getB(`?after=${after}`);
        statuses.push(answer.status);
        expect(answer.json["detail"]?.["details"]).toBeUndefined();
        expect(answer.json["detail"]?.["next_action"]).toBeUndefined();
      }
      expect(statuses).toEqual([404, 404, 422, 422]);
    });
  });
});

describe("GET /topics", () => {
  it("lists the caller's topics with its actions, ids in the token's dialect", async () => {
    const bench = await testBench();
    await admin.createTopic(bench.hub.deps, { name: "hidden" });
    const second = await admin.createTopic(bench.hub.deps, { name: "second", displayName: "Second" });
    const agent = await activate(bench.hub, { read: [bench.topicId, second.id], write: [second.id] }, "lister");
    const list = (token: string) => call(bench.hub.url, "GET", "/topics", { token });
    expect((await list(agent.tokenB)).json).toEqual({
      items: [
        { topic_id: `top_${bench.topicId}`, name: "commands", display_name: "commands", actions: ["read"] },
        { topic_id: `top_${second.id}`, name: "second", display_name: "Second", actions: ["read", "write"] },
      ],
    });
    const inA = listOf((await list(agent.tokenA)).json["items"]);
    expect(inA.map((item) => item["topic_id"])).toEqual([bench.topicId, second.id]);
    expect((await list("nonsense")).status).toBe(401);
  });
});
