/** What can be done about a failed call to the world state. */

import type { AgentruxError, ErrorCode } from "../../errors.ts";

const CURES: Partial<Record<ErrorCode, string>> = {
  unauthorized: "The server wants a token, or another one than flux.token; tell the operator.",
  forbidden: "The token in flux.token may not do this there; write in your own namespace, or tell the operator.",
  not_found: "Check the name; flux_list shows which entities there are.",
  conflict: "Somebody changed it since. Look at what is there now, decide anew, and call again with its version.",
  payload_too_large: "Send less at once: fewer properties, or several events with flux_batch.",
  network: "The server cannot be reached, so nothing was done; try again later.",
  gateway_page: "Something else than a Flux server answered; if that stays so, the operator has to look at flux.url.",
  response_too_large: "Ask for less: a longer prefix, or one namespace.",
  partial: "Only what is named above failed. Correct that and send it again; what was done stays done.",
};

const UNKNOWN_OUTCOME = "Whether it took effect is not known: look with flux_get before doing it again.";

/** For calls that only read. */
export function readCure(error: AgentruxError): string | undefined {
  if (error.code === "rate_limited") return waitFor(error);
  return error.kind === "unknown" && error.code !== "response_too_large" ? undefined : CURES[error.code];
}

/** For calls that change something. */
export function writeCure(error: AgentruxError): string | undefined {
  if (error.code === "aborted") return undefined;
  if (error.code === "rate_limited") return waitFor(error);
  return error.kind === "unknown" ? UNKNOWN_OUTCOME : CURES[error.code];
}

function waitFor({ retryAfterMs = 60_000 }: AgentruxError): string {
  return `Too many writes: wait ${Math.ceil(retryAfterMs / 1_000)} s before the next one.`;
}
