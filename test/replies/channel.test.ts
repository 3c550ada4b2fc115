import { describe, expect, it } from "vitest";
import { AgentruxError } from "../../src/errors.ts";
import { createReplyChannel } from "../../src/replies/channel.ts";
import type {
  EventPage,
  Generation,
  PublishRequest,
  PullRequest,
  ServiceClient,
  TopicEvent,
} from "../../src/service/types.ts";

const signal = new AbortController().signal;
const SINCE = Date.parse("2026-06-01T00:00:00Z");

function clientWith(
  pull: (request: PullRequest) => Promise<EventPage>,
  generation: Generation = "a",
): ServiceClient & { published: PublishRequest[] } {
  const published: PublishRequest[] = [];
  const unused = (): never => {
    throw new Error("not used here");
  };
  return {
    generation,
    published,
    pull,
    async publish(request) {
      published.push(request);
      return { eventId: "evt_1", replayed: false };
    },
    stream: unused,
    topics: unused,
    createObject: unused,
    objectInfo: unused,
    probe: unused,
    close: unused,
  };
}

const event = (replyId: unknown, storedAt: string): TopicEvent => ({
  topicId: "res",
  eventId: "e",
  cursor: "1",
  type: "openclaw.response",
  payload: replyId === undefined ? null : { reply_id: replyId },
  storedAt,
});

const page = (events: readonly TopicEvent[]): Promise<EventPage> => Promise.resolve({ events, malformed: 0 });
const filled = (storedAt: string): readonly TopicEvent[] =>
  Array.from({ length: 100 }, () => event(undefined, storedAt));

describe("the way to the result topic", () => {
  it("publishes under the reply's id", async () => {
    const client = clientWith(() => page([]));
    const channel = createReplyChannel(client, "res");
    await channel.publish({ type: "openclaw.response", payload: { a: 1 }, correlationId: "c" }, "idk_1", signal);
    expect(client.published).toEqual([
      {
        topicId: "res",
        type: "openclaw.response",
        payload: { a: 1 },
        correlationId: "c",
        idempotencyKey: "idk_1",
        signal,
      },
    ]);
  });

  it("knows which generation recognises a repeat", () => {
    expect(
      createReplyChannel(
        clientWith(() => page([]), "a"),
        "res",
      ).recognisesRepeats,
    ).toBe(false);
    expect(
      createReplyChannel(
        clientWith(() => page([]), "b"),
        "res",
      ).recognisesRepeats,
    ).toBe(true);
  });

  it.each([
    [
      "found among the newest",
      [event("idk_0", "2026-06-02T00:00:00Z"), event("idk_1", "2026-06-02T00:00:00Z")],
      "found",
    ],
    ["absent when the topic is short", [event("idk_0", "2026-06-02T00:00:00Z")], "absent"],
    ["absent when the topic is empty", [], "absent"],
    ["absent when the page reaches back far enough", filled("2026-05-01T00:00:00Z"), "absent"],
    ["unknown when too much has happened since", filled("2026-06-02T00:00:00Z"), "unknown"],
    ["unknown when times are missing", filled(""), "unknown"],
  ] as const)("finds a reply: %s", async (_name, events, expected) => {
    const requests: PullRequest[] = [];
    const client = clientWith((request) => {
      requests.push(request);
      return page(events);
    });
    expect(await createReplyChannel(client, "res").find("idk_1", SINCE, signal)).toBe(expected);
    expect(requests).toMatchObject([{ topicId: "res", order: "desc" }]);
  });

  it("cannot tell when it may not read, and fails when the network does", async () => {
    const failing = (code: "forbidden" | "network"): ServiceClient =>
      clientWith(() =>
        Promise.reject(new AgentruxError(code, code, { kind: code === "network" ? "unknown" : "refused" })),
      );
    expect(await createReplyChannel(failing("forbidden"), "res").find("idk_1", SINCE, signal)).toBe("unknown");
    await expect(createReplyChannel(failing("network"), "res").find("idk_1", SINCE, signal)).rejects.toMatchObject({
      code: "network",
    });
  });
});
