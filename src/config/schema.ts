/** Every configuration key, its type, range and default. The manifest's JSON Schema must agree with it (tested). */

import { z } from "zod";

export const DEFAULT_BASE_URL = "https://api.agentrux.com";

/** A topic id as a person may write it: the bare UUID of generation A or the `top_` form of generation B. */
const topicId = z
  .string()
  .regex(/^(top_)?[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/, {
    error: "must be a topic id: a UUID, with or without the prefix top_",
  })
  .transform((id) => id.replace(/^top_/, "").toLowerCase());

const baseUrl = z
  .string()
  .refine((url) => URL.canParse(url) && /^https?:$/.test(new URL(url).protocol), { error: "must be an http(s) URL" })
  .transform((url) => url.replace(/\/+$/, ""));

const integer = (min: number, max: number) => z.number().int().min(min).max(max);

/** The keys of one account, as written by a person. All optional here: what is missing is reported by name. */
export const accountKeys = {
  enabled: z.boolean(),
  name: z.string().max(100),
  baseUrl,
  commandTopicId: topicId,
  resultTopicId: topicId,
  agentId: z.string().min(1).max(64),
  pollIntervalMs: integer(1_000, 3_600_000),
  maxConcurrency: integer(1, 64),
  subagentTimeoutMs: integer(1_000, 3_600_000),
  maxAttempts: integer(1, 20),
  replyMaxAgeMs: integer(60_000, 30 * 86_400_000),
  startFrom: z.enum(["latest", "earliest"]),
  excludeOwnEvents: z.boolean(),
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
} as const;
