import { describe, expect, it } from "vitest";
import { deleteAccount, setAccountEnabled, setAccountKeys } from "../../src/config/edit.ts";
import { listAccountIds } from "../../src/config/places.ts";
import { resolveAccountConfig } from "../../src/config/resolve.ts";
import { PLUGIN_ID } from "../../src/ids.ts";

const COMMANDS = "11111111-1111-4111-8111-111111111111";
const OTHER = "33333333-3333-4333-8333-333333333333";
const RESULTS = "22222222-2222-4222-8222-222222222222";
const keys = { commandTopicId: COMMANDS, resultTopicId: RESULTS, agentId: "main" };
const beside = { gateway: { port: 1 }, channels: { irc: { nick: "x" } } };
const atPlugin = (config: object) => ({
  plugins: { allow: [PLUGIN_ID], entries: { [PLUGIN_ID]: { enabled: true, config } } },
});
const frozen = <T>(value: T): T => {
  if (typeof value === "object" && value !== null) for (const inner of Object.values(value)) frozen(inner);
  return Object.freeze(value);
};

describe("setting an account's keys", () => {
  it("puts the default account into the channel's section and leaves everything else alone", () => {
    const cfg = setAccountKeys(frozen(beside), "default", { ...keys, baseUrl: undefined });
    expect(cfg).toEqual({ ...beside, channels: { irc: { nick: "x" }, agentrux: { ...keys, enabled: true } } });
    expect(resolveAccountConfig(cfg, "default").problems).toEqual([]);
  });

  it("puts named accounts beside it, and changes one without touching the others", () => {
    const first = setAccountKeys(frozen(setAccountKeys(beside, "default", keys)), "b", { commandTopicId: OTHER });
    expect(listAccountIds(first)).toEqual(["default", "b"]);
    expect(resolveAccountConfig(first, "b")).toMatchObject({ commandTopicId: OTHER, agentId: "main", problems: [] });
    const second = setAccountKeys(frozen(first), "b", { agentId: "main", name: "Bee" });
    expect(second.channels).toMatchObject({
      agentrux: { accounts: { b: { commandTopicId: OTHER, agentId: "main", name: "Bee", enabled: true } } },
    });
  });

  it("changes the default account where it is, when that is among the accounts", () => {
    const cfg = setAccountKeys({ channels: { agentrux: { accounts: { default: keys } } } }, "default", { name: "D" });
    expect(cfg.channels).toEqual({ agentrux: { accounts: { default: { ...keys, name: "D", enabled: true } } } });
  });
});

describe("turning an account off and on", () => {
  const cfg = frozen({ channels: { agentrux: { ...keys, accounts: { b: { commandTopicId: OTHER } } } } });
  const enabled = (one: object) => ["default", "b"].map((id) => resolveAccountConfig(one, id).enabled);

  it.each([
    ["default", [false, true]],
    ["b", [true, false]],
  ])("touches %s alone, and keeps its keys", (id, expected) => {
    const off = setAccountEnabled(cfg, id, false);
    expect(enabled(off)).toEqual(expected);
    expect(resolveAccountConfig(off, id).problems).toEqual([]);
    expect(enabled(setAccountEnabled(off, id, true))).toEqual([true, true]);
  });

  it("also where the default account's keys stand at the plugin's entry", () => {
    const off = setAccountEnabled(frozen(atPlugin(keys)), "default", false);
    expect(resolveAccountConfig(off, "default")).toMatchObject({ enabled: false, problems: [] });
    expect(resolveAccountConfig(setAccountEnabled(off, "default", true), "default").enabled).toBe(true);
  });
});

describe("removing an account", () => {
  it("removes the only one with its section, at both places, and nothing of anybody else", () => {
    const both = frozen({
      ...beside,
      channels: { ...beside.channels, agentrux: keys },
      ...atPlugin({ ...keys, activationCode: "x" }),
    });
    const cfg = deleteAccount(both, "default");
    expect(cfg).toEqual({ ...beside, ...atPlugin({}) });
    expect(listAccountIds(cfg)).toEqual([]);
  });

  it("keeps what the others share when the default one goes", () => {
    const cfg = deleteAccount(
      frozen({ channels: { agentrux: { ...keys, accounts: { b: { commandTopicId: OTHER } } } } }),
      "default",
    );
    expect(listAccountIds(cfg)).toEqual(["b"]);
    expect(resolveAccountConfig(cfg, "b")).toMatchObject({ resultTopicId: RESULTS, agentId: "main", problems: [] });
  });

  it("keeps the default one when a named one goes", () => {
    const cfg = deleteAccount(
      frozen({ channels: { agentrux: { ...keys, accounts: { b: { commandTopicId: OTHER } } } } }),
      "b",
    );
    expect(cfg.channels).toEqual({ agentrux: keys });
  });
});
