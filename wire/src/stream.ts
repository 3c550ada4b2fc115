/** Owns what event streams carry in their `data:` lines, in both dialects (A11, B9, section 9.4 of the wire spec). */
import { z } from "zod";

/** Longest a server may stay silent on an open stream, in milliseconds. */
export const STREAM_KEEPALIVE_MS = 30_000;
/** After this much silence a client counts the stream as dead, in milliseconds. */
export const STREAM_SILENCE_LIMIT_MS = 60_000;

/** A generation A frame: no event name, no event body. */
export const hintDataASchema = z.looseObject({
  topic_id: z.string().nullish(),
  latest_sequence_no: z.number().int().nonnegative(),
});
export type HintDataA = z.infer<typeof hintDataASchema>;

/** Event names of generation B frames. */
export const STREAM_EVENT_NAMES_B = ["ready", "hint", "heartbeat", "error", "resync_required"] as const;
export type StreamEventNameB = (typeof STREAM_EVENT_NAMES_B)[number];

/** `event: hint`. `seq` serves B1 clients, which drop hints without it. */
export const hintDataBSchema = z.looseObject({
  topic_id: z.string().nullish(),
  event_id: z.string().nullish(),
  event_type: z.string().nullish(),
  payload_kind: z.string().nullish(),
  stored_at: z.string().nullish(),
  cursor: z.string().nullish(),
  seq: z.number().int().nullish(),
});
export type HintDataB = z.infer<typeof hintDataBSchema>;

/** `event: ready` and `event: heartbeat`: an empty object, on a real data line. */
export const emptyDataBSchema = z.looseObject({});

/** `event: error`. */
export const streamErrorDataBSchema = z.looseObject({ code: z.string().nullish(), reason: z.string().nullish() });
export type StreamErrorDataB = z.infer<typeof streamErrorDataBSchema>;

/** `event: resync_required`: what lies between the resume position and now is gone; pull again. */
export const resyncRequiredDataBSchema = z.looseObject({
  reason: z.string().nullish(),
  next_action: z.string().nullish(),
});
export type ResyncRequiredDataB = z.infer<typeof resyncRequiredDataBSchema>;
