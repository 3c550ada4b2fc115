/**
 * Owns where in the host's configuration a key can stand, and which accounts that makes.
 *
 * A key is looked up in this order, the first place that has it wins:
 *   1. `channels.agentrux.accounts.<id>.<key>`
 *   2. `channels.agentrux.<key>`
 *   3. `plugins.entries.agentrux-openclaw-plugin.config.<key>` (where the published README puts it), for the account
 *      `default` only
 *
 * `commandTopicId`, `name` and `flux` are not shared: two accounts that read one topic would each answer every command, and
 * two that watch one entity would each be woken by every change.
 */

import { CHANNEL_ID, PLUGIN_ID } from "../ids.ts";
import type { AccountKey } from "./schema.ts";

export const DEFAULT_ACCOUNT_ID = "default";

/** The parts of the host's configuration we read; fits the host's type and its read-only snapshot. */
export interface HostConfig {
  readonly channels?: unknown;
  readonly plugins?: unknown;
  readonly agents?: unknown;
  readonly tools?: unknown;
}

export type Section = Readonly<Record<string, unknown>>;

export interface Place {
  /** Where a person finds the section, for messages. */
  readonly path: string;
  readonly section: Section;
}

const NOT_SHARED: ReadonlySet<string> = new Set<AccountKey>(["commandTopicId", "name", "flux"]);

/** `value` as an object; empty where it is none. */
export function record(value: unknown): Section {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Section) : {};
}

/** `channels.agentrux`. */
export function channelPlace(cfg: HostConfig): Place {
  return { path: `channels.${CHANNEL_ID}`, section: record(record(cfg.channels)[CHANNEL_ID]) };
}

/** `plugins.entries.agentrux-openclaw-plugin.config`. */
export function pluginPlace(cfg: HostConfig): Place {
  const section = record(record(record(record(cfg.plugins)["entries"])[PLUGIN_ID])["config"]);
  return { path: `plugins.entries.${PLUGIN_ID}.config`, section };
}

/** `channels.agentrux.accounts.<id>`. */
export function accountPlace(cfg: HostConfig, accountId: string): Place {
  const { path, section } = channelPlace(cfg);
  const accounts = record(section["accounts"]);
  const own = Object.hasOwn(accounts, accountId) ? accounts[accountId] : undefined;
  return { path: `${path}.accounts.${accountId}`, section: record(own) };
}

/** The places in which `key` counts for an account, the one that wins first. */
export function placesOf(cfg: HostConfig, accountId: string, key: AccountKey): readonly Place[] {
  const own = accountPlace(cfg, accountId);
  if (accountId === DEFAULT_ACCOUNT_ID) return [own, channelPlace(cfg), pluginPlace(cfg)];
  return NOT_SHARED.has(key) ? [own] : [own, channelPlace(cfg)];
}

/** Where `key` counts for an account; undefined where nobody wrote it. */
export function countingPlace(cfg: HostConfig, accountId: string, key: AccountKey): Place | undefined {
  return placesOf(cfg, accountId, key).find(({ section }) => section[key] !== undefined);
}

/**
 * The accounts a configuration names. Empty on a machine where nothing is configured yet. Beside named accounts, what
 * stands outside them is the account `default` only where it has a command topic; otherwise it is what they share.
 */
export function listAccountIds(cfg: HostConfig): string[] {
  const named = Object.keys(record(channelPlace(cfg).section["accounts"]));
  if (named.includes(DEFAULT_ACCOUNT_ID)) return named;
  const makesDefault = named.length > 0 ? ["commandTopicId"] : ["commandTopicId", "resultTopicId", "agentId"];
  const sections = [channelPlace(cfg).section, pluginPlace(cfg).section];
  const hasDefault = sections.some((section) => makesDefault.some((key) => section[key] !== undefined));
  return hasDefault ? [DEFAULT_ACCOUNT_ID, ...named] : named;
}
