import { describe, expect, it } from "vitest";
import type { NewReply } from "../../src/journal/types.ts";
import type { OutgoingEvent } from "../../src/replies/compose.ts";
import { replacementFor } from "../../src/replies/compose.ts";
import { composeForComposer, isComposerRequest } from "../../src/replies/composer-dialect.ts";
import type { ReplyFile } from "../../src/replies/files.ts";
import { looksLikeReplyId } from "../../src/replies/reply-id.ts";
import { command } from "./support.ts";

const eventOf = (reply: NewReply | undefined): OutgoingEvent => JSON.parse(reply?.body ?? "null") as OutgoingEvent;
const file = (name: string): ReplyFile => ({ name, contentType: "text/plain", spool: name, size: 3, sha256: "00" });
const asked = command({ eventType: "composer.text", correlationId: "corr" });
const completed = { status: "completed", message: "done" } as const;

describe("a reply in the dialect of the Composer", () => {
  it("is for its own requests", () => {
    expect(isComposerRequest(asked)).toBe(true);
    expect(isComposerRequest(command())).toBe(false);
    expect(isComposerRequest(command({ eventType: "my.composer.text" }))).toBe(false);
  });

  it("is one text with what any reply says beside it", () => {
    const [reply, ...others] = composeForComposer(asked, completed, 0);
    expect(others).toEqual([]);
    expect(eventOf(reply)).toStrictEqual({
      type: "composer.text",
      payload: { content: "done", format: "markdown" },
      correlationId: "corr",
      metadata: {
        request_id: "r1",
        conversation_key: "c1",
        group_id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/),
        reply_id: reply?.replyId,
        status: "completed",
        final: true,
        trace: { id: "trace", hops: 3 },
      },
    });
    expect(looksLikeReplyId(reply?.replyId)).toBe(true);
    expect(eventOf(composeForComposer(command(), completed, 0)[0])).not.toHaveProperty("correlationId");
  });

  it("is an upload for each file and then the text, one group of numbered parts of which the last is terminal", () => {
    const replies = composeForComposer(asked, { ...completed, files: [file("a"), file("b")] }, 0);
    const events = replies.map(eventOf);
    expect(events.map(({ type }) => type)).toEqual(["composer.upload", "composer.upload", "composer.text"]);
    expect(events.map(({ files }) => files?.map(({ name }) => name))).toEqual([["a"], ["b"], undefined]);
    expect(events[0]?.metadata).toMatchObject({ filename: "a", content_type: "text/plain", size_bytes: 3 });
    expect(events.map(({ metadata }) => [metadata?.["part"], metadata?.["parts"], metadata?.["final"]])).toEqual([
      [1, 3, false],
      [2, 3, false],
      [3, 3, true],
    ]);
    expect(events.map(({ metadata }) => metadata?.["status"])).toEqual(["partial", "partial", "completed"]);
    expect(replies.map(({ part }) => part)).toEqual([1, 2, 3]);
    expect(new Set(events.map(({ metadata }) => metadata?.["group_id"])).size).toBe(1);
    expect(new Set(replies.map(({ replyId }) => replyId)).size).toBe(3);
  });

  it("of files alone needs no text; without anything it is an empty one", () => {
    const only = composeForComposer(asked, { status: "completed", message: "", files: [file("a")] }, 0).map(eventOf);
    expect(only.map(({ type, metadata }) => [type, metadata?.["final"]])).toEqual([["composer.upload", true]]);
    const empty = composeForComposer(asked, { status: "completed", message: "" }, 0).map(eventOf);
    expect(empty.map(({ payload }) => payload)).toEqual([{ content: "", format: "markdown" }]);
  });

  it("tells below the message what could not be made an upload", () => {
    const attachments = [
      { name: "a", content_type: "text/plain", download_url: "https://x/a" },
      { name: "b", content_type: "text/plain", error: { code: "forbidden", message: "not sent" } },
      { name: "c", content_type: "text/plain" },
    ];
    const [reply] = composeForComposer(asked, { ...completed, attachments }, 0);
    expect(eventOf(reply).payload["content"]).toBe("done\n\na: https://x/a\n\nb: not sent\n\nc: ");
  });

  it("is cut where it is long, and only its last part carries the error", () => {
    const error = { code: "agent_failed", message: "no" };
    const message = "0123456789".repeat(50_000);
    const events = composeForComposer(asked, { status: "failed", message, error }, 0).map(eventOf);
    expect(events.map(({ payload }) => payload["content"]).join("")).toBe(message);
    expect(events.length).toBeGreaterThan(2);
    expect(events.map(({ metadata }) => metadata?.["error"])).toEqual([...events.slice(1).map(() => undefined), error]);
    expect(events.at(-1)?.metadata?.["status"]).toBe("failed");
    for (const event of events) expect(Buffer.byteLength(JSON.stringify(event))).toBeLessThan(256 * 1024);
  });

  it("is replaced in the same dialect and group when the service refuses it, and only once", () => {
    const [reply] = composeForComposer(asked, completed, 0);
    const about = { id: 1, command: 1, state: "pending", attempts: 1, notBefore: 0, createdAt: 0 } as const;
    const replacement = replacementFor({ ...about, replyId: "x", part: 1, body: reply?.body ?? "" }, "invalid");
    expect(eventOf(replacement)).toMatchObject({
      type: "composer.text",
      correlationId: "corr",
      payload: { content: expect.stringContaining("invalid"), format: "markdown" },
      metadata: {
        request_id: "r1",
        group_id: eventOf(reply).metadata?.["group_id"],
        status: "failed",
        final: true,
        error: { code: "reply_refused" },
      },
    });
    const again = { ...about, replyId: "y", part: 1, body: replacement?.body ?? "" };
    expect(replacementFor(again, "invalid")).toBeUndefined();
  });
});
