/**
 * Events as text in both dialects (wire spec 2.3 and B8). Payload and metadata are put in as they were published, so
 * serving a page never parses what it serves.
 */
import { ID_PREFIX, prefixedObjectId, prefixedTopicId } from "agentrux-wire";
import type { StoredEvent } from "../store/port.ts";
import { isoTime } from "../time.ts";
import { encodeCursor } from "./cursor.ts";

/** Ids of the hub's own making need no escaping. */
const idOrNull = (id: string | null): string => (id === null ? "null" : `"${id}"`);

/** Generation A. `metadata` is our addition, for events that were published with it in generation B. */
export function eventTextA(event: StoredEvent): string {
  const mode = event.objectId === null ? "inline" : "object_ref";
  return (
    `{"event_id":"${event.eventId}","sequence_no":${event.seq},"timestamp":"${isoTime(event.storedAt)}"` +
    `,"type":${JSON.stringify(event.type)},"payload_mode":"${mode}","payload":${event.payloadJson ?? "null"}` +
    `,"payload_ref":${idOrNull(event.objectId)},"producer_script":"${event.producer}"` +
    optional("correlation_id", event.correlationId) +
    optional("reply_topic", event.replyTopic) +
    (event.metadataJson === null ? "" : `,"metadata":${event.metadataJson}`) +
    "}"
  );
}

/** Generation B. `sequence_number` serves B1 clients, `producer_script` is our addition. */
export function eventTextB(topicId: string, event: StoredEvent): string {
  const metadata = event.metadataJson ?? metadataOfA(event);
  return (
    `{"event_id":"${ID_PREFIX.event}${event.eventId}","topic_id":"${ID_PREFIX.topic}${topicId}"` +
    `,"event_type":${JSON.stringify(event.type)},"stored_at":"${isoTime(event.storedAt)}"` +
    `,"payload":${event.payloadJson ?? "null"}` +
    optional("payload_object_id", event.objectId === null ? null : prefixedObjectId(event.objectId)) +
    (metadata === null ? "" : `,"metadata":${metadata}`) +
    `,"cursor":"${encodeCursor(topicId, event.seq)}","sequence_number":${event.seq}` +
    `,"producer_script":"${event.producer}"}`
  );
}

/** What generation A says at the top level, where generation B's readers look for it. */
function metadataOfA({ correlationId, replyTopic }: StoredEvent): string | null {
  if (correlationId === null && replyTopic === null) return null;
  return JSON.stringify({
    ...(correlationId === null ? {} : { correlation_id: correlationId }),
    ...(replyTopic === null ? {} : { reply_topic: prefixedTopicId(replyTopic) }),
  });
}

function optional(name: string, value: string | null): string {
  return value === null ? "" : `,"${name}":${JSON.stringify(value)}`;
}
