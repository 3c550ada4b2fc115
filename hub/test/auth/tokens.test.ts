import { readFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { decodeJwt } from "jose";
import { describe, expect, it } from "vitest";
import * as admin from "../../src/admin/operations.ts";
import { activate, call, form, testBench, testHub, textOf, tokenA, tokenB } from "../support/hub.ts";
import type { Agent, TestHub } from "../support/hub.ts";

const DAY_MS = 24 * 3_600_000;

const getToken = (hub: TestHub, agent: Agent, secret = agent.secret) =>
  call(hub.url, "POST", "/auth/token", { body: { script_id: agent.scriptId, client_secret: secret } });
const refresh = (hub: TestHub, refresh_token: string, headers: Record<string, string> = {}) =>
  call(hub.url, "POST", "/auth/refresh", { body: { refresh_token }, headers });

describe("POST /auth/token", () => {
  it("answers with both tokens and an ISO time whose offset is written out", async () => {
    const { hub, ...agent } = await testBench();
    const answer = await getToken(hub, agent);
    expect(answer.status).toBe(200);
    expect(answer.json["expires_at"]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/);
    const lifeMs = Date.parse(textOf(answer.json["expires_at"])) - hub.clock.now();
    expect(Math.round(lifeMs / 60_000)).toBe(60);
    expect(textOf(answer.json["access_token"]).split(".")).toHaveLength(3);
    expect(answer.json["refresh_token"]).toMatch(/./);
  });

  it("puts one scope entry per action into the token, as a list of bare UUIDs", async () => {
    const { tokenA, topicId, scriptId } = await testBench();
    const claims = decodeJwt(tokenA);
    expect(claims["scope"]).toEqual([`topic:${topicId}:read`, `topic:${topicId}:write`]);
    expect(claims.sub).toBe(scriptId);
    expect(Number(claims.exp) - Number(claims.iat)).toBe(3600);
  });

  it("refuses a wrong secret and an unknown script alike, with 401", async () => {
    const { hub, ...agent } = await testBench();
    const wrong = await getToken(hub, agent, "aks_wrong");
    const unknown = await call(hub.url, "POST", "/auth/token", {
      body: { script_id: "scr_nobody", client_secret: agent.secret },
    });
    expect([wrong.status, unknown.status]).toEqual([401, 401]);
    expect(wrong.text).toBe(unknown.text);
    expect(wrong.json["error"]?.["code"]).toBe("UNAUTHORIZED");
  });

  it("names client_secret and expired once the secret's ninety days are over", async () => {
    const { hub, ...agent } = await testBench();
    hub.clock.advance(90 * DAY_MS + 1000);
    const answer = await getToken(hub, agent);
    expect(answer.status).toBe(401);
    expect(textOf(answer.json["error"]?.["message"])).toMatch(/client_secret.*expired/);
  });

  it("limits tokens per script with 429 and Retry-After, whoever asks in between", async () => {
    const hub = await testHub({ limits: { tokensPerHour: 4 } });
    const agent = await activate(hub, {});
    const other = await activate(hub, {}, "other");
    expect((await getToken(hub, agent)).status).toBe(200);
    expect((await getToken(hub, agent)).status).toBe(200);
    const limited = await getToken(hub, agent);
    expect(limited.status).toBe(429);
    expect(Number(limited.headers.get("retry-after"))).toBeGreaterThan(60);
    expect((await getToken(hub, other)).status).toBe(200);
    hub.clock.advance(15 * 60_000);
    expect((await getToken(hub, agent)).status).toBe(200);
  });

  it("does not let failures in a script's name use up the script's limit", async () => {
    const hub = await testHub({ limits: { tokensPerHour: 3 } });
    const agent = await activate(hub, {});
    for (let i = 0; i < 10; i += 1) await getToken(hub, agent, "aks_wrong");
    expect((await getToken(hub, agent)).status).toBe(200);
  });

  it("refuses a disabled script", async () => {
    const { hub, ...agent } = await testBench();
    await admin.setScriptDisabled(hub.deps, agent.scriptId, true);
    const answer = await getToken(hub, agent);
    expect([answer.status, answer.json["error"]?.["code"]]).toEqual([403, "SUSPENDED"]);
  });
});

describe("POST /auth/refresh", () => {
  it("rotates: the new token works, the old one is refused", async () => {
    const { hub, ...agent } = await testBench();
    const first = textOf((await getToken(hub, agent)).json["refresh_token"]);
    const rotated = await refresh(hub, first, { Authorization: "Bearer stale" });
    expect(rotated.status).toBe(200);
    const second = textOf(rotated.json["refresh_token"]);
    expect(second).not.toBe(first);
    const reused = await refresh(hub, first);
    expect([reused.status, reused.json["error"]?.["code"]]).toEqual([401, "UNAUTHORIZED"]);
    expect((await refresh(hub, second)).status).toBe(200);
  });

  it("has one winner when ten use a token at once, and the winner's chain lives on", async () => {
    const { hub, ...agent } = await testBench();
    const token = textOf((await getToken(hub, agent)).json["refresh_token"]);
    const answers = await Promise.all(Array.from({ length: 10 }, () => refresh(hub, token)));
    const winners = answers.filter((answer) => answer.status === 200);
    expect(winners).toHaveLength(1);
    expect(answers.filter((answer) => answer.status === 401)).toHaveLength(9);
    expect((await refresh(hub, textOf(winners[0]?.json["refresh_token"]))).status).toBe(200);
  });

  it("revokes the chain when a spent token comes back late", async () => {
    const { hub, ...agent } = await testBench();
    const first = textOf((await getToken(hub, agent)).json["refresh_token"]);
    const second = textOf((await refresh(hub, first)).json["refresh_token"]);
    hub.clock.advance(61_000);
    expect((await refresh(hub, first)).status).toBe(401);
    expect((await refresh(hub, second)).status).toBe(401);
  });

  it("refuses a token after a day, and one that never was", async () => {
    const { hub, ...agent } = await testBench();
    const token = textOf((await getToken(hub, agent)).json["refresh_token"]);
    hub.clock.advance(DAY_MS + 1000);
    expect((await refresh(hub, token)).status).toBe(401);
    expect((await refresh(hub, "art_never")).status).toBe(401);
  });

  it("limits refreshes per script without spending the token", async () => {
    const hub = await testHub({ limits: { refreshesPerHour: 1 } });
    const agent = await activate(hub, {});
    const first = textOf((await getToken(hub, agent)).json["refresh_token"]);
    const second = textOf((await refresh(hub, first)).json["refresh_token"]);
    const limited = await refresh(hub, second);
    expect(limited.status).toBe(429);
    expect(Number(limited.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    hub.clock.advance(3_600_000);
    expect((await refresh(hub, second)).status).toBe(200);
  });
});

describe("POST /auth/rotate-key", () => {
  const rotate = (hub: TestHub, agent: Agent) =>
    call(hub.url, "POST", "/auth/rotate-key", { body: { script_id: agent.scriptId, client_secret: agent.secret } });

  it("gives a new secret and tokens, and the old secret and its refresh tokens die", async () => {
    const { hub, ...agent } = await testBench();
    const oldRefresh = textOf((await getToken(hub, agent)).json["refresh_token"]);
    const rotated = await rotate(hub, agent);
    expect(rotated.status).toBe(200);
    const next = textOf(rotated.json["client_secret"]);
    expect((await getToken(hub, agent, next)).status).toBe(200);
    expect((await getToken(hub, agent)).status).toBe(401);
    expect((await refresh(hub, oldRefresh)).status).toBe(401);
    expect((await refresh(hub, textOf(rotated.json["refresh_token"]))).status).toBe(200);
  });

  it("works with an expired secret, not with a revoked one", async () => {
    const { hub, ...agent } = await testBench();
    hub.clock.advance(91 * DAY_MS);
    const rotated = await rotate(hub, agent);
    expect(rotated.status).toBe(200);
    await admin.revokeCredential(hub.deps, agent.clientId);
    const again = await rotate(hub, { ...agent, secret: textOf(rotated.json["client_secret"]) });
    expect(again.status).toBe(401);
  });
});

describe("POST /oauth/token", () => {
  it("answers client credentials with a prefixed token, numeric expires_in and no refresh token", async () => {
    const { hub, topicId, clientId, secret } = await testBench();
    const fields = { grant_type: "client_credentials", client_id: clientId, client_secret: secret };
    const answer = await call(hub.url, "POST", "/oauth/token", form(fields));
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({
      access_token: expect.stringMatching(/^aat_[^.]+\.[^.]+\.[^.]+$/),
      token_type: "Bearer",
      expires_in: expect.any(Number),
      scope: `topic:${topicId}:read topic:${topicId}:write`,
    });
    expect(Number(answer.json["expires_in"])).toBeGreaterThan(590);
    expect(Number(answer.json["expires_in"])).toBeLessThanOrEqual(600);
  });

  it("knows the hybrid client by script_<script_id>, whose token opens generation A's paths", async () => {
    const { hub, scriptId, secret, eventsA } = await testBench();
    const token = await tokenB(hub, `script_${scriptId}`, secret);
    expect(token).toMatch(/^aat_/);
    expect((await call(hub.url, "GET", eventsA, { token })).status).toBe(200);
  });

  it("takes the credentials from the Authorization header too", async () => {
    const { hub, clientId, secret } = await testBench();
    const { raw, headers } = form({ grant_type: "client_credentials" });
    const basic = Buffer.from(`${clientId}:${secret}`).toString("base64");
    const answer = await call(hub.url, "POST", "/oauth/token", {
      ...(raw === undefined ? {} : { raw }),
      headers: { ...headers, Authorization: `Basic ${basic}` },
    });
    expect(answer.status).toBe(200);
  });

  it.each([
    [
      "a wrong secret",
      { grant_type: "client_credentials", client_id: "ID", client_secret: "x" },
      401,
      "invalid_client",
    ],
    [
      "an unknown client",
      { grant_type: "client_credentials", client_id: "crd_x", client_secret: "x" },
      401,
      "invalid_client",
    ],
    ["no secret", { grant_type: "client_credentials", client_id: "ID" }, 400, "invalid_request"],
    ["no grant type", { client_id: "ID" }, 400, "invalid_request"],
    ["a foreign grant type", { grant_type: "password" }, 400, "unsupported_grant_type"],
  ])("answers %s in OAuth's own shape", async (_what, fields: Record<string, string>, status, error) => {
    const { hub, clientId } = await testBench();
    const filled = Object.fromEntries(Object.entries(fields).map(([k, v]) => [k, v === "ID" ? clientId : v]));
    const answer = await call(hub.url, "POST", "/oauth/token", form(filled));
    expect(answer.status).toBe(status);
    expect(answer.json).toEqual({ error, error_description: expect.any(String) });
  });

  it("refuses an expired secret under either client id, and says so", async () => {
    const { hub, clientId, scriptId, secret } = await testBench();
    hub.clock.advance(90 * DAY_MS + 1000);
    for (const id of [clientId, `script_${scriptId}`]) {
      const fields = { grant_type: "client_credentials", client_id: id, client_secret: secret };
      const answer = await call(hub.url, "POST", "/oauth/token", form(fields));
      expect([answer.status, answer.json["error"]]).toEqual([401, "invalid_client"]);
      expect(answer.json["error_description"]).toMatch(/expired/);
    }
  });

  it("refuses a field given twice", async () => {
    const { hub } = await testBench();
    const answer = await call(hub.url, "POST", "/oauth/token", { raw: "grant_type=a&grant_type=b" });
    expect([answer.status, answer.json["error"]]).toEqual([400, "invalid_request"]);
  });
});

describe("access", () => {
  it("needs a token, a genuine one, and one that is not expired", async () => {
    const { hub, getA, eventsA, tokenA } = await testBench();
    const [head, , signature] = tokenA.split(".");
    const forged = `${head}.${Buffer.from(JSON.stringify({ ...decodeJwt(tokenA), sub: "scr_other" })).toString("base64url")}.${signature}`;
    const none = Buffer.from('{"alg":"none"}').toString("base64url");
    for (const token of [undefined, "nonsense", forged, `${none}.${tokenA.split(".")[1]}.`]) {
      const answer = await call(hub.url, "GET", eventsA, token === undefined ? {} : { token });
      expect([answer.status, answer.json["error"]?.["code"]]).toEqual([401, "UNAUTHORIZED"]);
    }
    expect((await getA("")).status).toBe(200);
    hub.clock.advance(3_601_000);
    expect((await getA("")).status).toBe(401);
  });

  it("distinguishes unknown topics (404) from missing grants (403), in each dialect's shape", async () => {
    const { hub, tokenA, tokenB } = await testBench();
    const secret = await admin.createTopic(hub.deps, { name: "secret" });
    const unknown = "11111111-1111-4111-8111-111111111111";
    const get = (path: string, token: string) => call(hub.url, "GET", path, { token });
    const forbiddenA = await get(`/topics/${secret.id}/events`, tokenA);
    expect([forbiddenA.status, forbiddenA.json["error"]?.["code"]]).toEqual([403, "FORBIDDEN"]);
    const forbiddenB = await get(`/topics/top_${secret.id}/events`, tokenB);
    expect([forbiddenB.status, forbiddenB.json["detail"]?.["error"]]).toEqual([403, "FORBIDDEN"]);
    const missingA = await get(`/topics/${unknown}/events`, tokenA);
    expect([missingA.status, missingA.json["error"]?.["code"]]).toEqual([404, "NOT_FOUND"]);
    const missingB = await get(`/topics/top_${unknown}/events`, tokenB);
    expect([missingB.status, missingB.json["detail"]]).toEqual([404, { error: "NOT_FOUND", message: "No such topic" }]);
    expect((await get("/topics/nonsense/events", tokenA)).status).toBe(404);
  });

  it("separates read from write", async () => {
    const { hub, topicId, eventsA } = await testBench();
    const reader = await activate(hub, { read: [topicId] }, "reader");
    const writer = await activate(hub, { write: [topicId] }, "writer");
    const post = (token: string) => call(hub.url, "POST", eventsA, { token, body: { type: "t" } });
    expect((await post(reader.tokenA)).status).toBe(403);
    expect((await post(writer.tokenA)).status).toBe(201);
    expect((await call(hub.url, "GET", eventsA, { token: writer.tokenA })).status).toBe(403);
    expect((await call(hub.url, "GET", eventsA, { token: reader.tokenA })).status).toBe(200);
  });

  it("takes a revoked grant away at once, also from tokens already issued", async () => {
    const { hub, getA, scriptId } = await testBench();
    expect((await getA("")).status).toBe(200);
    const read = (await admin.listGrants(hub.deps, scriptId)).find((grant) => grant.action === "read");
    await admin.revokeGrant(hub.deps, read?.id ?? "");
    expect((await getA("")).status).toBe(403);
  });

  it("gives a new grant only to tokens issued after it", async () => {
    const { hub, scriptId, secret, tokenA: before } = await testBench();
    const topic = await admin.createTopic(hub.deps, { name: "later" });
    await admin.grant(hub.deps, scriptId, "later", "read");
    const get = (token: string) => call(hub.url, "GET", `/topics/${topic.id}/events`, { token });
    expect((await get(before)).status).toBe(403);
    expect((await get(await tokenA(hub, scriptId, secret))).status).toBe(200);
  });

  it("ends with the credential or the script", async () => {
    const { hub, getA, getB, clientId } = await testBench();
    await admin.revokeCredential(hub.deps, clientId);
    expect([(await getA("")).status, (await getB("")).status]).toEqual([401, 401]);
    const second = await testBench();
    await admin.setScriptDisabled(second.hub.deps, second.scriptId, true);
    const answer = await second.getB("");
    expect([answer.status, answer.json["detail"]?.["error"]]).toEqual([403, "SUSPENDED"]);
  });

  it("limits requests per credential with 429 and Retry-After", async () => {
    const { getA, getB, hub } = await testBench({ limits: { requestsPerSecond: 2 } });
    // Two a second with a burst of twice that.
    for (let i = 0; i < 4; i += 1) expect((await getA("")).status).toBe(200);
    const limited = await getB("");
    expect([limited.status, limited.json["detail"]?.["error"]]).toEqual([429, "RATE_LIMITED"]);
    expect(limited.headers.get("retry-after")).toBe("1");
    hub.clock.advance(1000);
    expect((await getA("")).status).toBe(200);
  });

  it("tells a script about itself", async () => {
    const { hub, tokenA, scriptId, clientId } = await testBench();
    const me = await call(hub.url, "GET", "/auth/me", { token: tokenA });
    expect(me.json).toMatchObject({ script_id: scriptId, client_id: clientId, name: "agent" });
  });
});

describe("secrets at rest", () => {
  it("are hashes only: no secret, code or token is found in the data folder's database", async () => {
    const { hub, secret, ...agent } = await testBench();
    const refreshToken = textOf((await getToken(hub, { ...agent, secret })).json["refresh_token"]);
    const { code } = await admin.issueActivationCode(hub.deps, { script: agent.scriptId });
    const invite = await admin.createInvite(hub.deps, { topic: "commands", action: "read" });
    const files = (await readdir(hub.dataDir)).filter((name) => name.startsWith("hub.db"));
    expect(files.length).toBeGreaterThan(0);
    for (const name of files) {
      const content = (await readFile(join(hub.dataDir, name))).toString("latin1");
      for (const value of [secret, refreshToken, code, invite.code, agent.tokenA]) expect(content).not.toContain(value);
    }
  });

  it("are readable by their owner only", async () => {
    const { hub } = await testBench();
    expect((await stat(hub.dataDir)).mode & 0o777).toBe(0o700);
    for (const entry of await readdir(hub.dataDir, { withFileTypes: true })) {
      if (!entry.isFile()) continue;
      expect([entry.name, (await stat(join(hub.dataDir, entry.name))).mode & 0o077]).toEqual([entry.name, 0]);
    }
  });
});
