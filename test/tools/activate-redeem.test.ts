/** Activation and invites through the tools, against a real hub. */

import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { afterEach, describe, expect, it } from "vitest";
import { createInvite, createScript, createTopic, issueActivationCode } from "../../hub/src/admin/operations.ts";
import { loadCredentials } from "../../src/credentials/store.ts";
import { activateTool } from "../../src/tools/activate.ts";
import { redeemGrantTool } from "../../src/tools/redeem-grant.ts";
import { topicsTool } from "../../src/tools/topics.ts";
import { Workshop } from "./support.ts";

const OWNER = { owner: true };
let shop: Workshop;
afterEach(() => shop.close());

/** A workshop whose account is not connected yet, and a code for it. */
async function unconnected(generation: "a" | "b"): Promise<string> {
  shop = await Workshop.open(generation);
  await rm(shop.paths.credentials);
  const script = await createScript(shop.hub.deps, { name: "new", read: [shop.topics.news] });
  return (await issueActivationCode(shop.hub.deps, { script: script.id, generation })).code;
}

describe.each(["a", "b"] as const)("agentrux_activate, generation %s", (generation) => {
  it("connects with a code, also before anything else is configured, and repeats no secret", async () => {
    const code = await unconnected(generation);
    const account = shop.account({ commandTopicId: "", agentId: "" });
    expect(account.problems).not.toEqual([]);
    const outcome = await shop.call(
      activateTool,
      { activation_code: ` ${code}\n`, base_url: `${shop.hub.url}/` },
      OWNER,
      account,
    );
    expect(outcome).toMatchObject({ isError: false, details: { ok: true } });
    expect(outcome.text).toMatch(/^Connected to AgenTrux!\nScript ID: /);
    const loaded = await loadCredentials(shop.paths);
    expect(loaded).toMatchObject({ kind: "ok", credentials: { generation, baseUrl: shop.hub.url } });
    expect(statSync(shop.paths.credentials).mode & 0o777).toBe(0o600);
    expect(existsSync(shop.paths.bootstrap)).toBe(false);
    const secret = loaded.kind === "ok" ? loaded.credentials.clientSecret : "";
    expect(JSON.stringify(outcome)).not.toContain(secret);
    expect(JSON.stringify(outcome)).not.toContain(code);
  });

  it("tells a code the service does not know, and leaves it quarantined and blotted out", async () => {
    const code = await unconnected(generation);
    const unknown = `${code.slice(0, -4)}zzzz`;
    const outcome = await shop.call(activateTool, { activation_code: unknown }, OWNER);
    expect(outcome).toMatchObject({
      isError: true,
      details: { ok: false, error: { code: "invalid", kind: "refused" } },
    });
    expect(JSON.stringify(outcome)).not.toContain(unknown);
    expect(readdirSync(shop.paths.dir).filter((name) => /\.failed-[\d-]+$/.test(name))).toHaveLength(1);
  });
});

describe("agentrux_activate", () => {
  it("refuses what is no code, without a call or a file", async () => {
    await unconnected("a");
    for (const activation_code of ["hello", "ac_short", "act_"]) {
      const outcome = await shop.call(activateTool, { activation_code }, OWNER);
      expect(outcome).toMatchObject({ isError: true, details: { error: { code: "invalid" } } });
    }
    expect(existsSync(shop.paths.bootstrap)).toBe(false);
  });

  it("leaves a code alone that a person has put there", async () => {
    const code = await unconnected("a");
    writeFileSync(shop.paths.bootstrap, "ac_a-person's\n", { mode: 0o600 });
    const outcome = await shop.call(activateTool, { activation_code: code }, OWNER);
    expect(outcome).toMatchObject({ isError: true, details: { error: { code: "conflict" } } });
    expect(existsSync(shop.paths.bootstrap)).toBe(true);
  });

  it("keeps the code for another try when the service cannot be reached", async () => {
    const code = await unconnected("a");
    await shop.hub.close();
    const outcome = await shop.call(activateTool, { activation_code: code }, OWNER);
    expect(outcome).toMatchObject({ isError: true, details: { error: { retryable: true } } });
    expect(JSON.stringify(outcome)).not.toContain(code);
    expect(statSync(shop.paths.bootstrap).mode & 0o777).toBe(0o600);
  });
});

describe("agentrux_redeem_grant", () => {
  it("gets access to another's topic, seen by the next call", async () => {
    shop = await Workshop.open("a");
    const topic = await createTopic(shop.hub.deps, { name: "theirs" });
    const { code } = await createInvite(shop.hub.deps, { topic: topic.id, action: "read" });
    const outcome = await shop.call(redeemGrantTool, { invite_code: code }, OWNER);
    expect(outcome.text).toBe(`Access granted! Topic: ${topic.id} (read)`);
    expect((await shop.call(topicsTool, {})).text).toContain(topic.id);
    const again = await shop.call(redeemGrantTool, { invite_code: code }, OWNER);
    expect(again).toMatchObject({ isError: true });
    expect(JSON.stringify([outcome, again])).not.toContain(code);
  });

  it("says where generation B does that", async () => {
    shop = await Workshop.open("b");
    const outcome = await shop.call(redeemGrantTool, { invite_code: "inv_x" }, OWNER);
    expect(outcome).toMatchObject({ isError: true, details: { error: { code: "invalid" } } });
    expect(outcome.text).toContain("Console");
  });
});
