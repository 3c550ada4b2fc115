import { describe, expect, it } from "vitest";
import { currentSession, giveUp } from "../../src/host/session.ts";
import { turnOwner } from "../../src/host/owner.ts";
import { resolveAccountConfig } from "../../src/config/resolve.ts";
import type { Command, TurnRequest } from "../../src/replies/turn.ts";

const account = resolveAccountConfig({ channels: { agentrux: { agentId: "main" } } }, "default");
const command: Command = {
  commandId: "aa11bb22",
  topicId: "t",
  eventId: "e",
  requestId: "r",
  conversationKey: "Order 7",
  message: "m",
  attachments: [],
  eventType: "openclaw.request",
  hops: 0,
  traceId: "x",
};
const request: TurnRequest = { command, attempt: 2, address: "cmd:aa11bb22~2", timeoutMs: 1_000 };

describe("a conversation's session", () => {
  const nothing = (): undefined => undefined;
  const first = currentSession(account, command, nothing);

  it("is its own, and stays the same", () => {
    expect(first.sessionKey).toBe(`agent:main:agentrux:group:${first.peerId}`);
    const another = { ...command, requestId: "else" };
    expect(currentSession(account, another, nothing)).toEqual(first);
    expect(currentSession(account, { ...command, producer: "p" }, nothing)).not.toEqual(first);
  });

  it("is the first where the store cannot be read", () => {
    const broken = (): never => {
      throw new Error("locked");
    };
    expect(currentSession(account, command, broken)).toEqual(first);
  });

  it("is replaced when the host has given it up, as often as that happens, also for the next process", () => {
    const given = { ...command, conversationKey: "given up" };
    const original = currentSession(account, given, nothing);
    expect([giveUp(original), giveUp(original)]).toEqual([true, false]);
    const second = currentSession(account, given, nothing);
    giveUp(second);
    const third = currentSession(account, given, nothing);
    expect(new Set([original, second, third].map(({ sessionKey }) => sessionKey)).size).toBe(3);
    expect(third.peerId).toMatch(/^[0-9a-f]{32}$/);
    expect(currentSession(account, command, nothing)).toEqual(first);
  });

  it("is the newest the host has stored", () => {
    const stored = new Set<string>();
    const asked: string[] = [];
    const read = (_agentId: string, sessionKey: string): unknown => {
      asked.push(sessionKey);
      return stored.has(sessionKey) ? { status: "done" } : undefined;
    };
    const other = { ...command, conversationKey: "other" };
    const original = currentSession(account, other, read);
    stored.add(original.sessionKey);
    expect(currentSession(account, other, read)).toEqual(original);
    const successor = asked.find((sessionKey) => sessionKey !== original.sessionKey) ?? "";
    stored.add(successor);
    expect(currentSession(account, other, read).sessionKey).toBe(successor);
  });

  it("is looked for only so long", () => {
    const seen = new Set<string>();
    currentSession(account, { ...command, conversationKey: "endless" }, (_agentId, sessionKey) => {
      seen.add(sessionKey);
      return {};
    });
    expect(seen.size).toBeLessThan(20);
  });
});

describe("who answers an interrupted attempt", () => {
  const owned = currentSession(account, command, () => undefined);
  const owner = (entry: unknown) =>
    turnOwner(account, request, (_agentId, sessionKey) => (sessionKey === owned.sessionKey ? entry : undefined));
  const running = (to: unknown) => ({ status: "running", restartRecoveryDeliveryContext: { to } });

  it("the host, while the session runs for its address", () => {
    expect(owner(running("agentrux:cmd:aa11bb22~2"))).toBe("host");
    expect(owner(running("cmd:aa11bb22~2"))).toBe("host");
  });

  it("the host later, while it has only marked the session", () => {
    expect(owner({ ...running("agentrux:cmd:aa11bb22~2"), abortedLastRun: true })).toBe("later");
    expect(owner({ ...running("cmd:aa11bb22~2"), abortedLastRun: false })).toBe("host");
    expect(owner({ ...running("cmd:aa11bb22~1"), abortedLastRun: true })).toBe("nobody");
  });

  it("nobody, when there is no session, it has ended, or it runs for another attempt", () => {
    expect(owner(undefined)).toBe("nobody");
    expect(owner({ ...running("cmd:aa11bb22~2"), status: "done" })).toBe("nobody");
    expect(owner(running("cmd:aa11bb22~1"))).toBe("nobody");
  });

  it("unknown, when the host's marks are not the known ones or cannot be read", () => {
    expect(owner({ status: "running" })).toBe("unknown");
    expect(owner(running(7))).toBe("unknown");
    expect(
      turnOwner(account, request, () => {
        throw new Error("locked");
      }),
    ).toBe("unknown");
  });
});
