/** The published skill's own script, unchanged, against the hub: every verb. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { testHub, textOf } from "../support/hub.ts";
import type { Json } from "../support/hub.ts";
import { fluxClient } from "./support/world.ts";

const SCRIPT = join(import.meta.dirname, "fixtures/published-skill/flux.sh");

interface Ran {
  readonly code: number;
  readonly stdout: string;
  /** The JSON behind the lines of talk. */
  readonly json: Json;
}

function flux(env: Record<string, string>, ...args: string[]): Promise<Ran> {
  return new Promise((resolve) => {
    const path = { PATH: process.env["PATH"] ?? "" };
    execFile("bash", [SCRIPT, ...args], { env: { ...path, ...env } }, (error, stdout) => {
      const code = typeof error?.code === "number" ? error.code : 0;
      const start = stdout.search(/^[[{]/m);
      resolve({ code, stdout, json: (start < 0 ? {} : JSON.parse(stdout.slice(start))) as Json });
    });
  });
}

describe("flux.sh of the published skill", () => {
  it("works for every verb without auth", { timeout: 60_000 }, async () => {
    const hub = await testHub();
    const env = { FLUX_URL: hub.url, FLUX_ADMIN_TOKEN: hub.adminToken };
    const run = (...args: string[]) => flux(env, ...args);
    const published = await run("publish", "sensors", "agent-01", "lab/one", '{"temperature":22.5,"unit":"celsius"}');
    expect(published.json).toEqual({ eventId: expect.any(String), stream: "sensors" });
    expect((await run("get", "lab/one")).json).toMatchObject({
      id: "lab/one",
      properties: { temperature: 22.5, unit: "celsius" },
    });
    const event = (id: string) => ({
      stream: "s",
      source: "x",
      timestamp: 1,
      payload: { entity_id: id, properties: { a: 1 } },
    });
    const batch = await run("batch", JSON.stringify([event("lab/two"), event("other/three")]));
    expect(batch.json).toMatchObject({ successful: 2, failed: 0 });
    expect((await run("list")).json).toHaveLength(3);
    expect((await run("list", "--prefix", "lab/")).json).toHaveLength(2);
    expect((await run("list", "--namespace", "other")).json).toMatchObject([{ id: "other/three" }]);
    expect((await run("health")).stdout).toContain("Entities in state: 3");
    expect((await run("delete", "lab/two")).json).toEqual({ entity_id: "lab/two", eventId: expect.any(String) });
    expect((await run("batch-delete", '{"prefix":"other/"}')).json).toEqual({ deleted: 1, failed: 0, errors: [] });
    expect((await run("get", "other/three")).json).toMatchObject({ error: "Entity not found" });
    expect((await run("connectors")).json["connectors"]).toHaveLength(4);
    expect((await run("admin-config")).json).toMatchObject({ rate_limit_enabled: true });
    expect((await run("admin-config", '{"rate_limit_enabled":false}')).json).toMatchObject({
      rate_limit_enabled: false,
    });
    expect((await run("get", "flux-core/directory")).json).toMatchObject({
      properties: { namespaces: [{ name: "lab", entities: 1 }], total_entities: 1 },
    });
    expect((await run()).code).toBe(1);
  });

  it("works with a namespace's token", { timeout: 60_000 }, async () => {
    const hub = await testHub({ flux: { auth: true } });
    const admin = fluxClient(hub.url, hub.adminToken);
    const made = await admin.call("POST", "/api/namespaces", { body: { name: "dawn-coral" } });
    const env = { FLUX_URL: hub.url, FLUX_TOKEN: textOf(made.json["token"]) };
    const published = await flux(env, "publish", "sensors", "agent-01", "dawn-coral/sensor-01", '{"t":1}');
    expect(published.json).toMatchObject({ stream: "sensors" });
    const foreign = await flux(env, "publish", "sensors", "agent-01", "bare", '{"t":1}');
    expect(foreign.json["error"]).toContain("missing namespace prefix");
    expect((await flux(env, "batch-delete", '{"namespace":"dawn-coral"}')).json).toMatchObject({ deleted: 1 });
  });
});
