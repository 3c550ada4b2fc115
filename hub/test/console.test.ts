import { DatabaseSync } from "node:sqlite";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  ACTIVATION_CODE_A_PATTERN,
  ACTIVATION_CODE_B_PATTERN,
  INVITE_CODE_PATTERN,
  SCRIPT_ID_PATTERN,
  UUID_PATTERN,
} from "agentrux-wire";
import { document, startTestHub, testClock } from "./support/harness.ts";
import type { TestHub } from "./support/harness.ts";

const HOUR_MS = 3_600_000;

async function made(response: Response): Promise<Record<string, string>> {
  expect(response.status).toBe(201);
  return (await document(response)) as Record<string, string>;
}

async function script(hub: TestHub, body: object = { name: "agent" }): Promise<string> {
  return (await made(await hub.admin("POST", "/console/scripts", body)))["script_id"] ?? "";
}

const post = (hub: TestHub, path: string, body: unknown) =>
  fetch(hub.url + path, { method: "POST", body: JSON.stringify(body) });

describe("the console's door", () => {
  const calls = [
    ["GET", "/console/topics"],
    ["POST", "/console/topics"],
    ["GET", "/console/scripts"],
    ["POST", "/console/scripts/scr_x/activation-codes"],
    ["GET", "/console/grants"],
    ["POST", "/console/nothing-here"],
  ] as const;

  it("opens to the admin token alone", async () => {
    const hub = await startTestHub();
    const topic = await hub.topic("t");
    const client = await hub.client("c", { read: [topic], write: [topic] });
    for (const [method, path] of calls) {
      const without = await fetch(hub.url + path, { method });
      const asScript = await client.call(method, path);
      const wrong = await fetch(hub.url + path, { method, headers: { Authorization: "Bearer adm_wrong" } });
      const statuses = [without.status, asScript.status, wrong.status];
      expect({ method, path, statuses }).toEqual({ method, path, statuses: [401, 403, 401] });
    }
    expect((await hub.admin("GET", "/console/topics")).status).toBe(200);
    expect((await hub.admin("GET", "/console/nothing-here")).status).toBe(404);
  });

  it("slows down who tries tokens, and says for how long", async () => {
    const hub = await startTestHub({ limits: { authAttemptsPerMinute: 5 } });
    const attempt = () => fetch(`${hub.url}/console/topics`, { headers: { Authorization: "Bearer guess" } });
    const statuses: number[] = [];
    for (let i = 0; i < 6; i += 1) statuses.push((await attempt()).status);
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429]);
    expect(Number((await attempt()).headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await hub.admin("GET", "/console/topics")).status).toBe(200);
  });
});

describe("topics and scripts", () => {
  it("are made and listed", async () => {
    const hub = await startTestHub();
    const request = { name: "jobs.in", display_name: "Jobs", retention_s: 7200 };
    const topic = await made(await hub.admin("POST", "/console/topics", request));
    expect(topic["topic_id"]).toMatch(UUID_PATTERN);
    const listed = await document(await hub.admin("GET", "/console/topics"));
    expect(listed["topics"]).toEqual([topic]);
    expect(topic).toMatchObject(request);

    const body = { name: "agent", read: ["jobs.in"], write: [`top_${topic["topic_id"]}`] };
    const scriptId = await script(hub, body);
    expect(scriptId).toMatch(SCRIPT_ID_PATTERN);
    const scripts = await document(await hub.admin("GET", "/console/scripts"));
    expect(scripts["scripts"]).toMatchObject([
      {
        script_id: scriptId,
        name: "agent",
        grants: [{ topic_id: topic["topic_id"] }, { topic_id: topic["topic_id"] }],
      },
    ]);
  });

  it("say which field is wrong", async () => {
    const hub = await startTestHub();
    await hub.topic("taken");
    const refusals: readonly [string, object, number, string][] = [
      ["/console/topics", { name: "Upper" }, 422, "name"],
      ["/console/topics", {}, 422, "name"],
      ["/console/topics", { name: "x", retention_s: 1 }, 422, "retention_s"],
      ["/console/topics", { name: "taken" }, 409, "taken"],
      ["/console/scripts", { name: "" }, 422, "name"],
      ["/console/scripts", { name: "s", read: ["nowhere"] }, 404, "nowhere"],
    ];
    for (const [path, body, status, word] of refusals) {
      const response = await hub.admin("POST", path, body);
      expect({ body, status: response.status }).toEqual({ body, status });
      const { error } = (await document(response)) as { error: { code: string; message: string } };
      expect(error.message).toContain(word);
    }
    expect((await hub.admin("POST", "/console/topics", "{")).status).toBe(400);
    expect(await document(await hub.admin("GET", "/console/scripts"))).toEqual({ scripts: [] });
  });
});

describe("grants", () => {
  it("act at once when revoked, on tokens already issued too", async () => {
    const hub = await startTestHub();
    const topic = await hub.topic("t");
    const client = await hub.client("c", { read: [topic] });
    const listed = await document(await hub.admin("GET", `/console/grants?script_id=${client.scriptId}`));
    const [grant] = listed["grants"] as { grant_id: string }[];
    expect((await client.call("GET", `/topics/${topic}/events`)).status).toBe(200);
    expect((await hub.admin("DELETE", `/console/grants/${grant?.grant_id}`)).status).toBe(204);
    expect((await client.call("GET", `/topics/${topic}/events`)).status).toBe(403);
    expect((await hub.admin("DELETE", `/console/grants/${grant?.grant_id}`)).status).toBe(404);
  });

  it("are made once, however often they are asked for", async () => {
    const hub = await startTestHub();
    const topic = await hub.topic("t");
    const scriptId = await script(hub);
    const body = { script_id: scriptId, topic_id: topic, action: "write" };
    const first = await made(await hub.admin("POST", "/console/grants", body));
    const again = await made(await hub.admin("POST", "/console/grants", { ...body, topic_id: `top_${topic}` }));
    expect(again).toEqual(first);
  });
});

describe("activation codes", () => {
  it("are issued in all the ways to say a lifetime, and for both generations", async () => {
    const hub = await startTestHub();
    const scriptId = await script(hub);
    const path = `/console/scripts/${scriptId}/activation-codes`;
    const hoursOf: readonly [unknown, number][] = [
      [undefined, 1],
      [{}, 1],
      [{ ttl_hours: 6 }, 6],
      [{ ttl_seconds: 86_400 }, 24],
      [{ ttl: "24h", generation: "b" }, 24],
    ];
    for (const [body, hours] of hoursOf) {
      const before = Date.now();
      const issued = await made(await hub.admin("POST", path, body));
      expect(Object.keys(issued).toSorted()).toEqual(["activation_code", "expires_at", "script_id"]);
      expect(issued["script_id"]).toBe(scriptId);
      expect(Date.parse(issued["expires_at"] ?? "")).toBeGreaterThanOrEqual(before + hours * HOUR_MS);
      expect(Date.parse(issued["expires_at"] ?? "")).toBeLessThanOrEqual(Date.now() + hours * HOUR_MS);
      const isB = JSON.stringify(body ?? {}).includes('"b"');
      expect(issued["activation_code"]).toMatch(isB ? ACTIVATION_CODE_B_PATTERN : ACTIVATION_CODE_A_PATTERN);
      expect(issued["activation_code"]).toHaveLength((isB ? "act_" : "ac_").length + 43);
    }
    expect((await hub.admin("POST", path, { ttl: "2h" })).status).toBe(422);
    expect((await hub.admin("POST", "/console/scripts/scr_none/activation-codes", {})).status).toBe(404);
  });

  it("redeem once, and not after their time", async () => {
    const clock = testClock();
    const hub = await startTestHub({ clock });
    const scriptId = await script(hub);
    const issue = async (body: object) =>
      (await made(await hub.admin("POST", `/console/scripts/${scriptId}/activation-codes`, body)))["activation_code"];
    const codeA = await issue({ ttl: "1h" });
    expect((await post(hub, "/auth/activate", { activation_code: codeA })).status).toBe(200);
    expect((await post(hub, "/auth/activate", { activation_code: codeA })).status).toBe(404);
    const codeB = await issue({ ttl: "1h", generation: "b" });
    expect((await post(hub, "/auth/redeem-activation-code", { code: codeB })).status).toBe(200);
    const late = await issue({ ttl: "1h" });
    clock.advance(HOUR_MS + 1);
    const response = await post(hub, "/auth/activate", { activation_code: late });
    expect(response.status).toBe(422);
    expect(await document(response)).toEqual({ error: { code: "INVALID", message: "Token has expired" } });
  });
});

describe("invites", () => {
  it("let a script in, once, and are listed without their code", async () => {
    const clock = testClock();
    const hub = await startTestHub({ clock });
    const topic = await hub.topic("t");
    const path = `/console/topics/${topic}/invites`;
    const invite = await made(await hub.admin("POST", path, { action: "read" }));
    expect(invite["invite_code"]).toMatch(INVITE_CODE_PATTERN);
    expect(invite).toMatchObject({ topic_id: topic, action: "read" });

    const scriptId = await script(hub);
    const code = (await made(await hub.admin("POST", `/console/scripts/${scriptId}/activation-codes`)))[
      "activation_code"
    ];
    const credentials = await document(await post(hub, "/auth/activate", { activation_code: code }));
    const redeem = { invite_code: invite["invite_code"], ...credentials };
    const redeemed = await post(hub, "/auth/redeem-invite-code", redeem);
    expect(redeemed.ok).toBe(true);
    expect(await document(redeemed)).toMatchObject({ topic_id: topic, action: "read" });
    expect((await post(hub, "/auth/redeem-invite-code", redeem)).status).toBe(409);

    await made(await hub.admin("POST", path, { action: "write", ttl_seconds: 300 }));
    clock.advance(301_000);
    await made(await hub.admin("POST", path, { action: "write" }));
    const text = await (await hub.admin("GET", path)).text();
    expect(text).not.toContain("inv_");
    const states = (JSON.parse(text) as { invites: { state: string }[] }).invites.map((one) => one.state);
    expect(states.toSorted()).toEqual(["expired", "open", "used"]);
  });
});

describe("secrets at rest", () => {
  it("are nowhere in the data folder: codes, client secrets, refresh tokens", async () => {
    const hub = await startTestHub();
    const scriptId = await script(hub);
    const topic = await hub.topic("t");
    const code = (await made(await hub.admin("POST", `/console/scripts/${scriptId}/activation-codes`)))[
      "activation_code"
    ];
    const invite = (await made(await hub.admin("POST", `/console/topics/${topic}/invites`, { action: "read" })))[
      "invite_code"
    ];
    const credentials = await document(await post(hub, "/auth/activate", { activation_code: code }));
    const tokens = await document(await post(hub, "/auth/token", credentials));
    await hub.running.close();
    new DatabaseSync(join(hub.dataDir, "hub.db")).close();
    const secrets = [code, invite, credentials["client_secret"], tokens["refresh_token"], tokens["access_token"]];
    for (const entry of await readdir(hub.dataDir, { withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const content = await readFile(join(hub.dataDir, entry.name), "latin1");
      const found = secrets.filter((secret) => content.includes(String(secret)));
      expect({ file: entry.name, found }).toEqual({ file: entry.name, found: [] });
    }
  });
});
