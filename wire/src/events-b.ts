/** Owns generation B's event envelope, topic list and the publish and pull endpoints, B6 to B8 of the wire spec. */
import { z } from "zod";
import { EVENT_TYPE_MAX_LENGTH, PUBLISH_BATCH_MAX_EVENTS } from "./events-a.ts";

/**
 * Largest inline payload of generation B, in bytes of JSON; beyond it a payload object is needed. This project's hub
 * counts the metadata in.
 */
export const INLINE_PAYLOAD_B_MAX_BYTES: number = 256 * 1024;

/** GET /topics (B6). */
export const topicListResponseSchema = z.looseObject({
  items: z.array(
    z.looseObject({
      topic_id: z.string().min(1),
      name: z.string().nullish(),
      display_name: z.string().nullish(),
      actions: z.array(z.string()).nullish(),
    }),
  ),
});
export type TopicListResponse = z.infer<typeof topicListResponseSchema>;

/** POST /topics/{top}/events (B7). A `payload` of null counts as absent. */
export const publishRequestBSchema = z
  .object({
    event_type: z.string().min(1).max(EVENT_TYPE_MAX_LENGTH),
    payload: z.unknown().optional(),
    payload_object_id: z.string().min(1).max(256).nullish(),
    metadata: z.record(z.string(), z.unknown()).nullish(),
  })
  .refine((body) => isAbsent(body.payload) || isAbsent(body.payload_object_id), {
    message: "payload and payload_object_id are mutually exclusive",
    path: ["payload_object_id"],
  });
export type PublishRequestB = z.infer<typeof publishRequestBSchema>;

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}

/** Early B1 servers, and this project's hub, also tell the sequence number. */
export const publishResponseBSchema = z.looseObject({
  event_id: z.string().min(1),
  sequence_number: z.number().int().nullish(),
});
export type PublishResponseB = z.infer<typeof publishResponseBSchema>;

/** POST /topics/{top}/events/batch: this project's addition. */
export const publishBatchRequestBSchema = z.object({
  events: z.array(publishRequestBSchema).min(1).max(PUBLISH_BATCH_MAX_EVENTS),
});
export type PublishBatchRequestB = z.infer<typeof publishBatchRequestBSchema>;

/** An event as generation B serves it. B2 servers send neither `sequence_number` nor, on old events, `cursor`. */
export const eventBSchema = z.looseObject({
  event_id: z.string().min(1),
  topic_id: z.string().nullish(),
  event_type: z.string(),
  /** ISO-8601. */
  stored_at: z.string().nullish(),
  payload: z.unknown().optional(),
  payload_object_id: z.string().nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
  cursor: z.string().nullish(),
  sequence_number: z.number().int().nullish(),
  /** This project's hub tells the producer in generation B too. */
  producer_script: z.string().nullish(),
});
export type EventB = z.infer<typeof eventBSchema>;

/** A page of B8. Items stay unread: read each with {@link eventBSchema}. */
export const eventPageBSchema = z.looseObject({
  events: z.array(z.unknown()),
  next: z
    .looseObject({
      after: z.string().nullish(),
      has_more: z.boolean().nullish(),
      frontier_cursor: z.string().nullish(),
      url: z.string().nullish(),
    })
    .nullish(),
});
export type EventPageB = z.infer<typeof eventPageBSchema>;
