/** What a stranger's prompt cannot make our tools do. */

import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { gateOwnTool } from "../../src/host/tool-gate.ts";
import { CHANNEL_ID } from "../../src/ids.ts";
import { activateTool } from "../../src/tools/activate.ts";
import { TOOLS } from "../../src/tools/catalogue.ts";
import { Workshop } from "./support.ts";

let shop: Workshop;
beforeAll(async () => {
  shop = await Workshop.open("a");
});
afterAll(() => shop.close());

const CODE = `ac_${"x".repeat(43)}`;
const X = { event_type: "x", payload: { text: "x" } };

/** Arguments, from the topics' ids; what a topic turn must not do. */
const ATTACKS: readonly [what: string, tool: string, args: (ids: Workshop["topics"]) => object][] = [
  ["publish a command in our name", "agentrux_publish", ({ commands }) => ({ ...X, topic: commands })],
  ["forge a reply", "agentrux_publish", ({ results }) => ({ ...X, topic: results })],
  ["publish to a topic nobody configured", "agentrux_publish", ({ closed }) => ({ ...X, topic: closed })],
  ["publish to a topic that is only for reading", "agentrux_publish", () => ({ ...X, topic: "news" })],
  ["publish by the id of a topic that is only for reading", "agentrux_publish", ({ news }) => ({ ...X, topic: news })],
  ["publish by the prefixed id", "agentrux_publish", ({ news }) => ({ ...X, topic: `top_${news.toUpperCase()}` })],
  ["publish under the old parameter's name", "agentrux_publish", ({ results }) => ({ ...X, topic_id: results })],
  [
    "hide a topic behind an allowed one",
    "agentrux_publish",
    ({ results }) => ({ ...X, topic_id: "desk", topic: results }),
  ],
  ["hand two topics as a list", "agentrux_publish", ({ results }) => ({ ...X, topic: ["desk", results] })],
  ["publish nowhere in particular", "agentrux_publish", () => X],
  ["publish to a name with a tail", "agentrux_publish", () => ({ ...X, topic: "desk/../results" })],
  ["publish with the result topic, listed by the operator", "agentrux_publish", () => ({ ...X, topic: "mine" })],
  ["publish with the command topic, listed by the operator", "agentrux_publish", () => ({ ...X, topic: "queue" })],
  ["read the command topic, listed by the operator", "agentrux_read", () => ({ topic: "queue" })],
  [
    "direct answers to the command topic",
    "agentrux_publish",
    ({ commands }) => ({ ...X, topic: "desk", reply_topic: commands }),
  ],
  ["direct answers to the result topic", "agentrux_publish", () => ({ ...X, topic: "desk", reply_topic: "mine" })],
  ["read what others asked", "agentrux_read", ({ commands }) => ({ topic: commands })],
  ["read what others were answered", "agentrux_read", ({ results }) => ({ topic: results })],
  ["read a topic that is only for writing", "agentrux_read", () => ({ topic: "desk" })],
  ["read any other topic", "agentrux_read", ({ closed }) => ({ topic: closed })],
  ["ask another agent", "agentrux_send_message", () => ({ topic: "desk", reply_topic: "news", message: "hi" })],
  ["redeem an invite", "agentrux_redeem_grant", () => ({ invite_code: "inv_x" })],
  ["activate", "agentrux_activate", () => ({ activation_code: CODE })],
  ["re-home the agent", "agentrux_activate", () => ({ activation_code: CODE, base_url: "https://evil.example" })],
];

const tool = (name: string) => TOOLS.find((one) => one.name === name) ?? expect.fail(name);

function messagingTopics() {
  const { news, desk, results, commands } = shop.topics;
  return [
    { id: "news", topicId: news, mode: "read" },
    { id: "desk", topicId: desk, mode: "write" },
    { id: "mine", topicId: results, mode: "readwrite" },
    { id: "queue", topicId: commands, mode: "readwrite" },
  ];
}

function account() {
  return shop.account({ messagingTopics: messagingTopics() });
}

describe.each(ATTACKS)("a topic turn that wants to %s", (_what, name, argsOf) => {
  it("is refused by the tool, even for an owner", async () => {
    const outcome = await shop.call(tool(name), argsOf(shop.topics), { turn: {}, owner: true }, account());
    expect(outcome).toMatchObject({ isError: true, details: { ok: false } });
    expect(["not_allowed", "invalid"]).toContain((outcome.details["error"] as { code: string }).code);
  });
});

// Where answers go is looked at by the tool alone: the event itself lands on an allowed topic.
describe.each(ATTACKS.filter(([what]) => !what.startsWith("direct answers")))("to %s", (_what, name, argsOf) => {
  it("is refused by the hook too, by either sign of a topic turn", () => {
    const { commandTopicId, resultTopicId, agentId } = account();
    const section = { commandTopicId, resultTopicId, agentId, messagingTopics: messagingTopics() };
    const cfg = { channels: { agentrux: section } };
    const call = { toolName: name, params: argsOf(shop.topics) };
    const bySender = { requester: { channel: CHANNEL_ID, accountId: "default" } };
    const bySession = { sessionKey: `agent:main:${CHANNEL_ID}:group:abc` };
    for (const origin of [bySender, bySession]) expect(gateOwnTool(call, origin, cfg)).toMatchObject({ block: true });
    const elsewhere = { requester: { channel: "telegram" }, sessionKey: "agent:main:main" };
    expect(gateOwnTool(call, elsewhere, cfg)).toBeUndefined();
  });
});

it("the hook judges by the account whose topic the request came from, not by another's messaging topics", () => {
  const { commandTopicId, resultTopicId, agentId } = account();
  const accounts = {
    default: { commandTopicId, messagingTopics: messagingTopics() },
    night: { commandTopicId: shop.topics.closed, messagingTopics: [] },
  };
  const cfg = { channels: { agentrux: { resultTopicId, agentId, accounts } } };
  const call = { toolName: "agentrux_publish", params: { ...X, topic: shop.topics.desk } };
  const from = (accountId: string) => gateOwnTool(call, { requester: { channel: CHANNEL_ID, accountId } }, cfg);
  expect(from("default")).toBeUndefined();
  expect(from("night")).toMatchObject({ block: true });
});

it("has left nothing on any topic", async () => {
  const pages = await Promise.all(
    Object.values(shop.topics).map((topicId) =>
      shop.peer.pull({ topicId, after: "", limit: 10, signal: AbortSignal.timeout(10_000) }),
    ),
  );
  expect(pages.map(({ events }) => events.length)).toEqual([0, 0, 0, 0, 0]);
});

describe("what a topic turn may do", () => {
  it.each([
    ["agentrux_publish", { ...X, topic: "desk" }],
    ["agentrux_publish", { ...X, topic: "desk", reply_topic: "news" }],
    ["agentrux_read", { topic: " news " }],
    ["agentrux_topics", {}],
    ["agentrux_status", {}],
  ])("%s %j", async (name, args) => {
    const outcome = await shop.call(tool(name), args, { turn: {} }, account());
    expect(outcome).toMatchObject({ isError: false });
  });

  it("decides for every tool there is", () => {
    const byRule = TOOLS.map(({ name, topicTurn }) => [name, JSON.stringify(topicTurn)]);
    expect(Object.fromEntries(byRule)).toMatchObject({
      agentrux_status: '"always"',
      agentrux_topics: '"always"',
      agentrux_read: '{"topic":"read"}',
      agentrux_publish: '{"topic":"write"}',
      agentrux_send_message: '"never"',
      agentrux_redeem_grant: '"never"',
      agentrux_activate: '"never"',
    });
  });
});

describe("owner only", () => {
  it.each(["agentrux_activate", "agentrux_redeem_grant"])(
    "%s is optional, and refused to anybody else",
    async (name) => {
      expect(tool(name)).toMatchObject({ optional: true, ownerOnly: true });
      const args = { activation_code: CODE, invite_code: "inv_x" };
      const outcome = await shop.call(tool(name), args, {}, account());
      expect(outcome).toMatchObject({ isError: true, details: { error: { code: "not_allowed" } } });
    },
  );

  it("does not replace credentials, nor follow another base URL", async () => {
    const kept = await shop.call(activateTool, { activation_code: CODE }, { owner: true });
    expect(kept.details).toMatchObject({ ok: false, error: { code: "conflict" } });
    const args = { activation_code: CODE, base_url: "https://evil.example" };
    const foreign = await shop.call(activateTool, args, { owner: true });
    expect(foreign.details).toMatchObject({ ok: false, error: { code: "not_allowed" } });
    for (const outcome of [kept, foreign]) expect(JSON.stringify(outcome)).not.toContain(CODE);
    expect(existsSync(shop.paths.bootstrap)).toBe(false);
  });
});
