/** How the end of a turn is read from what the host does. The host itself is met in test/e2e. */

import { describe, expect, it, vi } from "vitest";
import { resolveAccountConfig } from "../../src/config/resolve.ts";
import { setRuntime } from "../../src/host/runtime.ts";
import { runTurn } from "../../src/host/turn.ts";
import type { TurnRequest } from "../../src/replies/turn.ts";

vi.mock("../../src/host/turn-context.ts", () => ({ buildTurnContext: () => Promise.resolve({}) }));
vi.mock("../../src/host/session-record.ts", () => ({ readSession: () => undefined }));

interface Dispatch {
  readonly route: { readonly sessionKey: string };
  readonly replyOptions: { readonly onAgentRunStart: () => void };
}

const account = resolveAccountConfig({ channels: { agentrux: { agentId: "main" } } }, "default");

function requestIn(conversationKey: string): TurnRequest {
  const command = {
    commandId: "aa11bb22",
    topicId: "t",
    eventId: "e",
    requestId: "r",
    conversationKey,
    message: "m",
    attachments: [],
    eventType: "openclaw.request",
    hops: 0,
    traceId: "x",
  };
  return { command, attempt: 1, address: "cmd:aa11bb22~1", timeoutMs: 1_000 };
}

/** A host that rejects every turn; the sessions it was asked for come back. */
function hostThatRejects(name: string, after?: "start"): string[] {
  const sessions: string[] = [];
  const dispatch = ({ route, replyOptions }: Dispatch): Promise<never> => {
    sessions.push(route.sessionKey);
    if (after === "start") replyOptions.onAgentRunStart();
    return Promise.reject(Object.assign(new Error("no"), { name }));
  };
  const runtime = { config: { current: () => ({}) }, channel: { inbound: { dispatch } } };
  setRuntime(runtime as unknown as Parameters<typeof setRuntime>[0]);
  return sessions;
}

const run = (conversationKey: string) => runTurn(account, requestIn(conversationKey), new AbortController().signal);

describe("a turn the host rejects", () => {
  it("was not started while the host drains or its state is locked", async () => {
    hostThatRejects("GatewayDrainingError");
    expect(await run("a")).toEqual({ kind: "not-started", reason: "draining" });
    hostThatRejects("StateDatabaseCoordinatorContentionError");
    expect(await run("a")).toEqual({ kind: "not-started", reason: "capacity" });
  });

  it("has failed when its run had begun, whatever it is called", async () => {
    hostThatRejects("StateDatabaseCoordinatorContentionError", "start");
    expect(await run("a")).toMatchObject({ kind: "failed" });
  });

  it("goes to another session when the host has given its own up, and fails when that helps no more", async () => {
    const sessions = hostThatRejects("SessionRestartRecoveryTombstoneError");
    const results = [];
    for (let n = 0; n < 21; n += 1) results.push((await run("lost")).kind);
    expect(results.slice(0, 2)).toEqual(["not-started", "not-started"]);
    expect(new Set(sessions).size).toBeGreaterThan(2);
    expect(results.at(-1)).toBe("failed");
    expect(await run("elsewhere")).toMatchObject({ kind: "not-started" });
  });
});

describe("a turn in place of whose answer the host speaks itself", () => {
  interface Delivery {
    readonly delivery: { readonly deliver: (payload: { readonly text: string }) => Promise<unknown> };
  }

  function hostThatSays(...texts: readonly string[]): void {
    const dispatch = async ({ delivery }: Delivery): Promise<object> => {
      for (const text of texts) await delivery.deliver({ text });
      return { dispatched: false };
    };
    const runtime = { config: { current: () => ({}) }, channel: { inbound: { dispatch } } };
    setRuntime(runtime as unknown as Parameters<typeof setRuntime>[0]);
  }
  const MISSING =
    "\u26a0\ufe0f OpenClaw couldn't produce or deliver a reply. Please try again. If this keeps happening, ask the operator to check the gateway logs.";
  const FULL =
    "This message was not queued because the session queue is full. Please try again after the current response finishes.";

  it("has failed, also when something came before it", async () => {
    hostThatSays(MISSING);
    expect(await run("a")).toEqual({ kind: "failed", reason: "the host found no answer to deliver" });
    hostThatSays("half of it", MISSING);
    expect(await run("a")).toMatchObject({ kind: "failed" });
  });

  it("was not started when the session's queue is full", async () => {
    hostThatSays(FULL);
    expect(await run("a")).toEqual({ kind: "not-started", reason: "capacity" });
  });

  it("has been answered when the agent merely quotes it", async () => {
    hostThatSays(`It said: ${MISSING}`);
    expect(await run("a")).toEqual({ kind: "replied", text: `It said: ${MISSING}`, media: [] });
  });
});
