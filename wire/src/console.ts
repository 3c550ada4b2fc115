/** Owns the console's endpoints (A14, section 9.6 of the wire spec). Shapes the spec leaves free are this project's. */
import { z } from "zod";
import { anyTopicIdSchema, scriptIdSchema, topicActionSchema } from "./ids.ts";

/** Lifetimes an activation code may have, in hours. */
export const ACTIVATION_TTL_HOURS = [1, 6, 24] as const;
/** Retention bounds of a topic, in seconds: one hour to thirty days. */
export const RETENTION_MIN_S = 3600;
export const RETENTION_MAX_S: number = 30 * 24 * 3600;
/** A topic's name. */
export const TOPIC_NAME_PATTERN: RegExp = /^[a-z0-9._-]{1,128}$/;

export const topicNameSchema = z
  .string()
  .regex(TOPIC_NAME_PATTERN, "must be 1 to 128 characters of a-z, 0-9, dot, underscore and hyphen");
export const retentionSecondsSchema = z.number().int().min(RETENTION_MIN_S).max(RETENTION_MAX_S);

const displayText = z
  .string()
  .max(256)
  .regex(/^\P{Cc}*$/u, "must not contain control characters");

/** POST /console/scripts/{script_id}/activation-codes. At most one of the three ways to say the lifetime. */
export const issueActivationCodeRequestSchema = z
  .object({
    ttl_hours: z.union([z.literal(1), z.literal(6), z.literal(24)]).optional(),
    ttl_seconds: z.union([z.literal(3600), z.literal(21_600), z.literal(86_400)]).optional(),
    ttl: z.enum(["1h", "6h", "24h"]).optional(),
    /** Which redemption endpoint the code is for; generation A when absent. */
    generation: z.enum(["a", "b"]).optional(),
  })
  .refine((body) => [body.ttl_hours, body.ttl_seconds, body.ttl].filter((ttl) => ttl !== undefined).length <= 1, {
    message: "give one of ttl_hours, ttl_seconds and ttl",
    path: ["ttl"],
  });
export type IssueActivationCodeRequest = z.infer<typeof issueActivationCodeRequestSchema>;

/** The lifetime a request asks for, in seconds; one hour when it does not say. */
export function activationTtlSeconds(request: IssueActivationCodeRequest): number {
  if (request.ttl_seconds !== undefined) return request.ttl_seconds;
  return (request.ttl_hours ?? Number.parseInt(request.ttl ?? "1h", 10)) * 3600;
}

/** The only time the code is shown. */
export const issueActivationCodeResponseSchema = z.looseObject({
  activation_code: z.string().min(1),
  script_id: z.string().min(1),
  expires_at: z.string(),
});
export type IssueActivationCodeResponse = z.infer<typeof issueActivationCodeResponseSchema>;

/** POST /console/topics. */
export const createTopicRequestSchema = z.object({
  name: topicNameSchema,
  display_name: displayText.optional(),
  retention_s: retentionSecondsSchema.optional(),
});
export type CreateTopicRequest = z.infer<typeof createTopicRequestSchema>;

/** `topic_id` is the bare UUID. */
export const consoleTopicSchema = z.looseObject({
  topic_id: z.string().min(1),
  name: z.string(),
  display_name: z.string().nullish(),
  retention_s: z.number().nullish(),
  created_at: z.string().nullish(),
});
export type ConsoleTopic = z.infer<typeof consoleTopicSchema>;

/** POST /console/scripts. `read` and `write` name topics by id or name. */
export const createScriptRequestSchema = z.object({
  name: z
    .string()
    .min(1)
    .max(128)
    .regex(/^\P{Cc}+$/u, "must not contain control characters"),
  description: displayText.optional(),
  read: z.array(z.string().min(1).max(200)).max(100).optional(),
  write: z.array(z.string().min(1).max(200)).max(100).optional(),
});
export type CreateScriptRequest = z.infer<typeof createScriptRequestSchema>;

export const consoleGrantSchema = z.looseObject({
  grant_id: z.string().min(1),
  script_id: z.string().min(1),
  topic_id: z.string().min(1),
  action: topicActionSchema,
});
export type ConsoleGrant = z.infer<typeof consoleGrantSchema>;

export const consoleScriptSchema = z.looseObject({
  script_id: z.string().min(1),
  name: z.string(),
  description: z.string().nullish(),
  created_at: z.string().nullish(),
  grants: z.array(consoleGrantSchema).nullish(),
});
export type ConsoleScript = z.infer<typeof consoleScriptSchema>;

/** POST /console/grants. */
export const createGrantRequestSchema = z.object({
  script_id: scriptIdSchema,
  topic_id: anyTopicIdSchema,
  action: topicActionSchema,
});
export type CreateGrantRequest = z.infer<typeof createGrantRequestSchema>;

/** POST /console/topics/{topic_id}/invites. */
export const createInviteRequestSchema = z.object({
  action: topicActionSchema,
  /** Seconds until the code expires: five minutes to thirty days, one day when absent. */
  ttl_seconds: z.number().int().min(300).max(RETENTION_MAX_S).optional(),
});
export type CreateInviteRequest = z.infer<typeof createInviteRequestSchema>;

/** The only time the code is shown. */
export const createInviteResponseSchema = z.looseObject({
  invite_code: z.string().min(1),
  topic_id: z.string().min(1),
  action: topicActionSchema,
  expires_at: z.string(),
});
export type CreateInviteResponse = z.infer<typeof createInviteResponseSchema>;

/** POST /console/topics/{topic_id}/webhooks. */
export const createWebhookRequestSchema = z.object({ url: z.url({ protocol: /^https?$/ }).max(2048) });
export type CreateWebhookRequest = z.infer<typeof createWebhookRequestSchema>;

/** The only time the signing secret is shown. */
export const createWebhookResponseSchema = z.looseObject({
  webhook_id: z.string().min(1),
  topic_id: z.string().min(1),
  url: z.string(),
  secret: z.string().min(1),
});
export type CreateWebhookResponse = z.infer<typeof createWebhookResponseSchema>;

/** Body of a webhook delivery: A13 and 4.3 of the wire spec in one. */
export const webhookDeliverySchema = z.looseObject({
  topic_id: z.string(),
  latest_sequence_no: z.number().int(),
  event_id: z.string().nullish(),
  sequence_number: z.number().int().nullish(),
  /** Epoch seconds. */
  timestamp: z.number().int(),
});
export type WebhookDelivery = z.infer<typeof webhookDeliverySchema>;
