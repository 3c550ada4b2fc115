/**
 * Owns finding the payload objects that a payload names. The files of a command or reply are named inside the payload
 * (`attachments[].object_id`, `message_object.object_id`, generation B's `payload_object_id`), not beside it; such an
 * object is as published as one in the event's own `payload_ref` or `payload_object_id`.
 *
 * Generation B's ids tell themselves by their prefix, wherever they stand. Generation A's are bare UUIDs, as a lot else
 * is, and count where they are called an object id.
 */
import { ID_PREFIX } from "agentrux-wire";

/** An event that names more is not about its attachments; the rest is not looked at. */
const MAX_MENTIONS = 100;
const OBJECT_ID = "object_id";
const MENTION_PATTERN = new RegExp(
  `(?<=${ID_PREFIX.object}|${OBJECT_ID}"\\s*:\\s*")[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f])`,
  "g",
);

/** Bare ids of the objects named in a payload's JSON text, each once. */
export function mentionedObjectIds(payloadJson: string | null): readonly string[] {
  // Nearly every payload names none, and two searches for a fixed text are all that costs.
  if (payloadJson === null) return [];
  if (!payloadJson.includes(ID_PREFIX.object) && !payloadJson.includes(OBJECT_ID)) return [];
  const ids = new Set<string>();
  for (const [id] of payloadJson.matchAll(MENTION_PATTERN)) {
    ids.add(id);
    if (ids.size >= MAX_MENTIONS) break;
  }
  return [...ids];
}
