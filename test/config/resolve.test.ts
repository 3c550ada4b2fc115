import { describe, expect, it } from "vitest";
import { listAccountIds, resolveAccountConfig } from "../../src/config/resolve.ts";
import { PLUGIN_ID } from "../../src/ids.ts";

const COMMANDS = "11111111-1111-4111-8111-111111111111";
const RESULTS = "22222222-2222-4222-8222-222222222222";
const keys = { commandTopicId: COMMANDS, resultTopicId: RESULTS, agentId: "main" };
const atPlugin = (config: object) => ({ plugins: { entries: { [PLUGIN_ID]: { config } } } });
const atChannel = (agentrux: object) => ({ channels: { agentrux } });

describe("listAccountIds", () => {
  it("is empty where nothing is configured, also with the plugin enabled", () => {
    expect(listAccountIds({})).toEqual([]);
    expect(listAccountIds({ channels: { agentrux: { enabled: true } } })).toEqual([]);
    expect(listAccountIds({ channels: "x", plugins: 3 })).toEqual([]);
  });

  it("finds the default account at either place", () => {
    expect(listAccountIds(atPlugin(keys))).toEqual(["default"]);
    expect(listAccountIds(atChannel(keys))).toEqual(["default"]);
  });

  it("names the accounts, with the default beside them where it is configured", () => {
    expect(listAccountIds(atChannel({ accounts: { a: keys, b: keys } }))).toEqual(["a", "b"]);
    expect(listAccountIds(atChannel({ ...keys, accounts: { a: {} } }))).toEqual(["default", "a"]);
  });
});

describe("resolveAccountConfig", () => {
  it("reads the keys where the published README puts them, with its defaults", () => {
    expect(resolveAccountConfig(atPlugin(keys), "default")).toEqual({
      accountId: "default",
      enabled: true,
      baseUrl: "https://api.agentrux.com",
      baseUrlIsSet: false,
      ...keys,
      pollIntervalMs: 60_000,
      maxConcurrency: 3,
      subagentTimeoutMs: 120_000,
      maxAttempts: 3,
      replyMaxAgeMs: 86_400_000,
      startFrom: "latest",
      excludeOwnEvents: true,
      execPolicy: { enabled: false, allowedCommands: [] },
      botLoopProtection: {},
      problems: [],
    });
  });

  it("lets the account's own key win over the channel's, and that over the plugin's", () => {
    const cfg = {
      ...atPlugin({ ...keys, maxConcurrency: 1, pollIntervalMs: 1_000 }),
      ...atChannel({
        maxConcurrency: 2,
        accounts: { default: { subagentTimeoutMs: 5_000 }, other: { maxConcurrency: 9 } },
      }),
    };
    const account = resolveAccountConfig(cfg, "default");
    expect(account).toMatchObject({ maxConcurrency: 2, pollIntervalMs: 1_000, subagentTimeoutMs: 5_000 });
    expect(resolveAccountConfig(cfg, "other").maxConcurrency).toBe(9);
  });

  it("does not lend the plugin's keys to a named account", () => {
    const account = resolveAccountConfig({ ...atPlugin(keys), ...atChannel({ accounts: { a: {} } }) }, "a");
    expect(account.commandTopicId).toBe("");
    expect(account.problems).toHaveLength(3);
  });

  it("takes topic ids with and without prefix, in any case, and strips the slash of the URL", () => {
    const written = { ...keys, commandTopicId: `top_${COMMANDS.toUpperCase()}`, baseUrl: "http://127.0.0.1:8080//" };
    expect(resolveAccountConfig(atPlugin(written), null)).toMatchObject({
      commandTopicId: COMMANDS,
      baseUrl: "http://127.0.0.1:8080",
      baseUrlIsSet: true,
      problems: [],
    });
  });

  it.each([
    ["commandTopicId", "nonsense", /commandTopicId must be a topic id/],
    ["commandTopicId", "../../etc", /commandTopicId must be a topic id/],
    ["pollIntervalMs", 5, /pollIntervalMs .*1000/],
    ["maxConcurrency", 0, /maxConcurrency .*1/],
    ["maxConcurrency", "3", /maxConcurrency .*number/],
    ["subagentTimeoutMs", 1.5, /subagentTimeoutMs .*int/],
    ["baseUrl", "ftp://x", /baseUrl must be an http\(s\) URL/],
    ["execPolicy", { enabled: "yes" }, /execPolicy\.enabled .*boolean/],
    ["startFrom", "middle", /startFrom .*latest/],
  ])("names %s when it is %j", (key, value, said) => {
    const { problems } = resolveAccountConfig(atPlugin({ ...keys, [key]: value }), "default");
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(said);
    expect(problems[0]).toContain(`plugins.entries.${PLUGIN_ID}.config.${key}`);
  });

  it("refuses an agent the gateway does not have, never falling back to another", () => {
    const cfg = { ...atPlugin({ ...keys, agentId: "worker" }), agents: { list: [{ id: "main" }, { id: "helper" }] } };
    expect(resolveAccountConfig(cfg, "default").problems).toEqual([
      'agentId names the unknown agent "worker"; this gateway has: main, helper',
    ]);
  });

  it("says how to set what is missing", () => {
    const { problems } = resolveAccountConfig(atPlugin({ commandTopicId: COMMANDS, agentId: "main" }), "default");
    expect(problems).toEqual([
      "channels.agentrux.resultTopicId is not set: openclaw config set channels.agentrux.resultTopicId <value>",
    ]);
  });
});
