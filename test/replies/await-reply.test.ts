import { describe, expect, it } from "vitest";
import { type AwaitedReply, awaitReply } from "../../src/replies/await-reply.ts";
import type { PullRequest, ServiceClient, TopicEvent } from "../../src/service/types.ts";

const TOPIC = "11111111-1111-4111-8111-111111111111";

/** What a topic holds: each list is a page. What comes after them never comes. */
function ask(pages: readonly unknown[][], onPart?: (parts: number) => void): Promise<AwaitedReply | undefined> {
  const over = new AbortController();
  const rest = [...pages];
  const client = {
    pull: async ({ after }: PullRequest) => {
      const payloads = rest.shift();
      if (payloads === undefined) over.abort();
      const events = (payloads ?? []).map((payload, index): TopicEvent => ({
        topicId: TOPIC,
        eventId: `e${after}${index}`,
        cursor: `${after}${index}`,
        type: "openclaw.response",
        payload,
      }));
      return { events, malformed: 0 };
    },
    stream: () => Promise.resolve(),
  } as unknown as ServiceClient;
  const options = { topicId: TOPIC, after: "1", requestId: "mine", signal: over.signal };
  return awaitReply(client, { ...options, ...(onPart === undefined ? {} : { onPart }) });
}

const mine = (extra: object): object => ({ request_id: "mine", status: "completed", message: "pong", ...extra });

describe("the reply to a request", () => {
  it.each(["completed", "failed", "timeout", "rejected"])(
    "ends it as %s, with all that its event says",
    async (status) => {
      const payload = mine({ status, error: { code: "x" } });
      expect(await ask([[payload]])).toEqual({ status, message: "pong", complete: true, payload });
    },
  );

  it("is told from everything else on the topic", async () => {
    const others = [
      null,
      7,
      [],
      "mine",
      {},
      { request_id: "other", status: "completed" },
      mine({ status: "accepted", part: 2 }),
    ];
    expect(await ask([others, [mine({ message: "this" })]])).toMatchObject({ message: "this" });
    expect(await ask([others])).toBeUndefined();
  });

  it("is put together by the numbers of its parts, in whatever order and however often they come", async () => {
    const part = (number: number, message: string): object => mine({ status: "partial", part: number, message });
    const seen: number[] = [];
    const pages = [
      [part(10, "j"), part(2, "b")],
      [part(1, "a"), part(2, "b")],
      [mine({ part: 11, parts: 4, message: "k" })],
    ];
    expect(await ask(pages, (parts) => seen.push(parts))).toMatchObject({ message: "abjk", complete: true });
    expect(seen).toEqual([1, 2, 3, 3, 4]);
    // What has no number is the first.
    expect(await ask([[part(1, "a"), part(2, "b")], [mine({ message: "A" })]])).toMatchObject({ message: "Ab" });
  });

  it("is not complete where a part never came, and waits for no part that has no number", async () => {
    expect(await ask([[mine({ part: 3, parts: 3 })]])).toMatchObject({ message: "pong", complete: false });
    for (const part of [0, -1, 10_001]) expect(await ask([[mine({ part })]])).toBeUndefined();
    for (const part of [1, 10_000]) expect(await ask([[mine({ part })]])).toMatchObject({ complete: true });
    for (const part of ["2", 1.5, null])
      expect(await ask([[mine({ part, parts: "9" })]])).toMatchObject({ complete: true });
  });

  it("is empty where its message is no text", async () => {
    expect(await ask([[mine({ message: { a: 1 } })]])).toMatchObject({ message: "" });
  });
});
