import { describe, expect, it } from "vitest";
import { preparePage } from "../../src/intake/admission.ts";
import { type Listening, parseListened } from "../../src/intake/listening.ts";
import { composeReply } from "../../src/replies/compose.ts";
import type { TopicEvent } from "../../src/service/types.ts";
import { deepJson } from "../support/deep.ts";

const TOPIC = "11111111-1111-4111-8111-111111111111";
const listening: Listening = { topics: new Set([TOPIC]), ownScriptId: "me" };
const event = (over: Partial<TopicEvent> = {}): TopicEvent => ({
  topicId: TOPIC,
  eventId: "e-1",
  cursor: "1",
  type: "weather",
  payload: { sky: "clear" },
  producer: "station",
  ...over,
});
const parsed = (over: Partial<TopicEvent> = {}) => parseListened(event(over), listening);

describe("an event of a listening topic", () => {
  it("is a notice, whatever its type and payload", () => {
    for (const payload of [{ sky: "clear" }, "text", 7, null, [1], { message: "" }]) {
      const one = parsed({ payload, type: "openclaw.response" });
      expect(one).toMatchObject({ kind: "command", requestIdGiven: false, command: { isNotice: true } });
      expect(one.kind === "command" && one.command.message).toContain(JSON.stringify(payload));
    }
  });

  it("is told to the agent with all that the service tells of it", () => {
    const one = parsed({ correlationId: "c-1", payloadRef: "pob_1", storedAt: "2026-01-01T00:00:00Z" });
    expect(one).toMatchObject({
      command: {
        message: 'type: weather\ncorrelation_id: c-1\npayload_ref: pob_1\npayload: {"sky":"clear"}',
        correlationId: "c-1",
        storedAt: "2026-01-01T00:00:00Z",
      },
    });
    const { producer: _, ...anonymous } = event({ payload: undefined });
    const bare = parseListened(anonymous, listening);
    expect(bare).toMatchObject({ kind: "command", command: { message: "type: weather\npayload: null" } });
    expect(bare.kind === "command" && Object.keys(bare.command).toSorted()).toEqual([
      "attachments",
      "commandId",
      "conversationKey",
      "eventId",
      "eventType",
      "hops",
      "isNotice",
      "message",
      "requestId",
      "topicId",
      "traceId",
    ]);
    expect(bare).toMatchObject({ command: { attachments: [] } });
  });

  it("is passed over when it is our own", () => {
    expect(parsed({ producer: "me" })).toEqual({ kind: "ignored", reason: "own_event" });
    // Nobody is not us, also before we know who we are.
    const { producer: _, ...anonymous } = event();
    expect(parseListened(anonymous, { topics: listening.topics })).toMatchObject({ kind: "command" });
  });

  it("carries its trace on, and ends where it has gone too far, without an answer", () => {
    expect(parsed({ payload: { trace: { id: "t", hops: 2 } } })).toMatchObject({ command: { traceId: "t", hops: 2 } });
    expect(parsed({ payload: { trace: { hops: 8 } } })).toMatchObject({ kind: "command", command: { hops: 8 } });
    expect(parsed({ payload: { trace: { hops: 9 } } })).toMatchObject({
      kind: "rejected",
      reason: "too_many_hops",
      requestIdGiven: false,
      replyable: false,
    });
    expect(parsed({ metadata: { trace: { hops: 9 } } })).toMatchObject({ kind: "rejected", replyable: false });
  });

  it("starts no turn for a sender whose commands are not taken, and says nothing to them", () => {
    const senders = { dmPolicy: "allowlist", allowFrom: ["friend"] } as const;
    expect(parseListened(event(), listening, { senders })).toMatchObject({ kind: "rejected", replyable: false });
    expect(parseListened(event({ producer: "friend" }), listening, { senders })).toMatchObject({ kind: "command" });
  });

  it("is told also where its payload is nested too deeply to be written as JSON", async () => {
    const deep = event({ eventId: "e-2", payload: { x: deepJson() } });
    const page = await preparePage([event(), deep], { listening }, composeReply, 0, () => Promise.resolve());
    expect(page.rows).toHaveLength(2);
    const one = parseListened(deep, listening);
    expect(one.kind === "command" && one.command.message).toContain("[nested too deeply to be shown]");
  });

  it("is not made into text for a sender who is refused, nor beyond the last hop", () => {
    let written = 0;
    const toJSON = (): void => void (written += 1);
    const senders = { dmPolicy: "disabled", allowFrom: [] } as const;
    for (const one of [
      parseListened(event({ payload: { toJSON } }), listening, { senders }),
      parseListened(event({ payload: { toJSON, trace: { hops: 9 } } }), listening),
    ]) {
      expect(one).toMatchObject({ kind: "rejected", command: { message: "" } });
    }
    expect(written).toBe(0);
  });

  it("keeps producers apart, and is bounded", () => {
    const one = parsed({ payload: "x".repeat(2_000_000) });
    expect(one.kind === "command" && one.command.message.length).toBe(1_048_576);
    expect(one).toMatchObject({ command: { producer: "station", conversationKey: "events" } });
  });

  it("leaves a row without a reply; the same on the command topic is no command", async () => {
    const elsewhere = event({ topicId: "22222222-2222-4222-8222-222222222222" });
    const page = await preparePage([event(), elsewhere], { listening }, composeReply, 0, () => Promise.resolve());
    expect(page.rows).toHaveLength(1);
    expect(page.dropped).toEqual([{ kind: "ignored", reason: "no_message" }]);
    const [taken] = page.taken;
    expect(taken && composeReply(taken.command, { status: "completed", message: "noted" }, 0)).toEqual([]);
  });
});
