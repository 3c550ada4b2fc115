/** Owns what a failed publish means for a reply. Pure: one table over the error codes. */

import { isAgentruxError } from "../errors.ts";

export interface SendVerdict {
  /**
   * `stored`: the server knows the key with another body, so a reply to this command is there already. A conflict of
   * any other kind says nothing of the reply.
   * `refused`: the server will never take this reply. `later`: anything else.
   */
  readonly end: "stored" | "refused" | "later";
  readonly code: string;
  /** The reply may have arrived all the same. */
  readonly uncertain: boolean;
  /** Only a person can change it: there is no hurry. */
  readonly slow: boolean;
  /** Other replies would meet the same. */
  readonly everyone: boolean;
  readonly retryAfterMs: number;
}

/** An answer, but one that a gateway gives also when the server behind it has done the work. */
const AMBIGUOUS: ReadonlySet<string> = new Set(["server_error", "gateway_page", "malformed_response"]);
const NEVER: ReadonlySet<string> = new Set(["invalid", "payload_too_large"]);
/** The service's code for a repeated `Idempotency-Key` (wire spec, B7). */
const KEY_CONFLICT = "IDEMPOTENCY_CONFLICT";

export function judgeSend(error: unknown): SendVerdict {
  if (!isAgentruxError(error)) {
    return { end: "later", code: "unexpected", uncertain: true, slow: false, everyone: false, retryAfterMs: 0 };
  }
  const refused = error.kind === "refused";
  const stored = refused && error.code === "conflict" && error.serviceCode === KEY_CONFLICT;
  const end = stored ? "stored" : refused && NEVER.has(error.code) ? "refused" : "later";
  return {
    end,
    code: error.code,
    uncertain: error.kind === "unknown" || AMBIGUOUS.has(error.code),
    slow: refused && !error.retryable,
    everyone: error.code === "rate_limited",
    retryAfterMs: error.retryAfterMs ?? 0,
  };
}
