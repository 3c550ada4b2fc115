import { describe, expect, it } from "vitest";
import * as admin from "../../src/admin/operations.ts";
import { call, testHub } from "../support/hub.ts";

describe("topics", () => {
  it("are created with the hub's retention, found by id in either form and by name, and listed", async () => {
    const { deps } = await testHub();
    const topic = await admin.createTopic(deps, { name: "a.b_c-1" });
    expect(topic).toMatchObject({ name: "a.b_c-1", retentionS: 30 * 24 * 3600, displayName: null });
    for (const ref of [topic.id, `top_${topic.id}`, topic.id.toUpperCase(), "a.b_c-1"]) {
      expect((await admin.resolveTopic(deps, ref)).id).toBe(topic.id);
    }
    expect(await admin.listTopics(deps)).toEqual([topic]);
    expect((await admin.setTopicRetention(deps, "a.b_c-1", 7200)).retentionS).toBe(7200);
    expect((await admin.resolveTopic(deps, topic.id)).retentionS).toBe(7200);
  });

  it("are refused with names and retentions out of range, and a second time by the same name", async () => {
    const { deps } = await testHub();
    for (const name of ["", "Upper", "sp ace", "x".repeat(129), "ü"]) {
      await expect(admin.createTopic(deps, { name })).rejects.toMatchObject({ code: "INVALID" });
    }
    for (const retentionS of [3599, 2_592_001, 3600.5, Number.NaN]) {
      await expect(admin.createTopic(deps, { name: "t", retentionS })).rejects.toMatchObject({ code: "INVALID" });
    }
    await admin.createTopic(deps, { name: "t" });
    await expect(admin.createTopic(deps, { name: "t" })).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(admin.resolveTopic(deps, "u")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("scripts", () => {
  it("are created with their grants, each once, or not at all", async () => {
    const { deps } = await testHub();
    const topic = await admin.createTopic(deps, { name: "t" });
    const script = await admin.createScript(deps, { name: "s", read: ["t", topic.id], write: ["t"] });
    expect(script.id).toMatch(/^scr_[0-9a-f-]{36}$/);
    expect(script.grants.map((grant) => grant.action)).toEqual(["read", "write"]);
    await expect(admin.createScript(deps, { name: "half", read: ["t"], write: ["missing"] })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
    await expect(admin.createScript(deps, { name: "" })).rejects.toMatchObject({ code: "INVALID" });
    await expect(admin.createScript(deps, { name: "a\nb" })).rejects.toMatchObject({ code: "INVALID" });
    expect((await admin.listScripts(deps)).map((listed) => [listed.name, listed.grants.length])).toEqual([["s", 2]]);
  });

  it("are found by id, or by name when only one has it", async () => {
    const { deps } = await testHub();
    const [one] = [await admin.createScript(deps, { name: "one" })];
    await admin.createScript(deps, { name: "twin" });
    await admin.createScript(deps, { name: "twin" });
    expect((await admin.resolveScript(deps, "one")).id).toBe(one?.id);
    expect((await admin.resolveScript(deps, one?.id ?? "")).name).toBe("one");
    await expect(admin.resolveScript(deps, "twin")).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(admin.resolveScript(deps, "none")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("keep a grant that is given again, and lose one that is revoked", async () => {
    const { deps } = await testHub();
    await admin.createTopic(deps, { name: "t" });
    const script = await admin.createScript(deps, { name: "s" });
    const first = await admin.grant(deps, "s", "t", "read");
    expect(await admin.grant(deps, script.id, "t", "read")).toEqual(first);
    await admin.revokeGrant(deps, first.id);
    expect(await admin.listGrants(deps, script.id)).toEqual([]);
    await expect(admin.revokeGrant(deps, first.id)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("can be disabled and enabled", async () => {
    const { deps } = await testHub();
    const script = await admin.createScript(deps, { name: "s" });
    await admin.setScriptDisabled(deps, "s", true);
    expect((await deps.store.scripts.access(script.id))?.script.disabledAt).toEqual(expect.any(Number));
    await admin.setScriptDisabled(deps, "s", false);
    expect((await deps.store.scripts.access(script.id))?.script.disabledAt).toBeNull();
  });
});

describe("credentials", () => {
  it("are listed and revoked, once", async () => {
    const hub = await testHub();
    const script = await admin.createScript(hub.deps, { name: "s" });
    const { code } = await admin.issueActivationCode(hub.deps, { script: "s", ttlS: 6 * 3600 });
    await call(hub.url, "POST", "/auth/activate", { body: { activation_code: code } });
    const [credential] = await admin.listCredentials(hub.deps, script.id);
    expect(credential).toMatchObject({ scriptId: script.id, generation: "a", revokedAt: null });
    await admin.revokeCredential(hub.deps, credential?.id ?? "");
    expect(await admin.listCredentials(hub.deps, "s")).toEqual([]);
    await expect(admin.revokeCredential(hub.deps, credential?.id ?? "")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("activation codes", () => {
  it("live one, six or twenty-four hours", async () => {
    const hub = await testHub();
    await admin.createScript(hub.deps, { name: "s" });
    const before = hub.clock.now();
    const { expiresAt } = await admin.issueActivationCode(hub.deps, { script: "s", ttlS: 86_400 });
    expect(expiresAt - before).toBeGreaterThanOrEqual(86_400_000);
    await expect(admin.issueActivationCode(hub.deps, { script: "s", ttlS: 7200 })).rejects.toMatchObject({
      code: "INVALID",
    });
    await expect(admin.issueActivationCode(hub.deps, { script: "none" })).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});
