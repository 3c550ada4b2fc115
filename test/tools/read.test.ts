import { expect, it } from "vitest";
import type { TopicEvent } from "../../src/service/types.ts";
import { readTool } from "../../src/tools/read.ts";
import { runTool } from "../../src/tools/run.ts";
import type { ToolContext } from "../../src/tools/tool.ts";
import { deepJson } from "../support/deep.ts";

it("gives the page and its cursor, whatever one of its events is", async () => {
  const topicId = "0198c0de-0000-7000-8000-000000000001";
  const event = (cursor: string, payload: unknown): TopicEvent => ({
    topicId,
    eventId: `e-${cursor}`,
    cursor,
    type: "note",
    payload,
  });
  const events = [event("1", { text: "before" }), event("2", { text: deepJson() }), event("3", { text: "after" })];
  const context: object = {
    account: { messagingTopics: [{ name: "news", topicId, read: true, write: false }], problems: [], flux: {} },
    service: () => Promise.resolve({ pull: () => Promise.resolve({ events, malformed: 0, next: "3" }) }),
    quote: (text: string) => text,
  };
  const args = { topic: topicId, cursor: "start" };
  const caller = { senderIsOwner: true };
  const outcome = await runTool(readTool, args, context as ToolContext, caller, new AbortController().signal);
  expect(outcome).toMatchObject({ isError: false, details: { ok: true, count: 3, cursor: "3" } });
  expect(outcome.text).toContain('{"text":"before"}');
  expect(outcome.text).toContain("[nested too deeply to be shown]");
  expect(outcome.text).toContain('{"text":"after"}');
  expect(outcome.text).toMatch(/\n\ncursor: 3$/);
});
