/** Owns the application payloads of command and result events (wire spec 2.5). */
import { z } from "zod";

/** Event type of a command, by convention; the plugin takes commands of any type that is not a result. */
export const OPENCLAW_REQUEST_TYPE = "openclaw.request";
/** Event type of a reply. */
export const OPENCLAW_RESPONSE_TYPE = "openclaw.response";

/** A file that goes with a command or a reply. Generation B's names for the same fields are read as well. */
export const openclawAttachmentSchema = z.looseObject({
  name: z.string().nullish(),
  object_id: z.string().nullish(),
  payload_object_id: z.string().nullish(),
  content_type: z.string().nullish(),
  /** Bytes. */
  size: z.number().nullish(),
  download_url: z.string().nullish(),
  presigned_get_url: z.string().nullish(),
});
export type OpenclawAttachment = z.infer<typeof openclawAttachmentSchema>;

/** How far a conversation has travelled between agents: guards against loops. */
export const openclawTraceSchema = z.looseObject({ id: z.string().min(1), hops: z.number().int().nonnegative() });
export type OpenclawTrace = z.infer<typeof openclawTraceSchema>;

/** Payload of a command. `message`, `text` and `content` are three names for the words of it, in this order. */
export const openclawRequestSchema = z.looseObject({
  request_id: z.union([z.string(), z.number()]).nullish(),
  conversation_key: z.union([z.string(), z.number()]).nullish(),
  message: z.string().nullish(),
  text: z.string().nullish(),
  content: z.string().nullish(),
  format: z.string().nullish(),
  attachments: z.array(z.unknown()).nullish(),
  trace: openclawTraceSchema.nullish().catch(undefined),
});
export type OpenclawRequest = z.infer<typeof openclawRequestSchema>;

/** How a command ended. The vendor's plugin knows `completed` only. */
export const openclawStatusSchema = z.enum(["completed", "failed", "timeout", "rejected"]);
export type OpenclawStatus = z.infer<typeof openclawStatusSchema>;

/** Where the whole text of a reply is that is too long for events; `message` is then its beginning. */
export const openclawMessageObjectSchema = z.looseObject({
  object_id: z.string().nullish(),
  payload_object_id: z.string().nullish(),
  content_type: z.string().nullish(),
  /** Bytes. */
  size: z.number().nullish(),
  /** Hex. */
  sha256: z.string().nullish(),
});

/**
 * Payload of a reply. A reply too long for one event is numbered: `part` of `parts` (both from 1), and `final` on the
 * last; the `status` of those before it is `partial`. Without them the event is the whole reply.
 */
export const openclawResponseSchema = z.looseObject({
  request_id: z.string(),
  conversation_key: z.string().nullish(),
  status: openclawStatusSchema.or(z.literal("partial")),
  message: z.string().nullish(),
  message_object: openclawMessageObjectSchema.nullish(),
  attachments: z.array(openclawAttachmentSchema).nullish(),
  error: z.looseObject({ code: z.string(), message: z.string() }).nullish(),
  part: z.number().int().positive().nullish(),
  parts: z.number().int().positive().nullish(),
  final: z.boolean().nullish(),
  trace: openclawTraceSchema.nullish(),
});
export type OpenclawResponse = z.infer<typeof openclawResponseSchema>;
