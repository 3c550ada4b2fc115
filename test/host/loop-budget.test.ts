import { describe, expect, it } from "vitest";
import { resolveAccountConfig } from "../../src/config/resolve.ts";
import { isLoopRefusal, loopFacts } from "../../src/host/loop-budget.ts";
import type { Command } from "../../src/replies/turn.ts";

const account = resolveAccountConfig(
  { channels: { agentrux: { agentId: "main", botLoopProtection: { maxEventsPerWindow: 5 } } } },
  "default",
);
const facts = (hops: number) => {
  const command = { commandId: "c1", producer: "scr_1", hops } as Command;
  const request = { command, attempt: 2, address: "cmd:c1~2", timeoutMs: 1 };
  return loopFacts({}, account, request, { peerId: "p", sessionKey: "k" });
};

describe("loopFacts", () => {
  it("puts a request under the budget only when an agent passed it on", () => {
    expect(facts(0).defaultEnabled).toBe(false);
    expect(facts(1)).toMatchObject({ defaultEnabled: true, senderId: "scr_1", receiverId: "main", eventId: "c1" });
    expect(facts(1).config).toEqual({ maxEventsPerWindow: 5 });
  });
});

describe("isLoopRefusal", () => {
  it("knows the host's reason, and no other drop", () => {
    expect(isLoopRefusal({ admission: { kind: "drop", reason: "bot-loop-protection" } })).toBe(true);
    expect(isLoopRefusal({ admission: { kind: "drop", reason: "other" } })).toBe(false);
    expect(isLoopRefusal({ admission: { kind: "dispatch" } })).toBe(false);
  });
});
