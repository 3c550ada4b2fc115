/** Owns the topology request: RAR document, its limits, and what is granted (B5 of the wire spec, RFC 9396). */
import { z } from "zod";
import { retentionSecondsSchema, topicNameSchema } from "./console.ts";
import { topicActionSchema } from "./ids.ts";

export const TOPOLOGY_MAX_TOPICS = 20;
export const TOPOLOGY_MAX_GRANTS = 40;
/** Largest `authorization_details`, in bytes of UTF-8. */
export const TOPOLOGY_MAX_BYTES: number = 16 * 1024;

const shortText = z
  .string()
  .max(256)
  .regex(/^\P{Cc}*$/u, "must not contain control characters");
const ref = z
  .string()
  .min(1)
  .max(128)
  .regex(/^\P{Cc}+$/u, "must not contain control characters");
/** Printable ASCII, 1 to 64 characters, no space at either end. */
const bindingName = z
  .string()
  .max(64)
  .regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/, "must be printable ASCII without space at either end");

/** One requested topic. */
export const topologyTopicSchema = z.object({
  ref,
  name: topicNameSchema,
  retention_s: retentionSecondsSchema.nullish(),
  intent: shortText.nullish(),
});
export type TopologyTopic = z.infer<typeof topologyTopicSchema>;

/** One requested grant. */
export const topologyGrantSchema = z.object({
  topic_ref: ref,
  scope: topicActionSchema,
  binding_name: bindingName.nullish(),
});
export type TopologyGrant = z.infer<typeof topologyGrantSchema>;

/** One entry of `authorization_details`. */
export const topologyEntrySchema = z
  .object({
    type: z.literal("agentrux.topology"),
    version: z.literal(1),
    script: z.object({
      name: z
        .string()
        .min(1)
        .max(128)
        .regex(/^\P{Cc}+$/u),
      description: shortText.nullish(),
    }),
    topics: z.array(topologyTopicSchema).min(1).max(TOPOLOGY_MAX_TOPICS),
    grants: z.array(topologyGrantSchema).min(1).max(TOPOLOGY_MAX_GRANTS),
    policy_match_inputs: z.unknown().optional(),
  })
  .superRefine((entry, context) => {
    const refs = entry.topics.map((topic) => topic.ref);
    const refuse = (path: string, message: string) => context.addIssue({ code: "custom", path: [path], message });
    if (hasDuplicates(refs)) refuse("topics", "topic refs must be unique");
    if (hasDuplicates(entry.topics.map((topic) => topic.name))) refuse("topics", "topic names must be unique");
    if (entry.grants.some((grant) => !refs.includes(grant.topic_ref))) {
      refuse("grants", "every topic_ref must name a topic of the request");
    }
    if (hasDuplicates(entry.grants.map((grant) => `${grant.scope}:${grant.topic_ref}`))) {
      refuse("grants", "topic_ref and scope must be unique together");
    }
    const names = entry.grants.flatMap((grant) => (typeof grant.binding_name === "string" ? [grant.binding_name] : []));
    if (hasDuplicates(names)) refuse("grants", "binding names must be unique");
  });
export type TopologyEntry = z.infer<typeof topologyEntrySchema>;

function hasDuplicates(values: readonly string[]): boolean {
  return new Set(values).size !== values.length;
}

/** POST /oauth/topology-request (B5), form-encoded; `authorization_details` is JSON of one {@link topologyEntrySchema}. */
export const topologyRequestSchema = z.object({
  client_id: z.string().min(1).max(256),
  authorization_details: z.string().min(1),
  client_hint: shortText.nullish(),
});
export type TopologyRequest = z.infer<typeof topologyRequestSchema>;

/** `authorization_details[0].granted` of the token answer. Clients check it strictly. */
export const topologyGrantedSchema = z.looseObject({
  script_id: z.string().min(1),
  alias_id: z.string().min(1),
  topic_id_map: z.record(z.string(), z.string().min(1)),
  grant_ids: z.record(z.string(), z.looseObject({ grant_id: z.string().min(1), binding_name: z.string().nullish() })),
});
export type TopologyGranted = z.infer<typeof topologyGrantedSchema>;

export const topologyTokenResponseSchema = z.looseObject({
  access_token: z.string().min(1),
  refresh_token: z.string().min(1),
  /** Seconds. */
  expires_in: z.number().positive(),
  scope: z.string(),
  authorization_details: z.array(z.looseObject({ granted: topologyGrantedSchema })).min(1),
});
export type TopologyTokenResponse = z.infer<typeof topologyTokenResponseSchema>;
