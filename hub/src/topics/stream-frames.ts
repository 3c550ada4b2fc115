/**
 * The bytes of event-stream frames in both dialects (wire spec 9.4): LF line ends, a space after `data:`, one data line
 * per frame. Released clients look for exactly these characters.
 */
import { prefixedEventId, prefixedTopicId } from "agentrux-wire";
import type { HintEvent } from "../store/port.ts";
import { isoTime } from "../time.ts";
import { encodeCursor } from "./cursor.ts";

export interface StreamDialect {
  readonly keepAlive: Uint8Array;
  hint(topicId: string, event: HintEvent): Uint8Array;
}

export const streamDialectA: StreamDialect = {
  keepAlive: Buffer.from(": keep-alive\n\n"),
  hint: (topicId, { seq }) =>
    Buffer.from(`id: ${seq}\ndata: ${JSON.stringify({ topic_id: topicId, latest_sequence_no: seq })}\n\n`),
};

export const streamDialectB: StreamDialect = {
  keepAlive: Buffer.from("event: heartbeat\ndata: {}\n\n"),
  // The id is the event's own: earlier generation B clients drop hints whose id is no `evt_`, later ones take any.
  hint: (topicId, event) =>
    frameB("hint", prefixedEventId(event.eventId), {
      topic_id: prefixedTopicId(topicId),
      event_id: prefixedEventId(event.eventId),
      event_type: event.type,
      payload_kind: event.payloadKind,
      stored_at: isoTime(event.storedAt),
      cursor: encodeCursor(topicId, event.seq),
      seq: event.seq,
    }),
};

export const READY_B: Uint8Array = frameB("ready", undefined, {});

/** Tells a generation B client that its resume position is gone and it must pull again. */
export function resyncRequiredB(reason: "retention_miss" | "replay_gap"): Uint8Array {
  return frameB("resync_required", undefined, { reason, next_action: "pull_resync" });
}

function frameB(name: string, id: string | undefined, data: object): Uint8Array {
  const idLine = id === undefined ? "" : `id: ${id}\n`;
  return Buffer.from(`event: ${name}\n${idLine}data: ${JSON.stringify(data)}\n\n`);
}
