/** Owns the forms of identifiers, codes and secrets in both generations, and the conversions between them. */
import { z } from "zod";

/** A wire generation: `a` is documented by the seed, `b` is what the vendor's service speaks since June 2026. */
export type WireGeneration = "a" | "b";

/** Prefixes of generation B ids. The part after the prefix is the bare UUID that generation A uses. */
export const ID_PREFIX = {
  topic: "top_",
  event: "evt_",
  object: "pob_",
  script: "scr_",
  client: "crd_",
  publicClient: "dcr_",
} as const;

const UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";

/** A UUID of any version, in either case. */
export const UUID_PATTERN: RegExp = new RegExp(`^${UUID}$`, "i");
export const TOPIC_ID_B_PATTERN: RegExp = new RegExp(`^top_${UUID}$`, "i");
export const EVENT_ID_B_PATTERN: RegExp = new RegExp(`^evt_${UUID}$`, "i");
export const OBJECT_ID_B_PATTERN: RegExp = new RegExp(`^pob_${UUID}$`, "i");
export const SCRIPT_ID_PATTERN: RegExp = new RegExp(`^scr_${UUID}$`, "i");
/** The id under which the 0.15 hybrid client asks for a token: `script_<script_id>`. */
export const HYBRID_CLIENT_ID_PREFIX = "script_";

/** Activation code of generation A, as the reference client checks it. */
export const ACTIVATION_CODE_A_PATTERN: RegExp = /^ac_[A-Za-z0-9_-]{20,200}$/;
/** Activation code of generation B, as the reference client checks it. */
export const ACTIVATION_CODE_B_PATTERN: RegExp = /^act_[A-Za-z0-9_-]{20,200}$/;
export const INVITE_CODE_PATTERN: RegExp = /^inv_[A-Za-z0-9_-]{20,200}$/;
/** Value of the `Idempotency-Key` header that servers must accept: visible ASCII, at most 255 characters. */
export const IDEMPOTENCY_KEY_PATTERN: RegExp = /^[\x21-\x7e]{1,255}$/;

export const uuidSchema = z.string().regex(UUID_PATTERN, "must be a UUID");
export const topicIdBSchema = z.string().regex(TOPIC_ID_B_PATTERN, "must be top_ and a UUID");
export const eventIdBSchema = z.string().regex(EVENT_ID_B_PATTERN, "must be evt_ and a UUID");
export const objectIdBSchema = z.string().regex(OBJECT_ID_B_PATTERN, "must be pob_ and a UUID");
export const scriptIdSchema = z.string().regex(SCRIPT_ID_PATTERN, "must be scr_ and a UUID");

/** A topic id in either form. */
export const anyTopicIdSchema = z
  .string()
  .regex(new RegExp(`^(?:top_)?${UUID}$`, "i"), "must be a topic id: a UUID, with or without top_");
/** A payload object id in either form. */
export const anyObjectIdSchema = z
  .string()
  .regex(new RegExp(`^(?:pob_)?${UUID}$`, "i"), "must be an object id: a UUID, with or without pob_");

/** What a script may do with a topic. */
export const topicActionSchema = z.enum(["read", "write"]);
export type TopicAction = z.infer<typeof topicActionSchema>;

function withPrefix(prefix: string, id: string): string {
  return UUID_PATTERN.test(id) ? prefix + id : id;
}

function withoutPrefix(prefix: string, id: string): string {
  const rest = id.slice(prefix.length);
  return id.startsWith(prefix) && UUID_PATTERN.test(rest) ? rest : id;
}

/** The bare UUID of a topic id in either form. Anything else is returned as it is: foreign ids are opaque. */
export const bareTopicId = (id: string): string => withoutPrefix(ID_PREFIX.topic, id);
/** `top_<uuid>` of a topic id in either form. Anything else is returned as it is. */
export const prefixedTopicId = (id: string): string => withPrefix(ID_PREFIX.topic, id);
/** The bare UUID of an event id in either form. */
export const bareEventId = (id: string): string => withoutPrefix(ID_PREFIX.event, id);
/** `evt_<uuid>` of an event id in either form. */
export const prefixedEventId = (id: string): string => withPrefix(ID_PREFIX.event, id);
/** The bare UUID of a payload object id in either form. */
export const bareObjectId = (id: string): string => withoutPrefix(ID_PREFIX.object, id);
/** `pob_<uuid>` of a payload object id in either form. */
export const prefixedObjectId = (id: string): string => withPrefix(ID_PREFIX.object, id);

/**
 * Which dialect a topic id on a path asks for: bare UUID is generation A, `top_` and a UUID is generation B,
 * anything else is neither (wire spec 9.2, rule 1).
 */
export function generationOfTopicId(id: string): WireGeneration | undefined {
  if (UUID_PATTERN.test(id)) return "a";
  return TOPIC_ID_B_PATTERN.test(id) ? "b" : undefined;
}

/** Which generation an activation code belongs to, by its prefix; `undefined` when it is none. */
export function generationOfActivationCode(code: string): WireGeneration | undefined {
  if (ACTIVATION_CODE_A_PATTERN.test(code)) return "a";
  return ACTIVATION_CODE_B_PATTERN.test(code) ? "b" : undefined;
}
