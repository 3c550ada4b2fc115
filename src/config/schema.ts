/** Every configuration key, its type, range and default. The manifest's JSON Schema must agree with it (tested). */

import { z } from "zod";
import { fluxKey } from "./flux.ts";

export const DEFAULT_BASE_URL = "https://api.agentrux.com";

/** A topic id as a person may write it: the bare UUID of generation A or the `top_` form of generation B. */
export const topicIdSchema = z
  .string()
  .regex(/^(top_)?[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/, {
    error: "must be a topic id: a UUID, with or without the prefix top_",
  })
  .transform((id) => id.replace(/^top_/, "").toLowerCase());

/** A topic the agent may use by name (behaviour spec 1.12). Any other mode than the three counts as `read`. */
const messagingTopic = z.strictObject({
  id: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, { error: "must begin with a letter or digit, then letters, digits, . _ -" }),
  topicId: topicIdSchema,
  mode: z.string().max(32).optional(),
  listen: z.boolean().optional(),
});

const baseUrl = z
  .string()
  .refine((url) => URL.canParse(url) && /^https?:$/.test(new URL(url).protocol), { error: "must be an http(s) URL" })
  .transform((url) => url.replace(/\/+$/, ""));

const integer = (min: number, max: number) => z.number().int().min(min).max(max);

/**
 * The vendor's plugin takes any number here, and the host refuses to start over a value its schema does not allow. So
 * its users' numbers are taken as they are and brought into range when they are read, with a finding.
 */
const lenient = z.number();

/** The keys of one account, as written by a person. All optional here: what is missing is reported by name. */
export const accountKeys = {
  enabled: z.boolean(),
  name: z.string().max(100),
  baseUrl,
  commandTopicId: topicIdSchema,
  resultTopicId: topicIdSchema,
  agentId: z.string().min(1).max(64),
  pollIntervalMs: lenient,
  maxConcurrency: lenient,
  subagentTimeoutMs: lenient,
  maxAttempts: integer(1, 20),
  replyMaxAgeMs: integer(60_000, 30 * 86_400_000),
  startFrom: z.enum(["latest", "earliest"]),
  excludeOwnEvents: z.boolean(),
  resumeFromLastSeq: z.boolean(),
  dmPolicy: z.enum(["open", "allowlist", "disabled"]),
  allowFrom: z.array(z.string().min(1).max(100)).max(1_000),
  messagingTopics: z
    .array(messagingTopic)
    .max(50)
    .refine((topics) => new Set(topics.map(({ id }) => id)).size === topics.length, { error: "names an id twice" }),
  flux: fluxKey,
  botLoopProtection: z.strictObject({
    enabled: z.boolean().optional(),
    maxEventsPerWindow: integer(1, 10_000).optional(),
    windowSeconds: integer(1, 86_400).optional(),
    cooldownSeconds: integer(1, 86_400).optional(),
  }),
  execPolicy: z.strictObject({
    enabled: z.boolean().optional(),
    allowedCommands: z.array(z.string().max(500)).max(200).optional(),
  }),
} as const;

export type AccountKey = keyof typeof accountKeys;

export const DEFAULTS = {
  enabled: true,
  baseUrl: DEFAULT_BASE_URL,
  pollIntervalMs: 60_000,
  maxConcurrency: 3,
  subagentTimeoutMs: 120_000,
  maxAttempts: 3,
  replyMaxAgeMs: 86_400_000,
  startFrom: "latest",
  excludeOwnEvents: true,
  resumeFromLastSeq: true,
} as const;

/** Whole numbers from `min` to `max`; what lies outside is brought inside. */
export const RANGES = {
  pollIntervalMs: { min: 1_000, max: 3_600_000 },
  maxConcurrency: { min: 1, max: 64 },
  subagentTimeoutMs: { min: 1_000, max: 3_600_000 },
} as const satisfies Partial<Record<AccountKey, { readonly min: number; readonly max: number }>>;

/** Brings a number into the range of its key. */
export function withinRange(key: keyof typeof RANGES, value: number): number {
  const { min, max } = RANGES[key];
  return Math.min(Math.max(Math.round(value), min), max);
}

/** Keys of earlier plugins that do nothing any more, and what to do about each. They never keep the gateway from starting. */
export const REMOVED_KEYS = {
  activationCode: "remove it: a code in the configuration is a secret in the open. Codes go into BOOTSTRAP.md",
  ingressMode: "remove it: no version ever read it",
  webhookSecret: "remove it: no version ever read it",
  dangerouslyAllowNameMatching: "remove it: senders are told apart by the id the service has verified, never by name",
} as const;
