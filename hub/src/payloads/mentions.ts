/**
 * Owns finding the payload objects that a payload names. Generation B's OpenClaw plugin names the files of a reply
 * inside the payload (`attachments[].payload_object_id`), not beside it; to readers such an object is as published as
 * one in the event's own `payload_object_id`.
 */
import { ID_PREFIX, bareObjectId } from "agentrux-wire";

/** An event that names more is not about its attachments; the rest is left pending. */
const MAX_MENTIONS = 100;
const MENTION_PATTERN = /pob_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-f])/g;

/** Bare ids of the objects named anywhere in a payload's JSON text, each once. */
export function mentionedObjectIds(payloadJson: string | null): readonly string[] {
  // Nearly every payload names none, and a search for a fixed text is all that costs.
  if (payloadJson === null || !payloadJson.includes(ID_PREFIX.object)) return [];
  const ids = new Set<string>();
  for (const [mention] of payloadJson.matchAll(MENTION_PATTERN)) {
    ids.add(bareObjectId(mention));
    if (ids.size >= MAX_MENTIONS) break;
  }
  return [...ids];
}
