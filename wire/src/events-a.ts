/** Owns generation A's event envelope and the publish and pull endpoints, A7 to A10 of the wire spec. */
import { z } from "zod";

/** Longest event type a server accepts, in characters. */
export const EVENT_TYPE_MAX_LENGTH = 256;
/** Widest range of A10: `end_seq - start_seq + 1`. */
export const BY_SEQUENCE_RANGE_MAX = 500;
/** Largest inline payload of generation A, in bytes of JSON. */
export const INLINE_PAYLOAD_A_MAX_BYTES: number = 10 * 1024 * 1024;
/** Most events of one batch. */
export const PUBLISH_BATCH_MAX_EVENTS = 1000;

/** POST /topics/{topic_id}/events (A7). */
export const publishRequestASchema = z.object({
  type: z.string().min(1).max(EVENT_TYPE_MAX_LENGTH),
  payload: z.unknown().optional(),
  payload_ref: z.string().min(1).max(256).nullish(),
  correlation_id: z.string().max(512).nullish(),
  reply_topic: z.string().max(256).nullish(),
});
export type PublishRequestA = z.infer<typeof publishRequestASchema>;

/** `sequence_no` is this project's addition; the vendor's answer is documented as `event_id` alone. */
export const publishResponseASchema = z.looseObject({
  event_id: z.string().min(1),
  sequence_no: z.number().int().nullish(),
});
export type PublishResponseA = z.infer<typeof publishResponseASchema>;

/** POST /topics/{topic_id}/events/batch: this project's addition, one commit for up to a thousand events. */
export const publishBatchRequestASchema = z.object({
  events: z.array(publishRequestASchema).min(1).max(PUBLISH_BATCH_MAX_EVENTS),
});
export type PublishBatchRequestA = z.infer<typeof publishBatchRequestASchema>;

/** An event as generation A serves it (wire spec 2.3). */
export const eventASchema = z.looseObject({
  event_id: z.string().min(1),
  /** Per topic, strictly increasing from 1, with gaps. */
  sequence_no: z.number().int().nonnegative(),
  /** ISO-8601. */
  timestamp: z.string().nullish(),
  type: z.string(),
  payload_mode: z.string().nullish(),
  payload: z.unknown().optional(),
  payload_ref: z.string().nullish(),
  producer_script: z.string().nullish(),
  correlation_id: z.string().nullish(),
  reply_topic: z.string().nullish(),
});
export type EventA = z.infer<typeof eventASchema>;

/**
 * A page of A8 or A10. Items stay unread, so that one malformed event never hides its neighbours: read each with
 * {@link eventASchema}.
 */
export const eventPageASchema = z.looseObject({
  items: z.array(z.unknown()),
  next_cursor: z.string().nullish(),
});
export type EventPageA = z.infer<typeof eventPageASchema>;
