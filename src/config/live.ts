/**
 * Owns which keys take effect at once, without a restart of the account. They are read where they are used, at the
 * next use; a turn under way keeps what it began with. Everything else (topics, agent, service, where to begin) belongs
 * to the account's life and changes with its next one.
 */

import { CHANNEL_ID, PLUGIN_ID } from "../ids.ts";
import type { AccountConfig } from "./account.ts";
import type { AccountKey } from "./schema.ts";

export const LIVE_KEYS = [
  "name",
  "maxConcurrency",
  "subagentTimeoutMs",
  "maxAttempts",
  "replyMaxAgeMs",
  "dmPolicy",
  "allowFrom",
  "execPolicy",
  "botLoopProtection",
] as const satisfies readonly AccountKey[];

/** What those keys make of an account's settings. */
const LIVE_SETTINGS = [
  "name",
  "maxConcurrency",
  "subagentTimeoutMs",
  "maxAttempts",
  "replyMaxAgeMs",
  "senders",
  "execPolicy",
  "botLoopProtection",
] as const satisfies readonly (keyof AccountConfig)[];

/** Where those keys stand, in the form in which the host takes the prefixes that need no restart. */
export const LIVE_PREFIXES: readonly string[] = [
  `channels.${CHANNEL_ID}`,
  `channels.${CHANNEL_ID}.accounts.*`,
  `plugins.entries.${PLUGIN_ID}.config`,
].flatMap((place) => LIVE_KEYS.map((key) => `${place}.${key}`));

/**
 * The settings an account goes on with: its own, the live keys of `now`, and whether it is enabled: one that is
 * switched off starts no more turns until the host stops it. A configuration that is at fault changes nothing else.
 */
export function withLiveKeys(started: AccountConfig, last: AccountConfig, now: AccountConfig): AccountConfig {
  const { enabled } = now;
  if (now.problems.length > 0) return enabled === last.enabled ? last : { ...last, enabled };
  const { name: _, ...rest } = started;
  const live = Object.fromEntries(LIVE_SETTINGS.flatMap((key) => (now[key] === undefined ? [] : [[key, now[key]]])));
  return { ...rest, ...live, enabled };
}
