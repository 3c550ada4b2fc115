import { describe, expect, it } from "vitest";
import { AgentruxError } from "../../src/errors.ts";
import { createReplyChannel } from "../../src/replies/channel.ts";
import type { ReplyFile } from "../../src/replies/files.ts";
import type {
  EventPage,
  Generation,
  PublishRequest,
  PullRequest,
  ServiceClient,
  TopicEvent,
  UploadSource,
} from "../../src/service/types.ts";

const signal = new AbortController().signal;
const AGE_MS = 86_400_000;

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
describe("the way to the result topic", () => {
  it("publishes under the reply's id", async () => {
    const client = clientWith(() => page([]));
    const channel = createReplyChannel(client, "res");
    await channel.publish({ type: "openclaw.response", payload: { a: 1 }, correlationId: "c" }, "idk_1", signal);
    await channel.publish({ type: "composer.text", payload: {}, metadata: { reply_id: "idk_2" } }, "idk_2", signal);
    const sent = { reference: { objectId: "obj_9" }, generation: "b", uploadedAt: 0 } as const;
    const file = { name: "a", contentType: "text/plain", spool: "a", size: 1, sha256: "00", object: sent };
    await channel.publish({ type: "composer.upload", payload: {}, files: [file] }, "idk_3", signal);
    const request = { topicId: "res", signal };
    expect(client.published).toStrictEqual([
      { ...request, type: "openclaw.response", payload: { a: 1 }, correlationId: "c", idempotencyKey: "idk_1" },
      { ...request, type: "composer.text", payload: {}, metadata: { reply_id: "idk_2" }, idempotencyKey: "idk_2" },
      { ...request, type: "composer.upload", payloadRef: "obj_9", idempotencyKey: "idk_3" },
    ]);
  });

  it("uploads texts and files to the topic, and lets go of copies by name", async () => {
    const created: unknown[] = [];
    const discarded: string[] = [];
    const sourceOf = (text: string): UploadSource => ({
      size: text.length,
      sha256: new Uint8Array(32),
      async *stream() {
        yield Buffer.from(text);
      },
    });
    const bytes = sourceOf("copy");
    const client: ServiceClient = {
      ...clientWith(() => page([])),
      async createObject(request) {
        created.push(request);
        return { objectId: "obj_1" };
      },
    };
    const copies = {
      source: async ({ spool }: ReplyFile) => (spool === "spool-a" ? bytes : sourceOf("another")),
      async discard(names: readonly string[]) {
        discarded.push(...names);
      },
    };
    const channel = createReplyChannel(client, "res", copies);
    const file = { name: "a.txt", contentType: "text/plain", spool: "spool-a", size: 4, sha256: "00" };
    expect(await channel.files?.upload(file, signal)).toEqual({ objectId: "obj_1" });
    await channel.files?.discard([file]);
    await channel.upload("long text", signal);
    expect(created).toEqual([
      { topicId: "res", bytes, contentType: "text/plain", filename: "a.txt", signal },
      {
        topicId: "res",
        bytes: Buffer.from("long text"),
        contentType: expect.stringMatching(/^text\//),
        filename: expect.stringMatching(/^[\w-]+\.\w+$/),
        signal,
      },
    ]);
    expect(discarded).toEqual(["spool-a"]);
    expect(createReplyChannel(client, "res")).not.toHaveProperty("files");
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
    [
      "found by what stands beside the payload",
      [{ ...event(undefined, "2026-06-02T00:00:00Z"), metadata: { reply_id: "idk_1" } }],
      "found",
    ],
    ["absent when the topic is short", [event("idk_0", "2026-06-02T00:00:00Z")], "absent"],
    ["absent when the topic is empty", [], "absent"],
  ] as const)("finds a reply: %s", async (_name, events, expected) => {
    const requests: PullRequest[] = [];
    const client = clientWith((request) => {
      requests.push(request);
      return page(events);
    });
    expect(await createReplyChannel(client, "res").find("idk_1", AGE_MS, signal)).toBe(expected);
    expect(requests).toMatchObject([{ topicId: "res", order: "desc" }]);
  });

  /** A topic of `length` events, the newest stored at `end` and each older one `stepMs` before. */
  function longTopic(length: number, stepMs: number, reply?: number) {
    const end = Date.parse("2026-06-02T00:00:00Z");
    const requests: PullRequest[] = [];
    const client = clientWith((request) => {
      requests.push(request);
      const from = request.after === undefined ? 0 : length - Number(request.after) + 1;
      const indexes = Array.from({ length: Math.max(0, Math.min(100, length - from)) }, (_, index) => from + index);
      return page(
        indexes.map((index) => ({
          ...event(index === reply ? "idk_1" : undefined, new Date(end - index * stepMs).toISOString()),
          cursor: String(length - index),
        })),
      );
    });
    return { requests, find: (ageMs: number) => createReplyChannel(client, "res").find("idk_1", ageMs, signal) };
  }

  it("finds a reply that much has been published after", async () => {
    const { find, requests } = longTopic(1_000, 10, 431);
    expect(await find(10_000)).toBe("found");
    expect(requests.map(({ after }) => after)).toEqual([undefined, "901", "801", "701", "601"]);
  });

  it("looks back as far as the reply can be, and no further", async () => {
    const { find, requests } = longTopic(1_000, 10_000);
    expect(await find(980_000)).toBe("absent");
    // 980 s are 98 events, and the slack is for two minutes more.
    expect(requests).toHaveLength(2);
  });

  it("looks beyond a page of which some cannot be read", async () => {
    const at = "2026-06-02T00:00:00Z";
    const client = clientWith((request) =>
      request.after === undefined
        ? Promise.resolve({ events: Array.from({ length: 60 }, () => event("idk_0", at)), malformed: 40 })
        : page([event("idk_1", at)]),
    );
    expect(await createReplyChannel(client, "res").find("idk_1", AGE_MS, signal)).toBe("found");
    expect(createReplyChannel(client, "res").generation).toBe("a");
  });

  it("reaches the beginning of the topic, however old the reply is said to be", async () => {
    const { find, requests } = longTopic(250, 10);
    expect(await find(AGE_MS)).toBe("absent");
    expect(requests).toHaveLength(4);
    expect(await find(-AGE_MS)).toBe("absent");
  });

  it("cannot tell when there is no end to what was published since, or no times", async () => {
    const { find, requests } = longTopic(100_000, 1);
    expect(await find(AGE_MS)).toBe("unknown");
    expect(requests).toHaveLength(50);
    const timeless = clientWith(() => page(Array.from({ length: 100 }, () => event(undefined, ""))));
    expect(await createReplyChannel(timeless, "res").find("idk_1", 0, signal)).toBe("unknown");
  });

  it("cannot tell when it may not read, and fails when the network does", async () => {
    const failing = (code: "forbidden" | "not_found" | "network"): ServiceClient =>
      clientWith(() =>
        Promise.reject(new AgentruxError(code, code, { kind: code === "network" ? "unknown" : "refused" })),
      );
    for (const code of ["forbidden", "not_found"] as const) {
      expect(await createReplyChannel(failing(code), "res").find("idk_1", AGE_MS, signal)).toBe("unknown");
    }
    const unreadable = clientWith((request) =>
      request.after === undefined
        ? page(Array.from({ length: 100 }, () => event(undefined, "2026-06-02T00:00:00Z")))
        : Promise.resolve({ events: [], malformed: 100 }),
    );
    expect(await createReplyChannel(unreadable, "res").find("idk_1", AGE_MS, signal)).toBe("unknown");
    await expect(createReplyChannel(failing("network"), "res").find("idk_1", AGE_MS, signal)).rejects.toMatchObject({
      code: "network",
    });
  });
});
