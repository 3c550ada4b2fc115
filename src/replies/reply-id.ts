/** Owns the ids of replies: computed from what is answered, so that a reply sent twice can be known for the same. */

import { hash } from "node:crypto";

const REPLY_ID = /^idk_[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/;

/**
 * The id of one part of a command's terminal reply. A replay by an operator makes new replies and so new ids. It is
 * also the `Idempotency-Key`, for which the service documents `idk_<uuid4>` (wire spec, B7): so it has that shape.
 *
 * @param part 1-based.
 */
export function replyIdOf(commandId: string, replays: number, part: number): string {
  const hex = hash("sha256", `reply\0${commandId}\0${replays}\0${part}`, "hex");
  return `idk_${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** Whether a value taken from an event marks it as somebody's reply. */
export function looksLikeReplyId(value: unknown): boolean {
  return typeof value === "string" && REPLY_ID.test(value);
}
