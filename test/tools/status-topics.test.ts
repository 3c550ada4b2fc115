import { rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { statusTool } from "../../src/tools/status.ts";
import { topicsTool } from "../../src/tools/topics.ts";
import { Workshop } from "./support.ts";

describe.each(["a", "b"] as const)("generation %s", (generation) => {
  let shop: Workshop;
  beforeAll(async () => {
    shop = await Workshop.open(generation);
  });
  afterAll(() => shop.close());

  it("lists what the credential may do, under the operator's names", async () => {
    const outcome = await shop.call(topicsTool, {});
    expect(outcome.details).toMatchObject({ ok: true });
    const rows = outcome.details["topics"] as { topic_id: string; topic: string; read: boolean; write: boolean }[];
    const byId = Object.fromEntries(rows.map((row) => [row.topic_id, row]));
    const { commands, results, news, desk, closed } = shop.topics;
    expect(byId[news]).toMatchObject({ topic: "news", read: true, write: false });
    expect(byId[desk]).toMatchObject({ topic: "desk", read: true, write: true });
    expect(byId[commands]).toMatchObject({ read: true, role: "commands" });
    expect(byId[results]).toMatchObject({ write: true, role: "results" });
    expect(byId[closed]).toBeUndefined();
    expect(outcome.text).toContain(`- news ${news} (read)`);
  });

  it("shows a configured name that the credential does not reach", async () => {
    const account = shop.account({ messagingTopics: [{ id: "shut", topicId: shop.topics.closed }] });
    const outcome = await shop.call(topicsTool, {}, {}, account);
    expect(outcome.text).toContain(`- shut ${shop.topics.closed} (no grant)`);
  });

  it("shows a topic turn the messaging topics by their modes, and nothing else", async () => {
    const both = [
      { id: "news", topicId: shop.topics.news },
      { id: "own", topicId: shop.topics.results, mode: "readwrite" },
    ];
    const outcome = await shop.call(topicsTool, {}, { turn: {} }, shop.account({ messagingTopics: both }));
    expect(outcome.details["topics"]).toEqual([
      { topic: "news", topic_id: shop.topics.news, read: true, write: false },
    ]);
  });

  it("tells that it is connected, without a secret", async () => {
    const outcome = await shop.call(statusTool, {});
    expect(outcome.details).toMatchObject({ ok: true, connected: true, generation, credentials: "present" });
    for (const secret of shop.secrets) expect(JSON.stringify(outcome)).not.toContain(secret);
  });

  it("tells a topic turn no more than whether it works", async () => {
    const outcome = await shop.call(statusTool, {}, { turn: {} });
    expect(Object.keys(outcome.details).toSorted()).toEqual([
      "account",
      "connected",
      "generation",
      "ok",
      "running_here",
    ]);
  });
});

describe("without a service or credentials", () => {
  it("says what is wrong, and what to do about it", async () => {
    const shop = await Workshop.open("a");
    await shop.hub.close();
    const gone = await shop.call(statusTool, {});
    expect(gone.details).toMatchObject({ ok: true, connected: false, code: "network" });
    await rm(shop.paths.credentials);
    const bare = await shop.call(statusTool, {}, {}, shop.account({ agentId: "nobody" }));
    expect(bare.details).toMatchObject({ credentials: "missing", activation_file: shop.paths.bootstrap });
    expect(bare.details["problems"]).toContain("nobody");
    const told = await shop.call(statusTool, {}, { turn: {} }, shop.account({ agentId: "nobody" }));
    expect(JSON.stringify(told)).not.toContain("nobody");
    const topics = await shop.call(topicsTool, {}, {}, shop.account({ agentId: "nobody" }));
    expect(topics).toMatchObject({ isError: true, details: { ok: false, error: { code: "config" } } });
    await shop.close();
  });
});
