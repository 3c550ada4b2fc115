import { describe, expect, it } from "vitest";
import * as admin from "../../src/admin/operations.ts";
import { call, listOf, testHub, textOf } from "../support/hub.ts";

const HOUR_MS = 3_600_000;

async function hubWithScript() {
  const hub = await testHub();
  const topic = await admin.createTopic(hub.deps, { name: "commands" });
  const script = await admin.createScript(hub.deps, { name: "agent", read: ["commands"], write: [topic.id] });
  const issue = async (generation: "a" | "b" = "a") =>
    (await admin.issueActivationCode(hub.deps, { script: script.id, generation })).code;
  const activate = (activation_code: string) => call(hub.url, "POST", "/auth/activate", { body: { activation_code } });
  const redeem = (code: string) => call(hub.url, "POST", "/auth/redeem-activation-code", { body: { code } });
  return { hub, topic, script, issue, activate, redeem };
}

describe("activation in generation A", () => {
  it("answers a code with script id, secret and one grant per action", async () => {
    const { issue, activate, script, topic } = await hubWithScript();
    const code = await issue();
    expect(code).toMatch(/^ac_[A-Za-z0-9_-]{43}$/);
    const answer = await activate(code);
    expect(answer.status).toBe(200);
    expect(answer.json["script_id"]).toBe(script.id);
    expect(answer.json["client_secret"]).toMatch(/^\S{20,}$/);
    const grants = listOf(answer.json["grants"]);
    expect(grants.map((grant) => [grant["topic_id"], grant["action"]])).toEqual([
      [topic.id, "read"],
      [topic.id, "write"],
    ]);
    expect(grants[0]?.["grant_id"]).toMatch(/./);
    expect(answer.headers.get("cache-control")).toBe("no-store");
  });

  it("consumes a code once: the second call is 404 NOT_FOUND", async () => {
    const { issue, activate } = await hubWithScript();
    const code = await issue();
    await activate(code);
    const second = await activate(code);
    expect(second.status).toBe(404);
    expect(second.json["error"]).toMatchObject({ code: "NOT_FOUND", message: expect.any(String) });
  });

  it("lets exactly one of twenty concurrent calls win", async () => {
    const { issue, activate, hub, script } = await hubWithScript();
    const code = await issue();
    const answers = await Promise.all(Array.from({ length: 20 }, () => activate(code)));
    const statuses = answers.map((answer) => answer.status).sort((a, b) => a - b);
    expect(statuses).toEqual([200, ...Array.from({ length: 19 }, () => 404)]);
    expect(await hub.deps.store.credentials.ofScript(script.id)).toHaveLength(1);
  });

  it("answers an expired code with 422 INVALID and keeps it unconsumed", async () => {
    const { issue, activate, hub } = await hubWithScript();
    const code = await issue();
    hub.clock.advance(HOUR_MS + 1000);
    const late = await activate(code);
    expect(late.status).toBe(422);
    expect(late.json["error"]).toEqual({ code: "INVALID", message: "Token has expired" });
    hub.clock.advance(-HOUR_MS);
    expect((await activate(code)).status).toBe(200);
  });

  it("does not disturb existing credentials by issuing or redeeming another code", async () => {
    const { issue, activate, hub, script } = await hubWithScript();
    const first = await activate(await issue());
    await activate(await issue());
    const token = await call(hub.url, "POST", "/auth/token", {
      body: { script_id: script.id, client_secret: first.json["client_secret"] },
    });
    expect(token.status).toBe(200);
  });

  it.each([
    ["no JSON", "{", 400],
    ["no code", "{}", 422],
    ["a code that is no text", '{"activation_code":5}', 422],
    ["nothing", "", 400],
  ])("refuses a body with %s", async (_what, raw, status) => {
    const { hub } = await hubWithScript();
    const answer = await call(hub.url, "POST", "/auth/activate", { raw });
    expect(answer.status).toBe(status);
    expect(answer.json["error"]?.["code"]).toBe("INVALID");
  });
});

describe("activation in generation B", () => {
  it("answers with client id, secret, script id and time", async () => {
    const { issue, redeem, script } = await hubWithScript();
    const code = await issue("b");
    expect(code).toMatch(/^act_[A-Za-z0-9_-]{43}$/);
    const answer = await redeem(code);
    expect(answer.status).toBe(200);
    expect(answer.json["client_id"]).toMatch(/^crd_[0-9a-f-]{36}$/);
    expect(answer.json["client_secret"]).toMatch(/^aks_/);
    expect(answer.json["script_id"]).toBe(script.id);
    expect(Date.parse(textOf(answer.json["issued_at"]))).toBeGreaterThan(0);
    expect(answer.json["grants"]).toBeUndefined();
  });

  it("answers errors as generation A does, with the same codes", async () => {
    const { issue, redeem, hub } = await hubWithScript();
    expect((await redeem("act_unknownunknownunknown")).status).toBe(404);
    const code = await issue("b");
    hub.clock.advance(HOUR_MS + 1000);
    const late = await redeem(code);
    expect([late.status, late.json["error"]?.["code"]]).toEqual([422, "INVALID"]);
  });

  it("accepts a code of either prefix at either endpoint, and only once over both", async () => {
    const { issue, redeem, activate } = await hubWithScript();
    const code = await issue("a");
    expect((await redeem(code)).status).toBe(200);
    expect((await activate(code)).status).toBe(404);
  });
});

describe("guessing", () => {
  it("is slowed per address with 429 and Retry-After, and a 429 consumes no code", async () => {
    const hub = await testHub({ limits: { authAttemptsPerMinute: 3 } });
    await admin.createTopic(hub.deps, { name: "commands" });
    const script = await admin.createScript(hub.deps, { name: "agent" });
    const { code } = await admin.issueActivationCode(hub.deps, { script: script.id });
    const activate = (activation_code: string) =>
      call(hub.url, "POST", "/auth/activate", { body: { activation_code } });
    for (let i = 0; i < 3; i += 1) expect((await activate(`ac_guess${i}`)).status).toBe(404);
    const limited = await activate(code);
    expect(limited.status).toBe(429);
    expect(limited.json["error"]?.["code"]).toBe("RATE_LIMITED");
    expect(Number(limited.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    hub.clock.advance(60_000);
    expect((await activate(code)).status).toBe(200);
  });

  it("does not count successes", async () => {
    const hub = await testHub({ limits: { authAttemptsPerMinute: 1 } });
    const script = await admin.createScript(hub.deps, { name: "agent" });
    for (let i = 0; i < 4; i += 1) {
      const { code } = await admin.issueActivationCode(hub.deps, { script: script.id });
      const answer = await call(hub.url, "POST", "/auth/activate", { body: { activation_code: code } });
      expect(answer.status).toBe(200);
    }
  });
});
