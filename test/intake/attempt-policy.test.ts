import { describe, expect, it } from "vitest";
import { judgeAttempt, rejectedEnding } from "../../src/intake/attempt-policy.ts";
import type { TurnResult } from "../../src/replies/turn.ts";

const limits = { maxAttempts: 3, timeoutMs: 2_500 };
const judge = (result: TurnResult, tries = 1) => judgeAttempt(result, tries, limits);

describe("judgeAttempt", () => {
  it("answers what was replied, also with nothing", () => {
    expect(judge({ kind: "replied", text: "yes", media: [] })).toEqual({
      kind: "answer",
      ending: { status: "completed", message: "yes" },
    });
    expect(judge({ kind: "silent" })).toEqual({ kind: "answer", ending: { status: "completed", message: "" } });
  });

  it("repeats a failure until the attempts are used up, then says so without the host's words", () => {
    const failure: TurnResult = { kind: "failed", reason: "stack trace" };
    expect(judge(failure, 1)).toEqual({ kind: "retry", reason: "stack trace" });
    expect(judge(failure, 2)).toEqual({ kind: "retry", reason: "stack trace" });
    const end = judge(failure, 3);
    expect(end).toMatchObject({
      kind: "answer",
      ending: { status: "failed", error: { code: "agent_failed" } },
      death: expect.stringContaining("stack"),
    });
    expect(JSON.stringify("ending" in end && end.ending)).not.toContain("stack");
  });

  it("keeps of a reason only what a log line can hold", () => {
    const reason = "x".repeat(10_000);
    expect(JSON.stringify(judge({ kind: "failed", reason }, 1)).length).toBeLessThan(1_000);
    expect(JSON.stringify(judge({ kind: "failed", reason }, 3)).length).toBeLessThan(1_000);
  });

  it("never repeats a timeout", () => {
    expect(judge({ kind: "timeout" })).toMatchObject({
      kind: "answer",
      ending: { status: "timeout", message: expect.stringContaining("2.5"), error: { code: "timeout" } },
      death: expect.stringContaining("2500 ms"),
    });
  });

  it("answers a refusal of the loop guard as rejected, without a dead letter", () => {
    const verdict = judge({ kind: "refused", reason: "loop_budget" });
    expect(verdict).toEqual({ kind: "answer", ending: rejectedEnding("loop_budget") });
    expect(rejectedEnding("loop_budget")).toMatchObject({ status: "rejected", error: { code: "loop_budget" } });
  });

  it("tells the requester of each refusal why, in words and by a code", () => {
    const reasons = [
      "too_large",
      "bad_field",
      "loop_budget",
      "sender_not_allowed",
      "senders_disabled",
      "too_many_hops",
    ] as const;
    const endings = reasons.map((reason) => rejectedEnding(reason));
    expect(endings.map((ending) => ending.error?.code)).toEqual(reasons);
    expect(endings.every(({ message, error }) => message !== "" && error?.message === message)).toBe(true);
    expect(new Set(endings.map(({ message }) => message)).size).toBe(reasons.length);
  });

  it("waits for a host that has the message, and counts nothing that did not start", () => {
    expect(judge({ kind: "deferred" })).toEqual({ kind: "wait-for-host", since: "deferred" });
    expect(judge({ kind: "swallowed" })).toEqual({ kind: "wait-for-host", since: "swallowed" });
    expect(judge({ kind: "not-started", reason: "draining" })).toEqual({ kind: "not-now", reason: "draining" });
  });
});
