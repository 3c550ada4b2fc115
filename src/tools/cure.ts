/** What a model, or the person it works for, can do about a failed call. */

import { type ErrorCode, isAgentruxError } from "../errors.ts";

const CURES: Partial<Record<ErrorCode, string>> = {
  credentials_missing: "An activation code has to be put into BOOTSTRAP.md, see agentrux_status; tell the operator.",
  credentials_malformed: "credentials.json has to be repaired or the account activated anew; tell the operator.",
  config: "Tell the operator which key is at fault; do not retry.",
  insecure_url: "The operator has to configure an https URL; do not retry.",
  unauthorized: "The service does not accept this account's credential; tell the operator.",
  forbidden: "This credential has no grant for that topic; agentrux_topics shows what it may use.",
  not_found: "Check the topic or event id; agentrux_topics shows the topics there are.",
  cursor_expired: "That position is no longer retained; read again without one.",
  payload_too_large: "Send less at once, or send a file.",
  rate_limited: "Wait before the next call.",
  server_error: "The service has a problem of its own; try again later.",
  gateway_page: "Something in front of the service answered; try again later.",
  path_refused: "Copy the file into your workspace and send it from there; do not try another way around this.",
  file_unreadable: "Check the path.",
  not_allowed: "Do not try another way around this.",
  invalid: "Correct the arguments and call again.",
};

const UNKNOWN_OUTCOME = "Whether it took effect is not known: look with agentrux_read before doing it again.";
const TRY_AGAIN = "The service could not be asked; try again.";

/**
 * One sentence, or undefined when there is nothing sensible to say.
 *
 * @param replaySafe Whether repeating the call changes nothing.
 */
export function cureFor(error: unknown, replaySafe: boolean): string | undefined {
  if (!isAgentruxError(error) || error.code === "aborted") return undefined;
  if (error.kind === "unknown") return replaySafe ? TRY_AGAIN : UNKNOWN_OUTCOME;
  return CURES[error.code];
}
