/** Where the host is told that a secret may be a reference, and that nothing else hangs on it. */

import { readFileSync } from "node:fs";
import path from "node:path";
import type { ResolverContext } from "openclaw/plugin-sdk/channel-secret-basic-runtime";
import { describe, expect, it } from "vitest";
import { resolveAccountConfig } from "../../src/config/resolve.ts";
import { collectRuntimeConfigAssignments, secretTargetRegistryEntries } from "../../src/secret-contract-api.ts";

const ref = (id: string) => ({ source: "env", provider: "default", id });
const topic = "11111111-1111-4111-8111-111111111111";

function collect(agentrux: object, entry: object = {}) {
  const config = { channels: { agentrux }, plugins: { entries: { "agentrux-openclaw-plugin": { config: entry } } } };
  const context: ResolverContext = {
    sourceConfig: {},
    env: {},
    cache: {},
    warnings: [],
    warningKeys: new Set(),
    assignments: [],
  };
  collectRuntimeConfigAssignments({ config, defaults: undefined, context });
  return { config, context, paths: context.assignments.map((one) => one.path) };
}

describe("the secret contract", () => {
  it("names every place, for `openclaw secrets` and `config set --ref-source`", () => {
    expect(secretTargetRegistryEntries.map(({ pathPattern }) => pathPattern).toSorted()).toEqual([
      "channels.agentrux.accounts.*.flux.adminToken",
      "channels.agentrux.accounts.*.flux.token",
      "channels.agentrux.flux.adminToken",
      "channels.agentrux.flux.token",
    ]);
    const manifest = JSON.parse(readFileSync(path.join(import.meta.dirname, "../../openclaw.plugin.json"), "utf8")) as {
      configContracts: { secretInputs: { paths: { path: string; ownerKind: string }[] } };
      channelConfigs: { agentrux: { uiHints: Record<string, { sensitive?: boolean }> } };
    };
    expect(manifest.configContracts.secretInputs.paths.map((one) => [one.path, one.ownerKind])).toEqual([
      ["flux.token", "capability"],
      ["flux.adminToken", "capability"],
    ]);
    expect(manifest.channelConfigs.agentrux.uiHints).toMatchObject({
      "accounts.*.flux.token": { sensitive: true },
      "accounts.*.flux.adminToken": { sensitive: true },
    });
  });

  it("puts each secret in its place", () => {
    const { config, context, paths } = collect({
      commandTopicId: topic,
      flux: { token: ref("A"), adminToken: ref("B") },
      accounts: { night: { commandTopicId: topic, flux: { token: ref("C") } } },
    });
    expect(paths).toEqual([
      "channels.agentrux.flux.token",
      "channels.agentrux.flux.adminToken",
      "channels.agentrux.accounts.night.flux.token",
    ]);
    for (const { apply, ref: from } of context.assignments) apply(`secret ${from.id}`);
    expect(resolveAccountConfig(config, "default").flux).toMatchObject({ token: "secret A", adminToken: "secret B" });
    expect(resolveAccountConfig(config, "night").flux).toMatchObject({ token: "secret C", unresolved: [] });
  });

  it("leaves everything but its own key alone when a reference leads nowhere", () => {
    const { context } = collect({ commandTopicId: topic, flux: { token: ref("A"), adminToken: ref("B") } });
    expect(
      context.assignments.map(({ ownerKind, ownerId, disposition, requiredForGateway }) => [
        ownerKind,
        ownerId,
        disposition,
        requiredForGateway,
      ]),
    ).toEqual([
      ["capability", "channels.agentrux.flux.token", "isolate", false],
      ["capability", "channels.agentrux.flux.adminToken", "isolate", false],
    ]);
  });

  it("leaves a word in the place of one that leads nowhere, which the host takes for a secret and we do not", () => {
    const { config, context } = collect({ commandTopicId: topic, flux: { token: ref("A") } });
    for (const { applyUnavailable } of context.assignments) applyUnavailable?.();
    expect(config.channels.agentrux).toMatchObject({ flux: { token: expect.stringMatching(/./) as string } });
    const { flux, problems } = resolveAccountConfig(config, "default");
    expect(flux).toMatchObject({ unresolved: ["token"] });
    expect(flux.token).toBeUndefined();
    expect(problems.filter((problem) => problem.includes("flux"))).toEqual([]);
  });

  it.each([
    ["an account that is off", { commandTopicId: topic, enabled: false, flux: { token: ref("A") } }, {}],
    ["keys that no account reads", { flux: { token: ref("A") }, accounts: { x: { commandTopicId: topic } } }, {}],
    ["an id that cannot be", { accounts: { "x.y": { commandTopicId: topic, flux: { token: ref("A") } } } }, {}],
    ["a channel without the key", { commandTopicId: topic }, {}],
  ])("does not ask for the secret of %s", (_, agentrux, entry) => {
    expect(collect(agentrux, entry).paths).toEqual([]);
  });

  it("asks for the one that counts where two places have one", () => {
    const accounts = { default: { flux: { token: ref("B") } } };
    const { context, paths } = collect({ commandTopicId: topic, flux: { token: ref("A") }, accounts });
    expect(context.warnings.map((one) => one.path)).toEqual(["channels.agentrux.flux.token"]);
    expect(paths).toEqual(["channels.agentrux.accounts.default.flux.token"]);
  });

  it("tells of every place in the host's spelling, also of those nobody reads, which would cost the replies otherwise", () => {
    const flux = { token: ref("A") };
    const accounts = {
      "7th": { commandTopicId: topic, flux },
      "x.y": { commandTopicId: topic, flux },
      Night: { commandTopicId: topic, flux },
      off: { commandTopicId: topic, enabled: false, flux },
    };
    const { context, paths } = collect({ accounts });
    expect(paths).toEqual(['channels.agentrux.accounts["7th"].flux.token']);
    expect(context.warnings.map(({ code, path: at }) => [code, at])).toEqual(
      ['["x.y"]', ".Night", ".off"].map((id) => [
        "SECRETS_REF_IGNORED_INACTIVE_SURFACE",
        `channels.agentrux.accounts${id}.flux.token`,
      ]),
    );
  });

  it("takes the host's short form for a reference, and never for the token", () => {
    for (const token of ["$LAB_TOKEN", "${LAB_TOKEN}"]) {
      const cfg = { channels: { agentrux: { flux: { token } } } };
      expect(resolveAccountConfig(cfg, "default").flux).toMatchObject({ unresolved: ["token"] });
      expect(resolveAccountConfig(cfg, "default").flux.token).toBeUndefined();
    }
    const cfg = { channels: { agentrux: { flux: { token: "$lower" } } } };
    expect(resolveAccountConfig(cfg, "default").flux.token).toBe("$lower");
  });
});
