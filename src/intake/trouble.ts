/** Owns the words in which intake tells what is wrong, for status and logs. */

import { isAgentruxError } from "../errors.ts";

export type IntakeTrouble =
  /** The service cannot be read just now; it is tried again after `retryInMs`. */
  | { readonly kind: "passing"; readonly error: unknown; readonly failures: number; readonly retryInMs: number }
  /** Only a person can mend it (grant revoked, topic gone, secret refused); slow retries go on. */
  | { readonly kind: "fatal"; readonly error: unknown; readonly failures: number; readonly retryInMs: number }
  /** Events of a page could not be read as events, and were skipped. */
  | { readonly kind: "malformed"; readonly count: number }
  /** It cannot be told how far the topic was read; it goes on from the newest event. */
  | { readonly kind: "position-unknown"; readonly reason: string };

/** Whether an error may pass by itself. What is not ours is a fault of ours, and tried again like a passing one. */
export function isPassing(error: unknown): boolean {
  return isAgentruxError(error) ? error.retryable : true;
}
