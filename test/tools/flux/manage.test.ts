/** `flux_connectors`, `flux_namespace`, `flux_admin_config`, `flux_watch` and `flux_unwatch`. */

import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { FluxWatch } from "../../../src/config/flux.ts";
import { AgentruxError } from "../../../src/errors.ts";
import { createFluxClient } from "../../../src/flux/client.ts";
import type { WatchInfo, WatchRegistry } from "../../../src/flux/watch/types.ts";
import { fluxAdminConfigTool } from "../../../src/tools/flux/admin-config.ts";
import { fluxConnectorsTool } from "../../../src/tools/flux/connectors.ts";
import { fluxNamespaceTool } from "../../../src/tools/flux/namespace.ts";
import { fluxUnwatchTool, fluxWatchTool } from "../../../src/tools/flux/watch.ts";
import { Agent, errorOf, never, outside, World } from "./support.ts";

let world: World;
let agent: Agent;
let operators: Agent;
beforeAll(async () => {
  world = await World.open(true);
  agent = await world.agent("lab", { namespace: "lab" });
  operators = await Agent.at({ url: world.hub.url, token: world.tokens.lab, adminToken: world.hub.adminToken });
});
afterAll(async () => {
  await agent.close();
  await operators.close();
  await world.close();
});

describe("flux_connectors", () => {
  it("tells which connectors have a credential, and where one is stored, which it cannot do", async () => {
    await agent.client.saveConnectorToken("github", "a-credential-to-keep", never());
    const all = await agent.call(fluxConnectorsTool, {});
    expect(all.text).toBe(
      "github: configured\ngmail: not_configured\nlinkedin: not_configured\ncalendar: not_configured\nA credential is stored by your owner: flux.sh connector-token NAME < FILE.",
    );
    const one = await agent.call(fluxConnectorsTool, { name: "github" });
    expect(one.details["connectors"]).toEqual([{ name: "github", enabled: true, status: "configured" }]);
    expect(JSON.stringify([all, one])).not.toContain("a-credential-to-keep");
    expect(errorOf(await agent.call(fluxConnectorsTool, { connector: "../admin" }))).toMatchObject({
      code: "not_found",
    });
    expect(errorOf(await agent.call(fluxConnectorsTool, { connector: "github", token: "x" }))).toMatchObject({
      code: "invalid",
    });
  });
});

describe("flux_namespace", () => {
  it("tells of the agent's own namespace, and of another", async () => {
    const payload = { entity_id: "lab/one", properties: { a: 1 } };
    await agent.client.publish({ stream: "s", source: "t", timestamp: 1, payload }, never());
    const own = await agent.call(fluxNamespaceTool, {});
    expect(own.details).toMatchObject({ ok: true, namespace: "lab", entities: 1, private: false, own: true });
    expect((await agent.call(fluxNamespaceTool, { name: "other" })).details).toMatchObject({ entities: 0, own: false });
    expect(errorOf(await agent.call(fluxNamespaceTool, { name: "hidden" }))).toMatchObject({ code: "not_found" });
    expect(errorOf(await agent.call(fluxNamespaceTool, { name: "../x" }))).toMatchObject({ code: "invalid" });
    expect(errorOf(await operators.call(fluxNamespaceTool, {}))).toMatchObject({ code: "invalid" });
  });

  it("registers one for the owner, and gives its token to a file and to nobody else", async () => {
    const outcome = await operators.call(
      fluxNamespaceTool,
      { name: "dawn-coral", create: true, private: true },
      { owner: true },
    );
    expect(outcome).toMatchObject({ isError: false, details: { namespace: "dawn-coral" } });
    const file = path.join(operators.paths.dir, "flux-tokens", "dawn-coral");
    expect(outcome.details["token_file"]).toBe(file);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(path.dirname(file)).mode & 0o777).toBe(0o700);
    const token = readFileSync(file, "utf8").trim();
    expect(JSON.stringify(outcome)).not.toContain(token);
    const owner = createFluxClient({ url: world.hub.url, token });
    onTestFinished(() => owner.close());
    const payload = { entity_id: "dawn-coral/x", properties: { a: 1 } };
    await owner.publish({ stream: "s", source: "t", timestamp: 1, payload }, never());
    expect(await agent.client.entity("dawn-coral/x", never())).toBeUndefined();
  });

  it("overwrites no token, and leaves no file where nothing was registered", async () => {
    const once = { name: "once-only", create: true };
    expect((await operators.call(fluxNamespaceTool, once, { owner: true })).isError).toBe(false);
    const file = path.join(operators.paths.dir, "flux-tokens", "once-only");
    const token = readFileSync(file, "utf8");
    expect(errorOf(await operators.call(fluxNamespaceTool, once, { owner: true }))).toMatchObject({ code: "conflict" });
    expect(readFileSync(file, "utf8")).toBe(token);
    const taken = await operators.call(fluxNamespaceTool, { name: "other", create: true }, { owner: true });
    expect(errorOf(taken)).toMatchObject({ code: "conflict", kind: "refused" });
    expect(existsSync(path.join(operators.paths.dir, "flux-tokens", "other"))).toBe(false);
  });

  it("registers none for anybody else, nor without the operator's token", async () => {
    const args = { name: "not-theirs", create: true };
    expect(errorOf(await operators.call(fluxNamespaceTool, args))).toMatchObject({ code: "not_allowed" });
    expect(errorOf(await agent.call(fluxNamespaceTool, args, { owner: true }))).toMatchObject({
      code: "config",
      message: expect.stringContaining("flux.adminToken"),
    });
    expect(errorOf(await operators.call(fluxNamespaceTool, { name: "not-theirs" }))).toMatchObject({
      code: "not_found",
    });
    expect(existsSync(path.join(operators.paths.dir, "flux-tokens", "not-theirs"))).toBe(false);
  });

  it("says that a token is lost where its answer is", async () => {
    const client = {
      ...operators.client,
      createNamespace: () => Promise.reject(new AgentruxError("network", "the connection broke", { kind: "unknown" })),
    };
    const outcome = await operators.call(fluxNamespaceTool, { name: "maybe", create: true }, { owner: true, client });
    expect(errorOf(outcome)).toMatchObject({ kind: "unknown", cure: expect.stringContaining("token is lost") });
    expect(existsSync(path.join(operators.paths.dir, "flux-tokens", "maybe"))).toBe(false);
  });
});

describe("flux_admin_config", () => {
  it("shows the limits, and changes those that are given, for the owner", async () => {
    const before = await operators.call(fluxAdminConfigTool, {}, { owner: true });
    expect(before.details).toMatchObject({ ok: true, changed: false, rate_limit_enabled: true });
    const change = { rate_limit_per_namespace_per_minute: 20_000 };
    const after = await operators.call(fluxAdminConfigTool, change, { owner: true });
    expect(after.details).toMatchObject({ ...change, changed: true, rate_limit_enabled: true });
    expect(await operators.client.config(never())).toMatchObject(change);
  });

  it("is for nobody else, and changes nothing without the operator's token", async () => {
    expect(fluxAdminConfigTool).toMatchObject({ optional: true, ownerOnly: true });
    expect(errorOf(await operators.call(fluxAdminConfigTool, {}))).toMatchObject({ code: "not_allowed" });
    const change = { rate_limit_enabled: false };
    expect(errorOf(await agent.call(fluxAdminConfigTool, change, { owner: true }))).toMatchObject({ code: "config" });
    const wrong = await Agent.at({ url: world.hub.url, adminToken: "not-the-operators-token" });
    onTestFinished(() => wrong.close());
    const refused = await wrong.call(fluxAdminConfigTool, change, { owner: true });
    expect(errorOf(refused)).toMatchObject({ code: "unauthorized", cure: expect.stringContaining("flux.adminToken") });
    expect(JSON.stringify(refused)).not.toContain("not-the-operators-token");
    expect(await operators.client.config(never())).toMatchObject({ rate_limit_enabled: true });
    const nonsense = await operators.call(
      fluxAdminConfigTool,
      { rate_limit_per_namespace_per_minute: 0 },
      { owner: true },
    );
    expect(errorOf(nonsense)).toMatchObject({ code: "invalid" });
  });
});

/** Watches kept in memory, as those of a running account look from here. */
class FakeWatches implements WatchRegistry {
  readonly added: { definition: FluxWatch; origin: string }[] = [];
  readonly #infos: WatchInfo[] = [];

  list(): readonly WatchInfo[] {
    return this.#infos;
  }

  add(definition: FluxWatch, origin: WatchInfo["origin"]): Promise<WatchInfo> {
    if (this.#infos.some((info) => info.definition.id === definition.id)) {
      return Promise.reject(new AgentruxError("conflict", "the id is taken"));
    }
    const info: WatchInfo = { definition, origin, state: "starting", entities: 0, held: 0 };
    this.added.push({ definition, origin });
    this.#infos.push(info);
    return Promise.resolve(info);
  }

  remove(id: string): Promise<boolean> {
    const index = this.#infos.findIndex(({ definition }) => definition.id === id);
    if (this.#infos[index]?.origin === "config") {
      return Promise.reject(new AgentruxError("not_allowed", "that watch is of the configuration"));
    }
    return Promise.resolve(index >= 0 && this.#infos.splice(index, 1).length === 1);
  }
}

describe("flux_watch and flux_unwatch", () => {
  it("begin a watch in the agent's name, list it, and end it", async () => {
    const watches = new FakeWatches();
    expect((await agent.call(fluxWatchTool, {}, { watches })).text).toBe("Nothing is watched.");
    const args = {
      prefix: "lab/room-",
      property: "temperature",
      when: "> 30",
      instruction: "open a window",
      cooldown_seconds: 5,
    };
    const begun = await agent.call(fluxWatchTool, args, { watches });
    expect(begun).toMatchObject({ isError: false, details: { watch: { id: "lab-room", by: "agent" } } });
    expect(begun.text).toBe('Watching as "lab-room": temperature > 30. You are woken when it happens.');
    expect(watches.added).toMatchObject([
      {
        origin: "agent",
        definition: {
          id: "lab-room",
          target: { prefix: "lab/room-" },
          property: "temperature",
          condition: { kind: "compare", operator: ">", operand: 30 },
          instruction: "open a window",
          cooldownMs: 5_000,
        },
      },
    ]);
    const listed = await agent.call(fluxWatchTool, {}, { watches });
    expect(listed.text).toContain('"when":"temperature > 30","instruction":"open a window","by":"agent"');
    expect(outside(listed.text)).toBe("");
    expect(listed.details["watches"]).toEqual([{ id: "lab-room", by: "agent", state: "starting", entities: 0 }]);
    expect((await agent.call(fluxUnwatchTool, { id: "lab-room" }, { watches })).isError).toBe(false);
    const again = await agent.call(fluxUnwatchTool, { id: "lab-room" }, { watches });
    expect(errorOf(again)).toMatchObject({ code: "not_found", cure: expect.stringContaining("flux_watch") });
  });

  it.each([
    [
      "an entity",
      { entity: "lab/x", id: "mine" },
      { id: "mine", target: { entity: "lab/x" }, condition: { kind: "changed" } },
    ],
    [
      "a namespace",
      { namespace: "lab", when: "gone" },
      { id: "lab", target: { prefix: "lab/" }, condition: { kind: "gone" } },
    ],
    ["an id of signs only", { entity: "!!!" }, { id: "watch", target: { entity: "!!!" } }],
  ])("take %s", async (_what, args, definition) => {
    const watches = new FakeWatches();
    expect((await agent.call(fluxWatchTool, args, { watches })).isError).toBe(false);
    expect(watches.added).toMatchObject([{ definition }]);
  });

  it.each([
    ["two things at once", { entity: "a", prefix: "b" }],
    ["a condition that is none", { entity: "a", when: "whenever" }],
    ["a comparison of nothing", { entity: "a", when: "> 3" }],
    ["a namespace that is none", { namespace: "A B" }],
    ["an id that is none", { entity: "a", id: "a b" }],
  ])("refuse %s", async (_what, args) => {
    const watches = new FakeWatches();
    expect(errorOf(await agent.call(fluxWatchTool, args, { watches }))).toMatchObject({ code: "invalid" });
    expect(watches.added).toEqual([]);
  });

  it("take no id twice, leave the operator's watches alone, and need a running account", async () => {
    const watches = new FakeWatches();
    await agent.call(fluxWatchTool, { entity: "a" }, { watches });
    const twice = await agent.call(fluxWatchTool, { entity: "a" }, { watches });
    expect(errorOf(twice)).toMatchObject({ code: "conflict", cure: expect.stringContaining("flux_unwatch") });
    const [definition] = watches.added.map((one) => one.definition);
    await watches.add({ ...(definition ?? expect.fail()), id: "theirs" }, "config");
    expect(errorOf(await agent.call(fluxUnwatchTool, { id: "theirs" }, { watches }))).toMatchObject({
      code: "not_allowed",
    });
    for (const [tool, args] of [
      [fluxWatchTool, {}],
      [fluxUnwatchTool, { id: "a" }],
    ] as const) {
      expect(errorOf(await agent.call(tool, args))).toMatchObject({ code: "stopped" });
    }
  });
});
