import { getEventListeners } from "node:events";
import { beforeEach, describe, expect, it } from "vitest";
import { ABORT_GRACE_MS, runAttempt } from "../../src/intake/attempt.ts";
import type { TurnRequest, TurnResult } from "../../src/replies/turn.ts";
import { FakeClock } from "../promises/support/fake-clock.ts";
import { command } from "../replies/support.ts";

const request: TurnRequest = { command: command(), attempt: 1, address: "x", timeoutMs: 1_000 };
const replied: TurnResult = { kind: "replied", text: "yes", media: [] };

let clock: FakeClock;
let stopping: AbortController;
/** Ends the turn as its host would. */
let end: (result: TurnResult) => void;
let turn: AbortSignal | undefined;

beforeEach(() => {
  clock = new FakeClock();
  stopping = new AbortController();
  turn = undefined;
});

function run(): Promise<TurnResult> {
  const runner = {
    run: (_request: TurnRequest, signal: AbortSignal) => {
      turn = signal;
      return new Promise<TurnResult>((resolve) => {
        end = resolve;
      });
    },
    owner: () => Promise.resolve("nobody" as const),
  };
  return runAttempt(runner, request, clock, stopping.signal);
}

describe("an attempt", () => {
  it("ends as its turn does, and leaves no timer and no listener behind", async () => {
    const result = run();
    expect(clock.pending).toBe(1);
    end({ kind: "failed", reason: "no luck" });
    expect(await result).toEqual({ kind: "failed", reason: "no luck" });
    expect(clock.pending).toBe(0);
    expect(getEventListeners(stopping.signal, "abort")).toEqual([]);
  });

  it("is a timeout once the grace is over, whatever the turn does", async () => {
    const result = run();
    await clock.advance(request.timeoutMs);
    expect(turn?.aborted).toBe(true);
    await clock.advance(ABORT_GRACE_MS);
    expect(await result).toEqual({ kind: "timeout" });
    expect(clock.pending).toBe(0);
  });

  it("is a timeout whatever its turn says after the abort, unless it answers soon", async () => {
    const first = run();
    await clock.advance(request.timeoutMs);
    end({ kind: "failed", reason: "aborted by somebody" });
    expect(await first).toEqual({ kind: "timeout" });

    const second = run();
    await clock.advance(request.timeoutMs + 1_000);
    end(replied);
    expect(await second).toEqual(replied);
    expect(clock.pending).toBe(0);
  });

  it("counts as not started when the stop breaks it off, unless it has answered all the same", async () => {
    const first = run();
    stopping.abort();
    expect(turn?.aborted).toBe(true);
    end({ kind: "failed", reason: "aborted by somebody" });
    expect(await first).toEqual({ kind: "not-started", reason: "aborted" });

    stopping = new AbortController();
    const second = run();
    stopping.abort();
    end(replied);
    expect(await second).toEqual(replied);
  });

  it("has failed when the runner throws, at once or later", async () => {
    const owner = (): Promise<"nobody"> => Promise.resolve("nobody");
    const now = {
      run: () => {
        throw new Error("broken");
      },
      owner,
    };
    expect(await runAttempt(now, request, clock, stopping.signal)).toEqual({ kind: "failed", reason: "broken" });
    const later = { run: () => Promise.reject(new Error("broken too")), owner };
    expect(await runAttempt(later, request, clock, stopping.signal)).toMatchObject({ kind: "failed" });
    expect(clock.pending).toBe(0);
  });

  it("that begins after the stop is aborted at once", async () => {
    stopping.abort();
    const result = run();
    expect(turn?.aborted).toBe(true);
    end({ kind: "failed", reason: "aborted" });
    expect(await result).toEqual({ kind: "not-started", reason: "aborted" });
  });
});
