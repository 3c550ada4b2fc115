import { describe, expect, it } from "vitest";
import { LIVE_KEYS, LIVE_PREFIXES, withLiveKeys } from "../../src/config/live.ts";
import { resolveAccountConfig } from "../../src/config/resolve.ts";
import { accountKeys } from "../../src/config/schema.ts";

const COMMANDS = "11111111-1111-4111-8111-111111111111";
const keys = { commandTopicId: COMMANDS, resultTopicId: "22222222-2222-4222-8222-222222222222", agentId: "main" };
const account = (more: object) => resolveAccountConfig({ channels: { agentrux: { ...keys, ...more } } }, "default");

describe("live keys", () => {
  it("are every key but those that belong to the account's life", () => {
    const kept = ["enabled", "baseUrl", "commandTopicId", "resultTopicId", "agentId", "pollIntervalMs"];
    const notLive = [...kept, "messagingTopics", "flux", "startFrom", "excludeOwnEvents", "resumeFromLastSeq"];
    expect([...LIVE_KEYS, ...notLive].toSorted()).toEqual(Object.keys(accountKeys).toSorted());
  });

  it("are named to the host at each of the three places", () => {
    expect(LIVE_PREFIXES).toHaveLength(3 * LIVE_KEYS.length);
    expect(LIVE_PREFIXES).toContain("channels.agentrux.accounts.*.execPolicy");
    expect(LIVE_PREFIXES).toContain("plugins.entries.agentrux-openclaw-plugin.config.maxConcurrency");
  });

  it("are taken over, and nothing else is", () => {
    const started = account({ maxConcurrency: 1, name: "old" });
    const now = account({
      maxConcurrency: 9,
      allowFrom: ["x"],
      execPolicy: { enabled: true },
      agentId: "main",
      pollIntervalMs: 5_000,
    });
    expect(withLiveKeys(started, started, { ...now, commandTopicId: "x", agentId: "other" })).toEqual({
      ...account({ maxConcurrency: 9, allowFrom: ["x"], execPolicy: { enabled: true } }),
    });
  });

  it("stay as they were while the configuration is at fault", () => {
    const started = account({ maxConcurrency: 1 });
    const last = withLiveKeys(started, started, account({ maxConcurrency: 2 }));
    expect(withLiveKeys(started, last, account({ maxConcurrency: 3, resultTopicId: "?" }))).toBe(last);
  });

  it("say that the account was switched off, whatever else is at fault", () => {
    const started = account({ maxConcurrency: 1 });
    const off = withLiveKeys(started, started, account({ enabled: false, agentId: "other" }));
    expect(off).toEqual({ ...started, enabled: false });
    expect(withLiveKeys(started, off, account({ enabled: true, resultTopicId: "?" }))).toEqual(started);
  });
});
