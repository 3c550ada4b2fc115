import { describe, expect, it } from "vitest";
import { listAccountIds } from "../../src/config/places.ts";
import { resolveAccountConfig } from "../../src/config/resolve.ts";
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
    expect(listAccountIds({ ...atPlugin(keys), ...atChannel({ accounts: { a: {} } }) })).toEqual(["default", "a"]);
  });

  it("makes no default account of what named accounts merely share", () => {
    const shared = { agentId: "main", resultTopicId: RESULTS, accounts: { a: {} } };
    expect(listAccountIds(atChannel(shared))).toEqual(["a"]);
  });
});

describe("resolveAccountConfig", () => {
  it("takes a list of senders for the policy, unless another one is named", () => {
    const sendersOf = (more: object) => resolveAccountConfig(atChannel({ ...keys, ...more }), "default").senders;
    expect(sendersOf({ allowFrom: ["scr_a"] })).toEqual({ dmPolicy: "allowlist", allowFrom: ["scr_a"] });
    expect(sendersOf({ allowFrom: [] }).dmPolicy).toBe("allowlist");
    expect(sendersOf({ allowFrom: ["scr_a"], dmPolicy: "open" }).dmPolicy).toBe("open");
    expect(sendersOf({ dmPolicy: "disabled" }).dmPolicy).toBe("disabled");
  });

  it("does not start an account whose senders make no sense", () => {
    expect(resolveAccountConfig(atChannel({ ...keys, dmPolicy: "everyone" }), "default").problems).toHaveLength(1);
    expect(resolveAccountConfig(atChannel({ ...keys, allowFrom: "scr_a" }), "default").problems).toHaveLength(1);
  });

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
      resumeFromLastSeq: true,
      messagingTopics: [],
      flux: {
        unresolved: [],
        topicTurns: "read",
        watches: [],
        presence: { enabled: false, intervalMs: 30_000, capabilities: [] },
      },
      execPolicy: { enabled: false, allowedCommands: [] },
      senders: { dmPolicy: "open", allowFrom: [] },
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
    ["maxAttempts", 0, /maxAttempts .*1/],
    ["maxConcurrency", "3", /maxConcurrency .*number/],
    ["maxAttempts", 1.5, /maxAttempts .*int/],
    ["baseUrl", "ftp://x", /baseUrl must be an http\(s\) URL/],
    ["execPolicy", { enabled: "yes" }, /execPolicy\.enabled .*boolean/],
    ["startFrom", "middle", /startFrom .*latest/],
  ])("names %s when it is %j", (key, value, said) => {
    const { problems } = resolveAccountConfig(atPlugin({ ...keys, [key]: value }), "default");
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(said);
    expect(problems[0]).toContain(`plugins.entries.${PLUGIN_ID}.config.${key}`);
  });

  it("brings the numbers the vendor's plugin never checked into range, instead of refusing them", () => {
    const written = { ...keys, pollIntervalMs: 5, maxConcurrency: 1_000, subagentTimeoutMs: 1_500.5 };
    expect(resolveAccountConfig(atPlugin(written), "default")).toMatchObject({
      pollIntervalMs: 1_000,
      maxConcurrency: 64,
      subagentTimeoutMs: 1_501,
      problems: [],
    });
  });

  it("is off where any place says so", () => {
    const on = { ...keys, enabled: true };
    expect(resolveAccountConfig(atChannel({ enabled: false, accounts: { a: on } }), "a").enabled).toBe(false);
    expect(resolveAccountConfig(atChannel({ enabled: true, accounts: { a: on } }), "a").enabled).toBe(true);
    expect(resolveAccountConfig({ ...atPlugin({ enabled: false }), ...atChannel(on) }, null).enabled).toBe(false);
  });

  it("shares what stands outside the accounts, but neither the command topic nor the name", () => {
    const shared = { ...keys, name: "main one", maxConcurrency: 7, accounts: { a: {} } };
    expect(resolveAccountConfig(atChannel(shared), "a")).toMatchObject({
      resultTopicId: RESULTS,
      agentId: "main",
      maxConcurrency: 7,
      commandTopicId: "",
      problems: [expect.stringMatching(/^channels\.agentrux\.accounts\.a\.commandTopicId is not set/)],
    });
    expect(resolveAccountConfig(atChannel(shared), "a").name).toBeUndefined();
  });

  it.each(["../../etc", "A", "", "a/b", "a".repeat(65), "__proto__", "constructor ", "-a"])(
    "refuses %j as an account id, whatever its section says",
    (id) => {
      const { problems } = resolveAccountConfig(atChannel({ accounts: { [id]: keys } }), id);
      expect(problems[0]).toMatch(/an account id must be/);
    },
  );

  it("does not take what objects inherit for an account's section", () => {
    const { problems } = resolveAccountConfig(atChannel({ accounts: {} }), "constructor");
    expect(problems).toHaveLength(3);
  });

  it("refuses an agent the gateway does not have, never falling back to another", () => {
    const cfg = { ...atPlugin({ ...keys, agentId: "worker" }), agents: { list: [{ id: "main" }, { id: "helper" }] } };
    expect(resolveAccountConfig(cfg, "default").problems).toEqual([
      'agentId names the unknown agent "worker"; this gateway has: main, helper',
    ]);
  });

  it("knows the agents of both forms of the host's roster", () => {
    const problems = (agents: object, agentId = "helper") =>
      resolveAccountConfig({ ...atPlugin({ ...keys, agentId }), agents }, "default").problems;
    expect(problems({ entries: { main: { default: true }, helper: {} } })).toEqual([]);
    expect(problems({ list: [{ id: "main" }, { id: "helper" }] })).toEqual([]);
    expect(problems({ entries: { helper: {} } }, "main")).toEqual([
      'agentId names the unknown agent "main"; this gateway has: helper',
    ]);
    expect(problems({ defaults: {} }, "main")).toEqual([]);
  });

  it("says how to set what is missing", () => {
    const { problems } = resolveAccountConfig(atPlugin({ commandTopicId: COMMANDS, agentId: "main" }), "default");
    expect(problems).toEqual([
      "channels.agentrux.resultTopicId is not set: openclaw config set channels.agentrux.resultTopicId <value>",
    ]);
  });

  it("takes messaging topics by their modes, an unknown mode as read, and listens to no topic of its own", () => {
    const other = "33333333-3333-4333-8333-333333333333";
    const account = resolveAccountConfig(
      atPlugin({
        ...keys,
        messagingTopics: [
          { id: "both", topicId: `top_${other}`, mode: "readwrite", listen: true },
          { id: "odd", topicId: other, mode: "sideways" },
          { id: "deaf", topicId: other, mode: "write", listen: true },
          { id: "own", topicId: keys.commandTopicId, mode: "read", listen: true },
        ],
      }),
      "default",
    );
    expect(account.problems).toEqual([]);
    expect(account.messagingTopics).toEqual([
      { name: "both", topicId: other, read: true, write: true, listen: true },
      { name: "odd", topicId: other, read: true, write: false, listen: false },
      { name: "deaf", topicId: other, read: false, write: true, listen: false },
      { name: "own", topicId: account.commandTopicId, read: true, write: false, listen: false },
    ]);
  });

  it("names messagingTopics when a name stands there twice", () => {
    const entry = { id: "twice", topicId: keys.commandTopicId };
    const { problems } = resolveAccountConfig(atPlugin({ ...keys, messagingTopics: [entry, entry] }), "default");
    expect(problems).toEqual([expect.stringContaining("messagingTopics names an id twice")]);
  });
});
