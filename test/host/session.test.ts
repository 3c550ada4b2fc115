import { describe, expect, it } from "vitest";
import { currentSession } from "../../src/host/session.ts";
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

/** A host in which the first sessions of every conversation have been given up. */
function hostThatGaveUp(count: number): { read: (agentId: string, sessionKey: string) => unknown; asked: string[] } {
  const asked: string[] = [];
  const read = (_agentId: string, sessionKey: string): unknown => {
    if (!asked.includes(sessionKey)) asked.push(sessionKey);
    return asked.indexOf(sessionKey) < count
      ? { status: "failed", mainRestartRecovery: { tombstone: { reason: "r" } } }
      : undefined;
  };
  return { read, asked };
}

describe("a conversation's session", () => {
  const first = currentSession(account, command, () => undefined);

  it("is its own, and stays the same", () => {
    expect(first.sessionKey).toBe(`agent:main:agentrux:group:${first.peerId}`);
    expect(currentSession(account, { ...command, requestId: "else" }, () => ({ status: "done" }))).toEqual(first);
    expect(currentSession(account, { ...command, producer: "p" }, () => undefined)).not.toEqual(first);
  });

  it("is replaced when the host has given it up, as often as that happens", () => {
    const sessions = [0, 1, 2].map((count) => currentSession(account, command, hostThatGaveUp(count).read));
    expect(sessions[0]).toEqual(first);
    expect(new Set(sessions.map(({ sessionKey }) => sessionKey)).size).toBe(3);
    expect(sessions.map(({ peerId }) => peerId.length)).toEqual([32, 32, 32].map(() => first.peerId.length));
  });

  it("is looked for only so long", () => {
    const host = hostThatGaveUp(1_000);
    currentSession(account, command, host.read);
    expect(host.asked.length).toBeLessThanOrEqual(20);
  });

  it("is the first where the store cannot be read", () => {
    const broken = (): never => {
      throw new Error("locked");
    };
    expect(currentSession(account, command, broken)).toEqual(first);
  });
});

describe("who answers an interrupted attempt", () => {
  const owner = (entry: unknown) => turnOwner(account, request, () => entry);
  const running = (to: unknown) => ({ status: "running", restartRecoveryDeliveryContext: { to } });

  it("the host, while the session runs for its address", () => {
    expect(owner(running("agentrux:cmd:aa11bb22~2"))).toBe("host");
    expect(owner(running("cmd:aa11bb22~2"))).toBe("host");
  });

  it("nobody, when there is no session, it has ended, or it runs for another attempt", () => {
    expect(owner(undefined)).toBe("nobody");
    expect(owner({ ...running("cmd:aa11bb22~2"), status: "done" })).toBe("nobody");
    expect(owner(running("cmd:aa11bb22~1"))).toBe("nobody");
    expect(turnOwner(account, request, hostThatGaveUp(1).read)).toBe("nobody");
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
