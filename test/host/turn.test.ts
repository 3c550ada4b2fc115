/** How the end of a turn is read from what the host does. The host itself is met in test/e2e. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { resolveAccountConfig } from "../../src/config/resolve.ts";
import { setRuntime } from "../../src/host/runtime.ts";
import { runTurn } from "../../src/host/turn.ts";
import type { TurnRequest } from "../../src/replies/turn.ts";

vi.mock("../../src/host/turn-context.ts", () => ({ buildTurnContext: () => Promise.resolve({}) }));
const { record } = vi.hoisted(() => ({ record: { read: (): unknown => undefined } }));
vi.mock("../../src/host/session-record.ts", async (original) => ({
  ...(await original<object>()),
  readSession: () => record.read(),
}));

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

describe("a turn that the host does not begin", () => {
  const SECONDS = 60;
  /** A first session that is marked, and no other. */
  let marked: Record<string, unknown> | "unreadable" | undefined;
  let aborted: boolean;

  interface Options {
    readonly replyOptions: { readonly abortSignal: AbortSignal; readonly onAgentRunStart: () => void };
    readonly delivery: { readonly deliver: (payload: object) => Promise<unknown> };
  }

  function hostThatWaits(begins = false, lastWords?: object): void {
    const dispatch = async ({ replyOptions, delivery }: Options): Promise<object> => {
      if (begins) replyOptions.onAgentRunStart();
      await new Promise((resolve) => replyOptions.abortSignal.addEventListener("abort", resolve));
      aborted = true;
      if (lastWords !== undefined) await delivery.deliver(lastWords);
      return { dispatched: false };
    };
    const runtime = { config: { current: () => ({}) }, channel: { inbound: { dispatch } } };
    setRuntime(runtime as unknown as Parameters<typeof setRuntime>[0]);
  }

  beforeEach(() => {
    vi.useFakeTimers();
    aborted = false;
    let isFirst = true;
    record.read = () => {
      // The first look is for a successor, which there is not.
      const entry = isFirst ? undefined : marked;
      isFirst = false;
      if (entry === "unreadable") throw new Error("locked");
      return entry;
    };
  });

  afterEach(() => {
    vi.useRealTimers();
    record.read = () => undefined;
  });

  const start = (key: string, signal = new AbortController().signal, timeoutMs = 600_000) =>
    runTurn(account, { ...requestIn(key), timeoutMs }, signal);

  it("because its session is marked and stays so was not started, and goes to another session", async () => {
    marked = { status: "running", abortedLastRun: true, updatedAt: 1 };
    hostThatWaits();
    const turn = start("passed over");
    await vi.advanceTimersByTimeAsync((SECONDS - 5) * 1_000);
    expect(aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(aborted).toBe(true);
    expect(await turn).toEqual({ kind: "not-started", reason: "starting" });
    expect(vi.getTimerCount()).toBe(0);
  });

  it("does not fail by what the host says of its end", async () => {
    marked = { status: "running", abortedLastRun: true, updatedAt: 1 };
    hostThatWaits(false, { text: "The run was aborted.", isError: true });
    const turn = start("last words");
    await vi.advanceTimersByTimeAsync((SECONDS + 5) * 1_000);
    expect(await turn).toEqual({ kind: "not-started", reason: "starting" });
  });

  it("has not waited for all of its time when that is short", async () => {
    marked = { status: "running", abortedLastRun: true, updatedAt: 1 };
    hostThatWaits();
    const turn = start("short", new AbortController().signal, 20_000);
    await vi.advanceTimersByTimeAsync(12_000);
    expect(await turn).toEqual({ kind: "not-started", reason: "starting" });
  });

  it.each<[string, boolean, (at: number) => typeof marked]>([
    [
      "because the host works on its session",
      false,
      (at) => ({ status: "running", abortedLastRun: true, updatedAt: at }),
    ],
    ["for another reason", false, () => ({ status: "running", abortedLastRun: false, updatedAt: 1 })],
    ["in a session that is new", false, () => undefined],
    [
      "in a session that cannot be read at times",
      false,
      (at) => (at % 30 === 0 ? "unreadable" : { status: "running", abortedLastRun: true, updatedAt: 1 }),
    ],
    ["but that has begun all the same", true, () => ({ status: "running", abortedLastRun: true, updatedAt: 1 })],
  ])("%s is waited for", async (why, begins, entry) => {
    marked = entry(0);
    hostThatWaits(begins);
    const caller = new AbortController();
    const turn = start(why, caller.signal);
    for (let at = 0; at < 5 * SECONDS; at += 5) {
      marked = entry(at);
      await vi.advanceTimersByTimeAsync(5_000);
    }
    expect(aborted).toBe(false);
    caller.abort();
    expect(await turn).toEqual({ kind: "not-started", reason: "aborted" });
    expect(vi.getTimerCount()).toBe(0);
  });
});
