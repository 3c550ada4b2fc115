import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  commandIdOf,
  conversationHash,
  MAX_MESSAGE_CHARS,
  parseEvent,
  refusalKeyOf,
  requestKeyOf,
  type ParsedEvent,
} from "../../src/intake/command.ts";
import { replyIdOf } from "../../src/replies/reply-id.ts";
import type { Command } from "../../src/replies/turn.ts";
import type { TopicEvent } from "../../src/service/types.ts";

/** FUZZ_RUNS=100000 for the long run. */
const FUZZ_RUNS = Number(process.env["FUZZ_RUNS"] ?? 3_000);
const TOPIC = "6f1c1f9e-0000-4000-8000-000000000001";

function event(payload: unknown, extra: Partial<TopicEvent> = {}): TopicEvent {
  return { topicId: TOPIC, eventId: "evt_1", cursor: "1", type: "openclaw.request", payload, ...extra };
}

function commandOf(parsed: ParsedEvent): Command {
  if (parsed.kind !== "command") throw new Error(`expected a command, got ${JSON.stringify(parsed)}`);
  return parsed.command;
}

describe("a command", () => {
  it("is read from message, text or content, in this order", () => {
    expect(commandOf(parseEvent(event({ message: "a", text: "b", content: "c" }))).message).toBe("a");
    expect(commandOf(parseEvent(event({ message: "", text: "b" }))).message).toBe("b");
    expect(commandOf(parseEvent(event({ message: false, text: "b" }))).message).toBe("b");
    expect(commandOf(parseEvent(event({ content: "c", format: "markdown" }))).message).toBe("c");
    expect(commandOf(parseEvent(event({ message: 42 }))).message).toBe("42");
  });

  it("has the documented defaults", () => {
    const parsed = parseEvent(event({ message: "a" }));
    expect(commandOf(parsed)).toStrictEqual({
      commandId: commandIdOf(TOPIC, "evt_1"),
      topicId: TOPIC,
      eventId: "evt_1",
      requestId: "evt_1",
      conversationKey: "default",
      message: "a",
      attachments: [],
      eventType: "openclaw.request",
      hops: 0,
      traceId: commandIdOf(TOPIC, "evt_1"),
    });
    expect(parsed).toMatchObject({ requestIdGiven: false });
  });

  it("remembers whether the requester chose the request id", () => {
    const parsed = parseEvent(event({ message: "a", request_id: "r1", conversation_key: "c1" }));
    expect(parsed).toMatchObject({ requestIdGiven: true, command: { requestId: "r1", conversationKey: "c1" } });
    expect(parseEvent(event({ message: "a", request_id: 7 }))).toMatchObject({ command: { requestId: "7" } });
    const fromMetadata = event({ content: "a" }, { metadata: { request_id: "r2", conversation_key: "c2" } });
    expect(parseEvent(fromMetadata)).toMatchObject({ command: { requestId: "r2", conversationKey: "c2" } });
  });

  it("keeps what the event tells of itself", () => {
    const extra = { producer: "scr_9", correlationId: "corr", storedAt: "2026-01-01T00:00:00Z" };
    expect(commandOf(parseEvent(event({ message: "a" }, extra)))).toMatchObject(extra);
  });

  it("has the same id whichever generation wrote the event id", () => {
    expect(commandIdOf(TOPIC, "evt_abc")).toBe(commandIdOf(TOPIC, "abc"));
    expect(commandIdOf(TOPIC, "abc")).toMatch(/^[0-9a-f]{32}$/);
    expect(commandIdOf(TOPIC, "abc")).not.toBe(commandIdOf(`${TOPIC}x`, "abc"));
    expect(commandIdOf(TOPIC, "a_evt_b")).not.toBe(commandIdOf(TOPIC, "a_b"));
  });

  it("is known by the same ids in every release: they are on disk, in addresses and in session keys", () => {
    const known = commandOf(parseEvent(event({ message: "a", request_id: "r" }, { producer: "p" })));
    expect(known.commandId).toBe("93ad5e5731e17e9c72ee90a80a42f607");
    expect(requestKeyOf(known)).toBe("a50f7f9da2882b984f56d6bd1665f61d");
    expect(conversationHash(known)).toBe("251534dcd3eaea4f9411df3f1dcece16");
    expect(refusalKeyOf(known, 7)).toBe("6c4efa91d9a961b0f551da1b7a24fac1");
    const { producer: _, ...nobody } = known;
    expect(requestKeyOf(nobody)).toBe("f2b2fc76df307b0ddb98d9db6dbf82bc");
    expect(conversationHash(nobody)).toBe("7665146a010e7ee5ed555df8835b0327");
  });
});

describe("conversations and requests", () => {
  const base = commandOf(parseEvent(event({ message: "a", request_id: "r" }, { producer: "p" })));

  it("differ by topic, producer and key, however the parts are cut", () => {
    const variants = [
      base,
      { ...base, topicId: "other" },
      { ...base, producer: "q" },
      { ...base, conversationKey: "k" },
      { ...base, producer: "pd", conversationKey: "efault" },
    ];
    expect(new Set(variants.map(conversationHash)).size).toBe(variants.length);
    const another = { ...base, requestId: "else", eventId: "else" };
    expect(conversationHash(another)).toBe(conversationHash(base));
    const requests = [base, { ...base, topicId: "other" }, { ...base, producer: "q" }, { ...base, requestId: "s" }];
    expect(new Set(requests.map(requestKeyOf)).size).toBe(requests.length);
  });
});

describe("attachments", () => {
  const attachmentsOf = (value: unknown): unknown =>
    commandOf(parseEvent(event({ message: "a", attachments: value }))).attachments;

  it("are taken one by one, by either name of their fields", () => {
    const first = { name: "a.txt", object_id: "obj_1", content_type: "text/plain" };
    const second = { filename: "b", payload_object_id: "pob_2", presigned_get_url: "https://x/y" };
    const third = { download_url: "https://x/z" };
    expect(attachmentsOf([first, second, third])).toStrictEqual([
      { name: "a.txt", objectId: "obj_1", contentType: "text/plain" },
      { name: "b", objectId: "pob_2", downloadUrl: "https://x/y" },
      { downloadUrl: "https://x/z" },
    ]);
  });

  it("keep their place when nothing usable is said of them", () => {
    const listed = [null, "x", 7, [], {}, { name: "no source" }, { object_id: "o".repeat(10_000) }];
    expect(attachmentsOf(listed)).toStrictEqual([{}, {}, {}, {}, {}, { name: "no source" }, {}]);
  });

  it("that are no list, or far too many, do no harm", () => {
    expect(attachmentsOf({ a: 1 })).toEqual([]);
    expect(attachmentsOf("x")).toEqual([]);
    const many = Array.from({ length: 10_000 }, () => ({ object_id: "o" }));
    const command = commandOf(parseEvent(event({ message: "a", attachments: many })));
    expect(command.attachments).toHaveLength(64);
    expect(command.attachmentsBeyond).toBe(10_000 - 64);
  });
});

describe("events passed over", () => {
  const reasonOf = (one: TopicEvent, ownScriptId?: string): unknown => {
    const parsed = parseEvent(one, ownScriptId === undefined ? {} : { ownScriptId });
    return parsed.kind === "ignored" ? parsed.reason : parsed.kind;
  };

  it("hold no message", () => {
    for (const payload of [
      null,
      undefined,
      "text",
      7,
      [],
      ["message"],
      {},
      { message: "" },
      { message: null },
      { attachments: [] },
    ]) {
      expect(reasonOf(event(payload))).toBe("no_message");
    }
  });

  it("are our own, when our script is known", () => {
    expect(reasonOf(event({ message: "a" }, { producer: "scr_me" }), "scr_me")).toBe("own_event");
    expect(reasonOf(event({ message: "a" }, { producer: "scr_other" }), "scr_me")).toBe("command");
    expect(reasonOf(event({ message: "a" }), "scr_me")).toBe("command");
  });

  it("are results, whoever publishes them", () => {
    expect(reasonOf(event({ message: "done" }, { type: "openclaw.response" }))).toBe("result_type");
    expect(reasonOf(event({ content: "x" }, { type: "composer.upload" }))).toBe("result_type");
    expect(reasonOf(event({ content: "x" }, { type: "composer.text" }))).toBe("command");
  });

  it("carry a reply id, in the payload or beside it", () => {
    const replyId = replyIdOf("abc", 0, 1);
    expect(reasonOf(event({ message: "a", reply_id: replyId }))).toBe("reply");
    expect(reasonOf(event({ content: "a" }, { type: "composer.text", metadata: { reply_id: replyId } }))).toBe("reply");
    expect(reasonOf(event({ message: "a", reply_id: "something of mine" }))).toBe("command");
  });
});

describe("commands refused", () => {
  it("are too large, and told so", () => {
    const parsed = parseEvent(event({ message: "x".repeat(MAX_MESSAGE_CHARS + 1), request_id: "r" }));
    expect(parsed).toMatchObject({
      kind: "rejected",
      reason: "too_large",
      replyable: true,
      command: { requestId: "r", message: "" },
    });
    expect(parseEvent(event({ message: "x".repeat(MAX_MESSAGE_CHARS) })).kind).toBe("command");
  });

  it("have a field that cannot be used", () => {
    for (const payload of [
      { message: { a: 1 } },
      { message: true },
      { message: "a", request_id: "r".repeat(600) },
      { message: "a", conversation_key: "c".repeat(600) },
    ]) {
      expect(parseEvent(event(payload))).toMatchObject({ kind: "rejected", reason: "bad_field", replyable: true });
    }
    expect(parseEvent(event({ message: { a: 1 } }))).toMatchObject({ command: { message: "" } });
    // The refusal itself has to be one that can be sent.
    expect(parseEvent(event({ message: "a", request_id: "r".repeat(513) }))).toMatchObject({
      kind: "rejected",
      requestIdGiven: false,
      command: { requestId: "evt_1" },
    });
    expect(parseEvent(event({ message: "a", conversation_key: "c".repeat(513) }))).toMatchObject({
      kind: "rejected",
      command: { conversationKey: "c".repeat(512) },
    });
    const longest = { message: "a", request_id: "r".repeat(512), conversation_key: "c".repeat(512) };
    expect(parseEvent(event(longest))).toMatchObject({ kind: "command", requestIdGiven: true });
  });

  it("have passed through too many agents; what answers the refusal is not even answered", () => {
    const hops = (n: unknown): ParsedEvent => parseEvent(event({ message: "a", trace: { id: "t", hops: n } }));
    expect(hops(1)).toMatchObject({ kind: "command", command: { hops: 1 } });
    expect(hops(8)).toMatchObject({ kind: "command", command: { hops: 8, traceId: "t" } });
    expect(hops(9)).toMatchObject({ kind: "rejected", reason: "too_many_hops", replyable: true });
    expect(hops(10)).toMatchObject({ kind: "rejected", replyable: false });
    expect(hops("9")).toMatchObject({ kind: "rejected" });
    expect(parseEvent(event({ message: "a", trace: { hops: 2 } }), { maxHops: 1 })).toMatchObject({ kind: "rejected" });
    expect(parseEvent(event({ content: "a" }, { metadata: { trace: { id: "m", hops: 3 } } }))).toMatchObject({
      command: { hops: 3, traceId: "m" },
    });
  });

  it("are not those with a trace that makes no sense", () => {
    const longest = { id: "i".repeat(128) };
    expect(commandOf(parseEvent(event({ message: "a", trace: longest }))).traceId).toBe(longest.id);
    for (const trace of [
      null,
      "x",
      [],
      { hops: -1 },
      { hops: "many" },
      { hops: "Infinity" },
      { hops: Number.NaN },
      { hops: null },
      { id: "i".repeat(500) },
    ]) {
      expect(commandOf(parseEvent(event({ message: "a", trace })))).toMatchObject({
        hops: 0,
        traceId: commandIdOf(TOPIC, "evt_1"),
      });
    }
  });
});

describe("whatever is published", () => {
  const poison = fc.anything({ withBigInt: true, withNullPrototype: true, maxDepth: 3 });
  const shaped = fc.record(
    {
      message: fc.oneof(fc.string({ unit: "binary" }), poison),
      text: poison,
      content: poison,
      request_id: fc.oneof(fc.string(), poison),
      conversation_key: fc.oneof(fc.string(), poison),
      attachments: fc.oneof(fc.array(poison), fc.array(fc.record({ object_id: poison, name: poison })), poison),
      trace: fc.oneof(fc.record({ id: poison, hops: poison }), poison),
      reply_id: poison,
    },
    { requiredKeys: [] },
  );

  it("is read without throwing, and what comes out can be written down", () => {
    fc.assert(
      fc.property(
        fc.oneof(shaped, poison),
        fc.oneof(shaped, fc.constant(undefined)),
        fc.string(),
        (payload, metadata, type) => {
          const parsed = parseEvent(event(payload, { type, ...(metadata === undefined ? {} : { metadata }) }));
          if (parsed.kind === "ignored") return;
          const { command } = parsed;
          expect(JSON.parse(JSON.stringify(command))).toEqual(command);
          expect(command.requestId.length).toBeLessThanOrEqual(512);
          expect(command.conversationKey.length).toBeLessThanOrEqual(512);
          expect(Number.isSafeInteger(command.hops)).toBe(true);
        },
      ),
      { numRuns: FUZZ_RUNS },
    );
  });
});
