import { describe, expect, it } from "vitest";
import { configFindings } from "../../src/config/findings.ts";
import { PLUGIN_ID } from "../../src/ids.ts";

const COMMANDS = "11111111-1111-4111-8111-111111111111";
const RESULTS = "22222222-2222-4222-8222-222222222222";
const keys = { commandTopicId: COMMANDS, resultTopicId: RESULTS, agentId: "main" };
const config = (agentrux: object, plugin: object = {}) => ({
  channels: { agentrux },
  plugins: { entries: { [PLUGIN_ID]: { config: plugin } } },
});
const ids = (cfg: object) => configFindings(cfg).map(({ id, where }) => `${id} ${where}`);

describe("configFindings", () => {
  it("has nothing to say of a plain configuration, at either place or the same at both", () => {
    expect(configFindings({})).toEqual([]);
    expect(configFindings(config(keys))).toEqual([]);
    expect(configFindings(config({}, keys))).toEqual([]);
    expect(configFindings(config(keys, { ...keys, commandTopicId: `top_${COMMANDS}` }))).toEqual([]);
  });

  it("says where two places disagree, and which one counts", () => {
    const plugin = { ...keys, agentId: "other", maxConcurrency: 3, enabled: true };
    expect(configFindings(config({ ...keys, maxConcurrency: 5, enabled: false }, plugin))).toEqual([
      {
        id: "config.places-disagree",
        severity: "warning",
        accountId: "default",
        where: `plugins.entries.${PLUGIN_ID}.config.enabled`,
        what: expect.stringContaining("off at either place is off") as string,
        cure: `openclaw config unset plugins.entries.${PLUGIN_ID}.config.enabled`,
      },
      expect.objectContaining({
        where: `plugins.entries.${PLUGIN_ID}.config.agentId`,
        what: expect.stringMatching(/; channels\.agentrux\.agentId counts$/) as string,
      }),
      expect.objectContaining({ where: `plugins.entries.${PLUGIN_ID}.config.maxConcurrency` }),
    ]);
    const named = configFindings(config({ accounts: { default: { ...keys, agentId: "main" } } }, plugin));
    expect(named[0]?.what).toContain("channels.agentrux.accounts.default.agentId counts");
  });

  it("names the keys of earlier plugins wherever they stand, and never their values", () => {
    const old = { activationCode: "ac_secret-secret", ingressMode: "webhook", webhookSecret: "hush-hush" };
    const cfg = config({ ...keys, ...old, accounts: { a: { ...keys, commandTopicId: RESULTS, ...old } } }, old);
    const found = configFindings(cfg).filter(({ id }) => id === "config.removed-key");
    expect(found).toHaveLength(9);
    expect(found[0]).toMatchObject({ severity: "warning", accountId: "a" });
    expect(found[0]?.where).toBe("channels.agentrux.accounts.a.activationCode");
    expect(JSON.stringify(found)).not.toMatch(/ac_secret|hush/);
  });

  it("tells which numbers were brought into range, and to what", () => {
    const [finding] = configFindings(config({}, { ...keys, maxConcurrency: 0 }));
    expect(finding).toMatchObject({ id: "config.out-of-range", severity: "warning" });
    expect(finding?.what).toContain("is 0; 1 is used");
  });

  it("finds two accounts on one command topic, unless one of them is off", () => {
    const both = { ...keys, accounts: { a: { commandTopicId: COMMANDS } } };
    expect(ids(config(both))).toEqual(["config.shared-command-topic channels.agentrux.accounts.a.commandTopicId"]);
    expect(ids(config({ ...both, accounts: { a: { commandTopicId: COMMANDS, enabled: false } } }))).toEqual([]);
  });

  it("warns of a start that skips", () => {
    expect(ids(config({}, { ...keys, resumeFromLastSeq: false }))).toEqual([
      `config.skips-on-start plugins.entries.${PLUGIN_ID}.config.resumeFromLastSeq`,
    ]);
    expect(ids(config({}, { ...keys, resumeFromLastSeq: true }))).toEqual([]);
  });

  it("puts what keeps an account from starting first, with the key", () => {
    const [first, ...rest] = configFindings(config({ agentId: "nobody", commandTopicId: COMMANDS, ingressMode: "x" }));
    expect(first).toMatchObject({ id: "config.problem", severity: "error", where: "channels.agentrux.resultTopicId" });
    expect(rest.map(({ id }) => id)).toEqual(["config.problem", "config.removed-key"]);
  });
});
