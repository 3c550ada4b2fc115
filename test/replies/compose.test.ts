import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NewReply, UnsentReply } from "../../src/journal/types.ts";
import { composeReply, MAX_PART_BYTES, type OutgoingEvent, replacementFor } from "../../src/replies/compose.ts";
import { looksLikeReplyId, replyIdOf } from "../../src/replies/reply-id.ts";
import { splitForJson } from "../../src/replies/split.ts";
import { command } from "./support.ts";

const eventOf = (reply: NewReply | undefined): OutgoingEvent => JSON.parse(reply?.body ?? "null") as OutgoingEvent;

describe("a reply", () => {
  it("is one final event that names what it answers", () => {
    const replies = composeReply(command({ correlationId: "corr" }), { status: "completed", message: "pong" }, 0);
    expect(replies).toHaveLength(1);
    const replyId = replyIdOf("ab".repeat(16), 0, 1);
    expect(replies[0]).toMatchObject({ part: 1, replyId });
    expect(eventOf(replies[0])).toEqual({
      type: "openclaw.response",
      correlationId: "corr",
      payload: {
        request_id: "r1",
        conversation_key: "c1",
        trace: { id: "trace", hops: 3 },
        reply_id: replyId,
        status: "completed",
        message: "pong",
        final: true,
      },
    });
  });

  it("says what went wrong, and carries the files", () => {
    const error = { code: "timeout", message: "too long" };
    const attachments = [{ name: "a.txt", object_id: "obj_1", content_type: "text/plain" }];
    const [reply] = composeReply(command(), { status: "timeout", message: "too long", error, attachments }, 0);
    expect(eventOf(reply).payload).toMatchObject({ status: "timeout", error, attachments });
    expect(eventOf(reply)).not.toHaveProperty("correlationId");
  });

  it("has an id that only depends on what is answered", () => {
    const ids = [
      replyIdOf("aa", 0, 1),
      replyIdOf("aa", 0, 2),
      replyIdOf("aa", 1, 1),
      replyIdOf("ab", 0, 1),
      replyIdOf("aa", 0, 11),
    ];
    expect(new Set(ids).size).toBe(ids.length);
    expect(replyIdOf("aa", 0, 1)).toBe(ids[0]);
    expect(ids[0]).toMatch(/^idk_[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(ids.every(looksLikeReplyId)).toBe(true);
    for (const other of ["idk_1", "", null, 7, `${ids[0]}x`]) expect(looksLikeReplyId(other)).toBe(false);
  });

  it("is cut into numbered parts when it is long, of which only the last is terminal", () => {
    const message = '日本語 "quoted" \n😀'.repeat(40_000);
    const attachments = [{ name: "a", object_id: "obj_1", content_type: "text/plain" }];
    const replies = composeReply(command(), { status: "completed", message, attachments }, 0);
    expect(replies.length).toBeGreaterThan(3);
    const payloads = replies.map((reply) => eventOf(reply).payload);
    expect(payloads.map((payload) => payload["message"]).join("")).toBe(message);
    expect(payloads.map((payload) => payload["part"])).toEqual(replies.map((_, index) => index + 1));
    expect(new Set(payloads.map((payload) => payload["parts"]))).toEqual(new Set([replies.length]));
    expect(payloads.map((payload) => payload["final"])).toEqual(
      replies.map((_, index) => index === replies.length - 1),
    );
    expect(new Set(payloads.slice(0, -1).map((payload) => payload["status"]))).toEqual(new Set(["partial"]));
    expect(payloads.at(-1)).toMatchObject({ status: "completed", attachments });
    expect(payloads[0]).not.toHaveProperty("attachments");
    expect(new Set(replies.map((reply) => reply.replyId)).size).toBe(replies.length);
    for (const reply of replies) expect(Buffer.byteLength(reply.body)).toBeLessThanOrEqual(MAX_PART_BYTES);
  });

  it("fits the limit whatever its text and frame are made of", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary", maxLength: 200 }),
      fc.constantFrom("\u0000", '"', "\\", "\ud800", "😀", "é", "\u2028"),
    );
    fc.assert(
      fc.property(
        text,
        fc.integer({ min: 1, max: 60_000 }),
        fc.string({ maxLength: 500 }),
        (unit, times, requestId) => {
          const message = unit.repeat(Math.ceil(times / Math.max(unit.length, 1)));
          const replies = composeReply(command({ requestId }), { status: "completed", message }, 0);
          const joined = replies.map((reply) => String(eventOf(reply).payload["message"])).join("");
          expect(joined === JSON.parse(JSON.stringify(message))).toBe(true);
          for (const reply of replies) expect(Buffer.byteLength(reply.body)).toBeLessThanOrEqual(MAX_PART_BYTES);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("cutting", () => {
  it("loses nothing, exceeds nothing, and leaves characters whole", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), fc.integer({ min: 6, max: 60 }), (text, maxBytes) => {
        const pieces = splitForJson(text, maxBytes);
        expect(pieces.join("")).toBe(text);
        for (const piece of pieces) {
          expect(Buffer.byteLength(JSON.stringify(piece)) - 2).toBeLessThanOrEqual(maxBytes);
          if (text.isWellFormed()) expect(piece.isWellFormed()).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("gives one empty piece for an empty text, and needs room for a character", () => {
    expect(splitForJson("", 6)).toEqual([""]);
    expect(() => splitForJson("x", 5)).toThrow(RangeError);
  });
});

describe("the replacement for a refused reply", () => {
  const unsent = (reply: NewReply): UnsentReply => ({
    ...reply,
    id: 1,
    command: 1,
    state: "pending",
    attempts: 1,
    notBefore: 0,
    createdAt: 0,
  });

  it("tells the requester, under an id of its own, and is made only once", () => {
    const [reply] = composeReply(command({ correlationId: "corr" }), { status: "completed", message: "x" }, 0);
    if (reply === undefined) throw new Error("no reply");
    const replacement = replacementFor(unsent(reply), "payload_too_large");
    if (replacement === undefined) throw new Error("no replacement");
    expect(replacement.replyId).not.toBe(reply.replyId);
    expect(looksLikeReplyId(replacement.replyId)).toBe(true);
    expect(eventOf(replacement)).toMatchObject({
      correlationId: "corr",
      payload: {
        request_id: "r1",
        status: "failed",
        final: true,
        error: { code: "reply_refused" },
        reply_id: replacement.replyId,
      },
    });
    expect(replacementFor(unsent(replacement), "invalid")).toBeUndefined();
    // One that failed for another reason can be replaced; without a correlation id there is none.
    const error = { code: "agent_failed", message: "no" };
    const [failed] = composeReply(command(), { status: "failed", message: "no", error }, 0);
    if (failed === undefined) throw new Error("no reply");
    const other = eventOf(replacementFor(unsent(failed), "invalid"));
    expect(other.payload["error"]).toMatchObject({ code: "reply_refused" });
    expect(other).not.toHaveProperty("correlationId");
  });
});
