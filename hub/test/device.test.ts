import { describe, expect, it } from "vitest";
import { deviceAuthorizeResponseSchema, topologyTokenResponseSchema } from "agentrux-wire";
import { document, startTestHub, testClock } from "./support/harness.ts";
import type { TestHub } from "./support/harness.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

async function form(hub: TestHub, path: string, fields: Record<string, string>): Promise<Answer> {
  const response = await fetch(hub.url + path, { method: "POST", body: new URLSearchParams(fields) });
  return { status: response.status, body: await document(response) };
}

async function registered(hub: TestHub, name = "my program"): Promise<string> {
  const response = await fetch(`${hub.url}/oauth/register`, {
    method: "POST",
    body: JSON.stringify({ client_name: name, token_endpoint_auth_method: "none" }),
  });
  expect(response.status).toBe(201);
  const { client_id: clientId } = await document(response);
  expect(clientId).toMatch(/^dcr_[0-9a-f-]{36}$/);
  return String(clientId);
}

interface Codes {
  readonly clientId: string;
  readonly deviceCode: string;
  readonly userCode: string;
}

async function asked(hub: TestHub, scope = "topic.read topic.write"): Promise<Codes> {
  const clientId = await registered(hub);
  const { status, body } = await form(hub, "/oauth/device/authorize", { client_id: clientId, scope });
  expect(status).toBe(200);
  const codes = deviceAuthorizeResponseSchema.parse(body);
  return { clientId, deviceCode: codes.device_code, userCode: codes.user_code };
}

const poll = (hub: TestHub, { clientId, deviceCode }: Codes) =>
  form(hub, "/oauth/token", { grant_type: "device_code", client_id: clientId, device_code: deviceCode });

const refresh = (hub: TestHub, clientId: string, refreshToken: unknown) =>
  form(hub, "/oauth/token", { grant_type: "refresh_token", client_id: clientId, refresh_token: String(refreshToken) });

async function approved(hub: TestHub, userCode: string, decision: object): Promise<Record<string, unknown>> {
  const response = await hub.admin("POST", `/console/requests/${userCode}/approve`, decision);
  expect(response.status).toBe(200);
  return document(response);
}

const withToken = (hub: TestHub, token: unknown, method: string, path: string, body?: object) =>
  fetch(hub.url + path, {
    method,
    headers: { Authorization: `Bearer ${String(token)}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });

const topology = {
  type: "agentrux.topology",
  version: 1,
  script: { name: "worker", description: "works" },
  topics: [
    { ref: "in", name: "jobs", retention_s: 7200, intent: null },
    { ref: "out", name: "results", intent: "answers" },
  ],
  grants: [
    { topic_ref: "in", scope: "read", binding_name: "inbox" },
    { topic_ref: "out", scope: "write", binding_name: null },
  ],
  policy_match_inputs: null,
};

async function askedTopology(hub: TestHub, entry: object = topology): Promise<Codes> {
  const clientId = await registered(hub);
  const fields = { client_id: clientId, authorization_details: JSON.stringify([entry]), client_hint: "laptop" };
  const { status, body } = await form(hub, "/oauth/topology-request", fields);
  expect(status).toBe(200);
  return { clientId, deviceCode: String(body["device_code"]), userCode: String(body["user_code"]) };
}

describe("registration", () => {
  it("takes public clients only", async () => {
    const hub = await startTestHub();
    for (const body of [
      {},
      { client_name: "x" },
      { client_name: "x", token_endpoint_auth_method: "client_secret_basic" },
      "{",
    ]) {
      const response = await fetch(`${hub.url}/oauth/register`, {
        method: "POST",
        body: typeof body === "string" ? body : JSON.stringify(body),
      });
      expect({ body, status: response.status }).toEqual({ body, status: 400 });
      expect(await document(response)).toMatchObject({ error: "invalid_request" });
    }
  });

  it("is limited per address", async () => {
    const hub = await startTestHub({ limits: { accessRequestsPerHour: 2 } });
    await registered(hub);
    await registered(hub);
    const response = await fetch(`${hub.url}/oauth/register`, { method: "POST", body: "{}" });
    expect(response.status).toBe(429);
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
  });
});

describe("asking", () => {
  it("gives two codes, where to go, and how often to ask", async () => {
    const hub = await startTestHub();
    const clientId = await registered(hub);
    const { body } = await form(hub, "/oauth/device/authorize", { client_id: clientId, scope: "topic.read openid" });
    expect(body).toEqual({
      device_code: expect.stringMatching(/^dvc_.{43}$/),
      user_code: expect.stringMatching(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/),
      verification_uri: `${hub.url}/device`,
      verification_uri_complete: `${hub.url}/device?user_code=${String(body["user_code"])}`,
      expires_in: 600,
      interval: 5,
    });
    const page = await fetch(String(body["verification_uri_complete"]));
    expect(page.status).toBe(200);
    expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(await page.text()).not.toContain(String(body["user_code"]));
  });

  it("is refused to strangers, and for scopes there are not", async () => {
    const hub = await startTestHub();
    const clientId = await registered(hub);
    const stranger = await form(hub, "/oauth/device/authorize", { client_id: "dcr_x", scope: "topic.read" });
    expect(stranger).toMatchObject({ status: 400, body: { error: "invalid_client" } });
    for (const scope of ["admin", "topic.read admin", "topic.read topic.read", "openid", "topic.read  topic.write"]) {
      const answer = await form(hub, "/oauth/device/authorize", { client_id: clientId, scope });
      expect({ scope, ...answer }).toMatchObject({ scope, status: 400, body: { error: "invalid_scope" } });
    }
    expect(await form(hub, "/oauth/device/authorize", { client_id: clientId })).toMatchObject({
      status: 400,
      body: { error: "invalid_request" },
    });
  });
});

describe("polling", () => {
  it("waits, and asks too often to its cost", async () => {
    const clock = testClock();
    const hub = await startTestHub({ clock });
    const codes = await asked(hub);
    expect(await poll(hub, codes)).toMatchObject({ status: 400, body: { error: "authorization_pending" } });
    expect(await poll(hub, codes)).toMatchObject({ status: 400, body: { error: "slow_down" } });
    clock.advance(6000);
    expect(await poll(hub, codes)).toMatchObject({ body: { error: "slow_down" } });
    clock.advance(16_000);
    expect(await poll(hub, codes)).toMatchObject({ body: { error: "authorization_pending" } });
  });

  it("ends when the operator refuses, when time is up, or when the codes are not its own", async () => {
    const clock = testClock();
    const hub = await startTestHub({ clock });
    const denied = await asked(hub);
    expect((await hub.admin("POST", `/console/requests/${denied.userCode}/deny`)).status).toBe(204);
    expect(await poll(hub, denied)).toMatchObject({ status: 400, body: { error: "access_denied" } });

    const late = await asked(hub);
    const other = await registered(hub);
    expect(await poll(hub, { ...late, clientId: other })).toMatchObject({ body: { error: "invalid_grant" } });
    expect(await poll(hub, { ...late, clientId: "dcr_x" })).toMatchObject({
      status: 401,
      body: { error: "invalid_client" },
    });
    expect(await poll(hub, { ...late, deviceCode: "guess" })).toMatchObject({ body: { error: "invalid_grant" } });
    clock.advance(10 * MINUTE_MS);
    expect(await poll(hub, late)).toMatchObject({ status: 400, body: { error: "expired_token" } });
    expect((await hub.admin("POST", `/console/requests/${late.userCode}/approve`, { script: "x" })).status).toBe(404);
  });
});

describe("an approved device", () => {
  it("gets tokens once, for what it asked and was granted, and no more", async () => {
    const hub = await startTestHub();
    const topic = await hub.topic("t");
    await hub.client("shared", { read: [topic], write: [topic] });
    const codes = await asked(hub, "topic.read");
    const listed = await document(await hub.admin("GET", "/console/requests"));
    expect(listed["requests"]).toMatchObject([
      { user_code: codes.userCode, client_name: "my program", kind: "device", actions: ["read"] },
    ]);
    await approved(hub, codes.userCode.toLowerCase().replace("-", ""), { script: "shared" });
    const { status, body } = await poll(hub, codes);
    expect(status).toBe(200);
    expect(body).toMatchObject({ token_type: "Bearer", scope: "topic.read", expires_in: expect.any(Number) });
    expect(body["access_token"]).toMatch(/^aat_/);
    expect(body["refresh_token"]).toMatch(/^art_/);
    expect((await withToken(hub, body["access_token"], "GET", `/topics/top_${topic}/events`)).status).toBe(200);
    const write = await withToken(hub, body["access_token"], "POST", `/topics/top_${topic}/events`, {
      event_type: "t",
    });
    expect(write.status).toBe(403);
    expect(await poll(hub, codes)).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
    expect(await document(await hub.admin("GET", "/console/requests"))).toEqual({ requests: [] });
  });

  it("may get a script of its own", async () => {
    const hub = await startTestHub();
    const topic = await hub.topic("t");
    const codes = await asked(hub, "topic.write");
    const path = `/console/requests/${codes.userCode}/approve`;
    expect((await hub.admin("POST", path, {})).status).toBe(422);
    expect((await hub.admin("POST", path, { read: ["t"] })).status).toBe(422);
    expect((await hub.admin("POST", path, { write: ["nowhere"] })).status).toBe(404);
    const { script_id: scriptId } = await approved(hub, codes.userCode, { write: ["t"] });
    const { body } = await poll(hub, codes);
    const publish = await withToken(hub, body["access_token"], "POST", `/topics/${topic}/events`, { type: "t" });
    expect(publish.status).toBe(201);
    const scripts = await document(await hub.admin("GET", "/console/scripts"));
    expect(scripts["scripts"]).toMatchObject([{ script_id: scriptId, name: "my program" }]);
  });

  it("of twenty polls at once gets its tokens in one", async () => {
    const hub = await startTestHub();
    await hub.topic("t");
    const codes = await asked(hub);
    await approved(hub, codes.userCode, { read: ["t"] });
    const answers = await Promise.all(Array.from({ length: 20 }, () => poll(hub, codes)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  it("renews by refresh tokens, each good once; one that comes back late ends the chain", async () => {
    const clock = testClock();
    const hub = await startTestHub({ clock });
    await hub.topic("t");
    const codes = await asked(hub);
    await approved(hub, codes.userCode, { read: ["t"] });
    const first = (await poll(hub, codes)).body["refresh_token"];
    const second = await refresh(hub, codes.clientId, first);
    expect(second).toMatchObject({ status: 200, body: { scope: "topic.read topic.write" } });
    expect(await refresh(hub, codes.clientId, first)).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
    const third = await refresh(hub, codes.clientId, second.body["refresh_token"]);
    expect(third.status).toBe(200);
    clock.advance(2 * MINUTE_MS);
    expect((await refresh(hub, codes.clientId, first)).status).toBe(400);
    expect((await refresh(hub, codes.clientId, third.body["refresh_token"])).status).toBe(400);
  });

  it("has refresh tokens that are worth nothing to others, elsewhere, or after 30 days", async () => {
    const clock = testClock();
    const hub = await startTestHub({ clock });
    await hub.topic("t");
    const codes = await asked(hub);
    await approved(hub, codes.userCode, { read: ["t"] });
    const { refresh_token: token } = (await poll(hub, codes)).body;
    expect((await refresh(hub, await registered(hub), token)).status).toBe(400);
    const asA = await fetch(`${hub.url}/auth/refresh`, {
      method: "POST",
      body: JSON.stringify({ refresh_token: token }),
    });
    expect(asA.status).toBe(401);
    clock.advance(30 * DAY_MS + 1000);
    expect((await refresh(hub, codes.clientId, token)).status).toBe(400);
  });

  it("survives a restart between approval and poll", async () => {
    const hub = await startTestHub();
    await hub.topic("t");
    const codes = await asked(hub);
    await approved(hub, codes.userCode, { read: ["t"] });
    await hub.restart();
    expect((await poll(hub, codes)).status).toBe(200);
  });
});

describe("an approved topology", () => {
  it("has script, topics and grants made for it, and is told their ids", async () => {
    const hub = await startTestHub();
    const codes = await askedTopology(hub);
    const listed = await document(await hub.admin("GET", "/console/requests"));
    expect(listed["requests"]).toMatchObject([{ kind: "topology", client_hint: "laptop", script: { name: "worker" } }]);
    await approved(hub, codes.userCode, {});
    const { body } = await poll(hub, codes);
    const tokens = topologyTokenResponseSchema.parse(body);
    const granted = tokens.authorization_details[0]?.granted;
    expect(Object.keys(granted?.topic_id_map ?? {})).toEqual(["in", "out"]);
    const [jobs, results] = Object.values(granted?.topic_id_map ?? {});
    expect(granted?.grant_ids).toEqual({
      [`topic:${jobs}:read`]: { grant_id: expect.any(String), binding_name: "inbox" },
      [`topic:${results}:write`]: { grant_id: expect.any(String), binding_name: null },
    });
    const path = `/topics/${results}/events`;
    expect((await withToken(hub, tokens.access_token, "POST", path, { event_type: "t" })).status).toBe(201);
    expect((await withToken(hub, tokens.access_token, "GET", path)).status).toBe(403);
    expect((await withToken(hub, tokens.access_token, "GET", `/topics/${jobs}/events`)).status).toBe(200);
    const topics = await document(await hub.admin("GET", "/console/topics"));
    expect(topics["topics"]).toMatchObject([
      { name: "jobs", retention_s: 7200 },
      { name: "results", retention_s: 2_592_000 },
    ]);
  });

  it("does not get into topics that exist, unless the operator says so; and makes nothing when it cannot make all", async () => {
    const hub = await startTestHub();
    const existing = await hub.topic("results");
    const codes = await askedTopology(hub);
    expect((await hub.admin("POST", `/console/requests/${codes.userCode}/approve`, {})).status).toBe(409);
    expect((await document(await hub.admin("GET", "/console/topics")))["topics"]).toHaveLength(1);
    expect(await document(await hub.admin("GET", "/console/scripts"))).toEqual({ scripts: [] });
    await approved(hub, codes.userCode, { reuse_topics: true });
    const tokens = topologyTokenResponseSchema.parse((await poll(hub, codes)).body);
    expect(tokens.authorization_details[0]?.granted.topic_id_map["out"]).toBe(`top_${existing}`);
  });

  it("is refused when it does not fit", async () => {
    const hub = await startTestHub();
    const clientId = await registered(hub);
    const ask = (details: string, more: Record<string, string> = {}) =>
      form(hub, "/oauth/topology-request", { client_id: clientId, authorization_details: details, ...more });
    const tooLarge = { ...topology, policy_match_inputs: "x".repeat(17_000) };
    const cases: readonly [string, string][] = [
      ["", "invalid_request"],
      ["{", "invalid_request"],
      ["{}", "invalid_request"],
      ["[]", "invalid_request"],
      ["[[]]", "invalid_request"],
      [JSON.stringify([topology, topology]), "invalid_request"],
      [JSON.stringify([tooLarge]), "invalid_request"],
      [JSON.stringify([{ ...topology, grants: [] }]), "invalid_request"],
      [JSON.stringify([{ ...topology, version: 2 }]), "unsupported_authorization_details"],
      [JSON.stringify([{ ...topology, type: "other" }]), "unsupported_authorization_details"],
    ];
    for (const [details, error] of cases) {
      const answer = await ask(details);
      expect({ details: details.slice(0, 60), status: answer.status, error: answer.body["error"] }).toEqual({
        details: details.slice(0, 60),
        status: 400,
        error,
      });
    }
    expect((await ask(JSON.stringify([topology]), { client_hint: "x".repeat(257) })).status).toBe(400);
    expect((await ask(JSON.stringify([topology]), { client_id: "dcr_x" })).body["error"]).toBe("invalid_client");
  });
});

describe("decisions", () => {
  it("are the operator's alone", async () => {
    const hub = await startTestHub();
    const topic = await hub.topic("t");
    const script = await hub.client("s", { read: [topic] });
    const codes = await asked(hub);
    for (const path of [`/console/requests/${codes.userCode}/approve`, `/console/requests/${codes.userCode}/deny`]) {
      expect((await fetch(hub.url + path, { method: "POST" })).status).toBe(401);
      expect((await script.call("POST", path, { script: "s" })).status).toBe(403);
    }
    expect((await script.call("GET", "/console/requests")).status).toBe(403);
  });

  it("stop acting at once when the script is cut off", async () => {
    const hub = await startTestHub();
    const topic = await hub.topic("t");
    const codes = await asked(hub);
    const { client_id: credentialId } = await approved(hub, codes.userCode, { read: ["t"] });
    const { body } = await poll(hub, codes);
    const events = `/topics/${topic}/events`;
    expect((await withToken(hub, body["access_token"], "GET", events)).status).toBe(200);
    await hub.running.deps.store.credentials.revoke(String(credentialId), Date.now());
    expect((await withToken(hub, body["access_token"], "GET", events)).status).toBe(401);
    expect((await refresh(hub, codes.clientId, body["refresh_token"])).status).toBe(400);
  });
});
