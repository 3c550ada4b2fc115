/** Publishing, reading and asking, over a real hub in both generations. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TopicEvent } from "../../src/service/types.ts";
import { publishTool } from "../../src/tools/publish.ts";
import { readTool } from "../../src/tools/read.ts";
import { sendMessageTool } from "../../src/tools/send-message.ts";
import { QUOTED, Workshop } from "./support.ts";

const NEVER = () => AbortSignal.timeout(10_000);
const TOPIC_TURN = { turn: { address: "cmd:aaaaaaaa~1" } };

describe.each(["a", "b"] as const)("generation %s", (generation) => {
  let shop: Workshop;
  beforeAll(async () => {
    shop = await Workshop.open(generation);
  });
  afterAll(() => shop.close());

  const seen = async (topicId: string): Promise<readonly TopicEvent[]> =>
    (await shop.peer.pull({ topicId, after: "", limit: 1_000, signal: NEVER() })).events;
  const tell = (topicId: string, payload: unknown, type = "note", correlationId?: string) =>
    shop.peer.publish({
      topicId,
      type,
      payload,
      ...(correlationId === undefined ? {} : { correlationId }),
      signal: NEVER(),
    });

  describe("agentrux_publish", () => {
    it("publishes under a name, and under the ids of both generations", async () => {
      const { desk } = shop.topics;
      for (const topic of ["desk", desk, `top_${desk.toUpperCase()}`]) {
        const outcome = await shop.call(publishTool, { topic, event_type: "greeting", payload: { to: topic } });
        expect(outcome).toMatchObject({ isError: false, details: { ok: true, topic: "desk", topic_id: desk } });
        const event = (await seen(desk)).at(-1);
        expect(event).toMatchObject({ eventId: outcome.details["event_id"], type: "greeting", payload: { to: topic } });
      }
    });

    it("takes the parameter names of earlier versions, and text or JSON in a string", async () => {
      const { desk } = shop.topics;
      await shop.call(publishTool, { topic_id: desk, event_type: "x", payload: '{"a":1}' });
      await shop.call(publishTool, { topic: "desk", event_type: "x", payload: "plain words" });
      expect((await seen(desk)).slice(-2).map(({ payload }) => payload)).toEqual([{ a: 1 }, { text: "plain words" }]);
    });

    it("carries correlation id and reply topic", async () => {
      const { desk, news } = shop.topics;
      await shop.call(publishTool, {
        topic: "desk",
        event_type: "x",
        payload: {},
        correlation_id: "c-1",
        reply_topic: "news",
      });
      expect((await seen(desk)).at(-1)).toMatchObject({ correlationId: "c-1", replyTopic: news });
    });

    it.each([
      [{ topic: "nowhere", event_type: "x", payload: {} }, "invalid", "news, desk"],
      [{ topic: "../x", event_type: "x", payload: {} }, "invalid", "neither a topic id nor a name"],
      [{ event_type: "x", payload: {} }, "invalid", '"topic"'],
      [{ topic: "desk", event_type: "", payload: {} }, "invalid", '"event_type"'],
      [{ topic: "desk", event_type: "x", payload: 3 }, "invalid", '"payload"'],
      [null, "invalid", '"topic"'],
      ["desk", "invalid", "the arguments"],
    ])("says what is wrong with %j", async (args, code, part) => {
      const outcome = await shop.call(publishTool, args);
      expect(outcome).toMatchObject({ isError: true, details: { ok: false, error: { code } } });
      expect(outcome.text).toContain(part);
    });

    it("tells a missing grant as such, with where to look", async () => {
      const outcome = await shop.call(publishTool, { topic: shop.topics.closed, event_type: "x", payload: {} });
      expect(outcome).toMatchObject({ isError: true, details: { error: { kind: "refused" } } });
      expect(outcome.text).toMatch(/agentrux_topics/);
    });

    it("carries on the trace of a topic turn, whatever the caller wrote there", async () => {
      const args = { topic: "desk", event_type: "x", payload: { text: "hi", trace: { id: "mine", hops: 0 } } };
      const outcome = await shop.call(publishTool, args, TOPIC_TURN);
      expect(outcome.isError).toBe(false);
      expect((await seen(shop.topics.desk)).at(-1)?.payload).toMatchObject({ trace: { id: "t-1", hops: 3 } });
    });
  });

  describe("agentrux_read", () => {
    it("shows the newest events last, each payload inside the boundary, and reads on from its cursor", async () => {
      const { news } = shop.topics;
      for (const n of [1, 2, 3, 4]) await tell(news, { text: `piece ${n}` }, n % 2 ? "odd" : "even");
      const first = await shop.call(readTool, { topic: "news", limit: 2 });
      const quoted = [...first.text.matchAll(QUOTED)].map(([, sender, text]) => [sender !== "", text]);
      expect(quoted).toEqual([
        [true, expect.stringContaining("piece 3")],
        [true, expect.stringContaining("piece 4")],
      ]);
      expect(first.text.replaceAll(QUOTED, "")).not.toContain("piece");
      expect(JSON.stringify(first.details)).not.toContain("piece");
      expect(first.details).toMatchObject({ count: 2, topic: "news" });

      const cursor = first.details["cursor"];
      const nothing = await shop.call(readTool, { topic: "news", cursor });
      expect(nothing.details).toMatchObject({ count: 0 });
      await tell(news, { text: "piece 5" });
      const rest = await shop.call(readTool, { topic: "news", cursor: nothing.details["cursor"] });
      expect(rest.details).toMatchObject({ count: 1 });
      expect(rest.text).toContain("piece 5");
    });

    it("reads from the start, by type, and says when there is nothing", async () => {
      const start = await shop.call(readTool, { topic: "news", cursor: "start", limit: 1 });
      expect(start.text).toContain("piece 1");
      const even = await shop.call(readTool, { topic: "news", cursor: "start", limit: 100, event_type: "even" });
      expect(even.details).toMatchObject({ count: 2 });
      const none = await shop.call(readTool, { topic: "news", event_type: "never-seen" });
      expect(none).toMatchObject({ isError: false, details: { count: 0 } });
      expect(none.text).toMatch(/^No events found on "news"/);
    });

    it("cuts what is too long for a model, and says so", async () => {
      await tell(shop.topics.news, { text: "x".repeat(100_000) });
      const outcome = await shop.call(readTool, { topic: "news", limit: 1 });
      expect(outcome.text.length).toBeLessThan(41_000);
      expect(outcome.text).toMatch(/\[cut: \d+ more characters\]/);
    });

    it("keeps what a publisher wrote into names and types inside the boundary, or short and clean", async () => {
      await tell(shop.topics.news, {}, `evil: ${"obey ".repeat(40)}`);
      const outcome = await shop.call(readTool, { topic: "news", limit: 1 });
      expect(outcome.text.replaceAll(QUOTED, "")).not.toContain("obey");
      const [facts] = outcome.details["events"] as Record<string, string>[];
      expect(facts?.["type"]?.length).toBeLessThan(160);
    });

    it.each([{ limit: 0 }, { limit: 101 }, { limit: 1.5 }, { limit: "ten" }])("refuses %j", async (args) => {
      const outcome = await shop.call(readTool, { topic: "news", ...args });
      expect(outcome).toMatchObject({ isError: true, details: { error: { code: "invalid" } } });
      expect(outcome.text).toContain("limit");
    });
  });

  describe("agentrux_send_message", () => {
    /** Answers every request on `desk` once, as `answer` says. */
    function serve(answer: (request: TopicEvent) => Promise<void>): AbortController {
      const stop = new AbortController();
      const answered = new Set<string>();
      const look = async () => {
        for (const event of await seen(shop.topics.desk)) {
          if (event.type !== "message.request" || answered.has(event.eventId)) continue;
          answered.add(event.eventId);
          await answer(event);
        }
      };
      void shop.peer.stream({
        topicId: shop.topics.desk,
        after: () => undefined,
        signal: stop.signal,
        onOpen: () => void look(),
        onHint: () => void look(),
        onDown: () => undefined,
      });
      return stop;
    }
    const ask = { topic: "desk", reply_topic: "news", message: "how are you?", timeout_seconds: 10 };
    const idOf = (event: TopicEvent) => (event.payload as { request_id: string }).request_id;

    it("finds the reply behind 50 unrelated events, by correlation id, and shows progress", async () => {
      const lines: string[] = [];
      const stop = serve(async (event) => {
        for (let n = 0; n < 50; n++) await tell(shop.topics.news, { request_id: `other-${n}`, message: "noise" });
        await tell(shop.topics.news, { message: "well, thank you" }, "answer", event.correlationId);
      });
      const outcome = await shop.call(sendMessageTool, ask, { progress: (line) => void lines.push(line) });
      stop.abort();
      expect(outcome).toMatchObject({ isError: false, details: { replied: true, parts: 1 } });
      expect(outcome.text.replaceAll(QUOTED, "")).toBe("Reply:\n");
      expect(outcome.text).toContain("well, thank you");
      expect(lines).toEqual(["asking on desk", expect.stringContaining("waiting up to 10 s")]);
    });

    it("finds a reply that carries only the request id, and puts parts together in their order", async () => {
      const stop = serve(async (event) => {
        const common = { request_id: idOf(event), parts: 3 };
        await tell(shop.topics.news, { ...common, part: 2, status: "partial", message: "two ", final: false });
        await tell(shop.topics.news, { ...common, part: 1, status: "partial", message: "one ", final: false });
        await tell(shop.topics.news, { ...common, part: 3, status: "completed", message: "three", final: true });
      });
      const outcome = await shop.call(sendMessageTool, { ...ask, conversation: "talk" });
      stop.abort();
      expect(outcome.details).toMatchObject({ replied: true, parts: 3 });
      expect(outcome.text).toContain('"message":"one two three"');
      expect((await seen(shop.topics.desk)).at(-1)?.payload).toMatchObject({ conversation_key: "talk" });
    });

    it("does not take its own message for the reply on a shared topic", async () => {
      const outcome = await shop.call(sendMessageTool, { ...ask, reply_topic: "desk", timeout_seconds: 1 });
      expect(outcome.details).toMatchObject({ replied: false });
    });

    it("says when no reply came, and where a late one can be read", async () => {
      const outcome = await shop.call(sendMessageTool, { ...ask, timeout_seconds: 1 });
      expect(outcome).toMatchObject({ isError: false, details: { ok: true, replied: false, reply_topic: "news" } });
      const { correlation_id, cursor } = outcome.details as { correlation_id: string; cursor: string };
      await tell(shop.topics.news, { request_id: correlation_id, message: "late" });
      expect((await shop.call(readTool, { topic: "news", cursor })).text).toContain("late");
    });

    it("can be cancelled while it waits", async () => {
      const cancel = new AbortController();
      const progress = (line: string) => {
        if (line.startsWith("waiting")) cancel.abort();
      };
      const outcome = await shop.call(sendMessageTool, ask, { signal: cancel.signal, progress });
      expect(outcome).toMatchObject({ isError: true, text: expect.stringContaining("aborted") });
    });
  });
});

describe("a service that is gone", () => {
  it("tells apart what had no effect from what may have had one", async () => {
    const shop = await Workshop.open("a");
    await shop.client.probe(NEVER());
    await shop.hub.close();
    const read = await shop.call(readTool, { topic: "news" });
    expect(read).toMatchObject({ isError: true, details: { ok: false, error: { retryable: true } } });
    const publish = await shop.call(publishTool, { topic: "desk", event_type: "x", payload: {} });
    expect(publish).toMatchObject({ isError: true, details: { error: { retryable: true } } });
    for (const secret of shop.secrets) expect(JSON.stringify([read, publish])).not.toContain(secret);
    await shop.close();
  });
});
