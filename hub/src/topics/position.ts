/**
 * Generation B's read positions: a cursor of ours, or the id of an event (`evt_…`). A position whose next event is
 * gone is expired, and the client must be told so in exactly one way (wire spec B8), or it re-anchors wrongly.
 */
import { EVENT_ID_B_PATTERN, bareEventId, prefixedEventId } from "agentrux-wire";
import { HubError } from "../errors.ts";
import { uuidV7Time } from "../ids.ts";
import type { EventStore } from "../store/port.ts";
import { decodeCursor } from "./cursor.ts";

export type Position =
  | { readonly kind: "at"; readonly seq: number }
  | { readonly kind: "expired"; readonly oldestEventId: string | null }
  /** Well-formed, but no position this topic has ever given out. */
  | { readonly kind: "unknown" }
  | { readonly kind: "malformed" };

/** Where a position stands in the topic's numbering. */
export async function resolvePosition(events: EventStore, topicId: string, text: string): Promise<Position> {
  const bounds = await events.bounds(topicId);
  const oldestEventId = bounds.oldest === undefined ? null : prefixedEventId(bounds.oldest.eventId);
  const seq = decodeCursor(topicId, text);
  if (seq !== undefined) {
    if (seq > bounds.lastSeq) return { kind: "unknown" };
    return seq < bounds.deletedThroughSeq ? { kind: "expired", oldestEventId } : { kind: "at", seq };
  }
  if (!EVENT_ID_B_PATTERN.test(text)) return { kind: "malformed" };
  const eventId = bareEventId(text).toLowerCase();
  const event = await events.byId(topicId, eventId);
  if (event !== undefined) return { kind: "at", seq: event.seq };
  // Event ids tell their time: one from before the oldest retained event was deleted with its neighbours.
  const madeAt = uuidV7Time(eventId);
  const oldestAt = bounds.oldest === undefined ? Infinity : (uuidV7Time(bounds.oldest.eventId) ?? 0);
  const wasDeleted = bounds.deletedThroughSeq > 0 && madeAt !== undefined && madeAt <= oldestAt;
  return wasDeleted ? { kind: "expired", oldestEventId } : { kind: "unknown" };
}

/**
 * The sequence number a pull continues after.
 * @throws HubError NOT_FOUND in the form that makes clients re-anchor; INVALID for what is no position of this topic
 */
export async function pullPosition(events: EventStore, topicId: string, text: string): Promise<number> {
  const position = await resolvePosition(events, topicId, text);
  switch (position.kind) {
    case "at":
      return position.seq;
    case "expired":
      throw new HubError("NOT_FOUND", "The cursor is older than the topic's retention", {
        details: { reason: "ttl_expired", oldest_available_evt_id: position.oldestEventId },
        nextAction: "cursor_advance",
      });
    case "unknown":
      throw new HubError("NOT_FOUND", "after: no such position on this topic");
    case "malformed":
      throw new HubError("INVALID", "after: neither a cursor of this topic nor an event id");
  }
}
