/** What doctor and status say of the world state, over real hubs. */

import { mkdir } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type RunningHub, startHub } from "../../hub/src/server.ts";
import { doctor } from "../../src/cli/doctor/doctor.ts";
import type { Finding } from "../../src/cli/doctor/finding.ts";
import { status } from "../../src/cli/status.ts";
import { saveWorldProblem } from "../../src/credentials/world-problem.ts";
import { createFluxClient, type FluxClient } from "../../src/flux/client.ts";
import { Place } from "../account/support.ts";
import { json, startPeer } from "../service/peer.ts";
import { contextOf } from "./support.ts";

let place: Place;
let guarded: RunningHub;
let operator: FluxClient;
const signal = () => AbortSignal.timeout(10_000);

beforeEach(async () => {
  place = await Place.create();
  await mkdir(place.paths.dir, { recursive: true, mode: 0o700 });
  const dataDir = path.join(place.dir, "guarded");
  guarded = await startHub({ dataDir, port: 0, logLevel: "silent", flux: { auth: true } });
  operator = createFluxClient({ url: guarded.url, adminToken: guarded.adminToken });
});

afterEach(async () => {
  await operator.close();
  await guarded.close();
  await place.close();
});

async function examine(flux: object, online = true) {
  const result = await doctor([contextOf(place, "default", { allowFrom: ["scr_a"], flux })], {
    online,
    nodeVersion: "24.21.0",
  });
  const { findings } = result.json as { findings: (Finding & { check: string })[] };
  return { ...result, findings: findings.filter(({ check }) => check === "world") };
}

const found = async (flux: object, online = true) =>
  (await examine(flux, online)).findings.map(({ severity, id }) => `${severity} ${id}`);

const presence = { presence: { enabled: true } };
const token = async (name: string, isPrivate = false) =>
  (await operator.createNamespace(name, isPrivate, signal())).token;

describe("doctor, of the world state", () => {
  it("says nothing of an account that has nothing to do with it", async () => {
    expect(await found({})).toEqual([]);
  });

  it("is content with the hub on this machine, and notes who sees presence there", async () => {
    expect(await found({ namespace: "lab" })).toEqual([]);
    expect(await found({ namespace: "lab", ...presence })).toEqual(["info world.presence-open"]);
    expect(await found({ namespace: "lab", ...presence }, false)).toEqual([]);
  });

  it("knows from the server whether the token opens the namespace, and writes nothing to know it", async () => {
    const url = guarded.url;
    const [lab, other, hidden] = [await token("lab"), await token("other"), await token("hidden", true)];
    const elsewhere = "info world.elsewhere";
    expect(await found({ url, namespace: "lab", token: lab, ...presence })).toEqual([
      elsewhere,
      "info world.presence-open",
    ]);
    expect(await found({ url, namespace: "hidden", token: hidden, ...presence })).toEqual([elsewhere]);
    expect(await found({ url, namespace: "lab", ...presence })).toEqual([elsewhere, "error world.token-missing"]);
    expect(await found({ url, namespace: "lab", token: "nobodys" })).toEqual([elsewhere, "error world.token-refused"]);
    expect(await found({ url, namespace: "lab", token: other })).toEqual([elsewhere, "error world.token-refused"]);
    expect(await found({ url, namespace: "none", token: lab })).toEqual([elsewhere, "error world.no-namespace"]);
    expect(await found({ url, namespace: "hidden", token: lab })).toEqual([elsewhere, "error world.no-namespace"]);
    expect((await operator.list({}, signal())).items).toEqual([]);
    const { findings, lines } = await examine({ url, namespace: "lab", token: other });
    expect(lines.join("\n")).not.toContain(other);
    for (const { what, where, cure } of findings) expect([what, where, cure]).not.toContain("");
  });

  it("asks a server it does not know for no deletion, not even a dry one", async () => {
    const asked: string[] = [];
    const stock = await startPeer(({ method, path: at, headers }, response) => {
      asked.push(`${method} ${at}`);
      if (headers.authorization === undefined) return json(response, 401, { error: "Invalid token: none" });
      return json(response, 200, { connectors: [], namespaceId: "ns_1", name: "lab", createdAt: "", entityCount: 0 });
    });
    const flux = { url: stock.url, namespace: "lab", token: "the-token-of-lab", ...presence };
    expect(await found(flux)).toEqual(["info world.elsewhere", "info world.presence-open"]);
    expect(asked).toEqual(["GET /api/connectors", "GET /api/connectors", "GET /api/namespaces/lab"]);
    await stock.close();
  });

  it("does not take a reference for a wrong token: a gateway alone can read it", async () => {
    const reference = { source: "env", provider: "default", id: "LAB" };
    await token("lab");
    expect(await found({ url: guarded.url, namespace: "lab", token: reference })).toEqual([
      "info world.elsewhere",
      "info world.reference",
    ]);
  });

  it("finds that there is no server, that it is down, that it is not ready, and that it may not be used", async () => {
    const publicService = { baseUrl: "https://api.agentrux.com", flux: { namespace: "lab", ...presence } };
    const context = contextOf(place, "default", publicService);
    const { json: report } = await doctor([context], { online: false, nodeVersion: "24.21.0" });
    expect(report).toMatchObject({
      findings: expect.arrayContaining([
        expect.objectContaining({
          id: "world.no-server",
          severity: "error",
          what: expect.stringContaining("presence") as string,
        }),
      ]) as object[],
    });
    expect(await found({ url: "http://127.0.0.1:9", namespace: "lab" })).toContain("error world.unreachable");
    expect(await found({ url: "http://flux.example", namespace: "lab" })).toContain("error world.unreachable");
    const restoring = await startPeer((_, response) =>
      json(response, 503, { error: "restoring", code: "UNAVAILABLE" }),
    );
    expect(await found({ url: restoring.url, namespace: "lab" })).toContain("warning world.not-ready");
    await restoring.close();
  });
});

describe("status, of the world state", () => {
  const standing = async (settings: object) => {
    const context = contextOf(place, "default", settings);
    const result = await status([context]);
    const { accounts } = result.json as { accounts: { world: unknown }[] };
    return { world: accounts[0]?.world, text: result.lines.join("\n"), context };
  };

  it("is silent where nobody uses it, and says where it is, and what for, where somebody does", async () => {
    expect((await standing({})).world).toBeNull();
    const { world, text } = await standing({ flux: { namespace: "lab", token: "the-token-itself", ...presence } });
    expect(world).toEqual({ url: place.hub.url, namespace: "lab", presence: true, watches: [], lastError: null });
    expect(text).toContain(`${place.hub.url}, namespace lab, presence on, nothing watched`);
    expect(text).not.toContain("the-token-itself");
    const none = await standing({ baseUrl: "https://api.agentrux.com", flux: { namespace: "lab" } });
    expect(none.world).toMatchObject({ url: null, presence: false });
  });

  it("shows why presence was not published last", async () => {
    const at = new Date(Date.now() - 60_000).toISOString();
    await saveWorldProblem(place.paths, { at, what: "no route" });
    const { world, text } = await standing({ flux: { namespace: "lab", ...presence } });
    expect(world).toMatchObject({ lastError: { at, what: "no route" } });
    expect(text).toMatch(/presence, .* ago: no route/);
    await saveWorldProblem(place.paths, undefined);
    expect((await standing({ flux: { namespace: "lab" } })).world).toMatchObject({ lastError: null });
  });
});
