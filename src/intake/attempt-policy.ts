/** Owns what the end of an attempt means for its command. Pure: one table. */

import type { Ending } from "../replies/compose.ts";
import type { TurnResult } from "../replies/turn.ts";
import type { RejectedReason } from "./command.ts";

export type AttemptVerdict =
  /** The command is answered. `death`: it also goes to the dead letters, for this reason. */
  | { readonly kind: "answer"; readonly ending: Ending; readonly death?: string }
  /** Another attempt, after a pause. */
  | { readonly kind: "retry"; readonly reason: string }
  /** The host may answer by itself: ask it, and wait. */
  | { readonly kind: "wait-for-host"; readonly since: "deferred" | "swallowed" }
  /** Nothing ran: the attempt does not count, and no other is started for a while. */
  | { readonly kind: "not-now"; readonly reason: string };

export interface AttemptLimits {
  readonly maxAttempts: number;
  readonly timeoutMs: number;
}

const MAX_REASON_CHARS = 500;

/** What a requester is told. The host's own words stay in the log and in the dead letters. */
function failedEnding(): Ending {
  const message = "The agent could not complete this request.";
  return { status: "failed", message, error: { code: "agent_failed", message } };
}

function timeoutEnding(timeoutMs: number): Ending {
  const message = `The agent did not finish within ${Math.round(timeoutMs / 100) / 10} seconds.`;
  return { status: "timeout", message, error: { code: "timeout", message } };
}

/**
 * An attempt that failed: once more, or the end of it. A fault of the model is repeated like any other, because from
 * here a passing one looks the same as a lasting one.
 */
export function afterFailure(reason: string, tries: number, limits: AttemptLimits): AttemptVerdict {
  const short = reason.slice(0, MAX_REASON_CHARS);
  if (tries < limits.maxAttempts) return { kind: "retry", reason: short };
  return { kind: "answer", ending: failedEnding(), death: `failed after ${tries} attempts: ${short}` };
}

/** @param tries Attempts that count, this one included. */
export function judgeAttempt(result: TurnResult, tries: number, limits: AttemptLimits): AttemptVerdict {
  switch (result.kind) {
    case "replied":
      return { kind: "answer", ending: { status: "completed", message: result.text } };
    case "silent":
      return { kind: "answer", ending: { status: "completed", message: "" } };
    case "timeout":
      // Never repeated: a turn that hangs would hang again, three times as long.
      return { kind: "answer", ending: timeoutEnding(limits.timeoutMs), death: `no answer in ${limits.timeoutMs} ms` };
    case "failed":
      return afterFailure(result.reason, tries, limits);
    case "refused":
      return { kind: "answer", ending: rejectedEnding(result.reason) };
    case "deferred":
    case "swallowed":
      return { kind: "wait-for-host", since: result.kind };
    case "not-started":
      return { kind: "not-now", reason: result.reason };
  }
}

const REJECTIONS: Readonly<Record<RejectedReason | "loop_budget", string>> = {
  too_large: "The message is too large.",
  bad_field: "The message, request id or conversation key is not a text of acceptable length.",
  loop_budget: "Two agents have passed requests to and fro too often; try again later.",
  sender_not_allowed: "This agent does not take commands from this sender.",
  senders_disabled: "This agent does not take commands at present.",
  too_many_hops: "This request has passed through too many agents.",
};

/** The answer to a command that is refused without a turn. */
export function rejectedEnding(reason: keyof typeof REJECTIONS): Ending {
  const message = REJECTIONS[reason];
  return { status: "rejected", message, error: { code: reason, message } };
}
