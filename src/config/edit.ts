/**
 * Owns changing an account's settings in the host's configuration: adding, turning on and off, removing. Pure: each
 * function gives a changed copy. Settings of the account `default` go to `channels.agentrux` itself, unless it already
 * has a section among the accounts.
 */

import { CHANNEL_ID, PLUGIN_ID } from "../ids.ts";
import {
  channelPlace,
  DEFAULT_ACCOUNT_ID,
  type HostConfig,
  listAccountIds,
  pluginPlace,
  record,
  type Section,
} from "./places.ts";
import { type AccountKey, accountKeys, REMOVED_KEYS } from "./schema.ts";

/** Sets keys of one account and turns it on. */
export function setAccountKeys<C extends HostConfig>(
  cfg: C,
  accountId: string,
  keys: Partial<Record<AccountKey, unknown>>,
): C {
  const given = Object.fromEntries(Object.entries(keys).filter(([, value]) => value !== undefined));
  const { section } = channelPlace(cfg);
  // Off at any place is off, and whoever sets an account up wants it to run.
  const shared = section["enabled"] === false ? { ...section, enabled: true } : section;
  if (!hasOwnSection(cfg, accountId)) return withChannel(cfg, { ...shared, ...given, enabled: true });
  const accounts = record(shared["accounts"]);
  const own = { ...record(accounts[accountId]), ...given, enabled: true };
  return withChannel(cfg, { ...shared, accounts: { ...accounts, [accountId]: own } });
}

/** Turns one account on or off, and leaves the others as they are. */
export function setAccountEnabled<C extends HostConfig>(cfg: C, accountId: string, enabled: boolean): C {
  if (enabled) return setAccountKeys(cfg, accountId, {});
  const { section } = channelPlace(cfg);
  const others = listAccountIds(cfg).some((id) => id !== accountId);
  if (!others && !hasOwnSection(cfg, accountId)) return withChannel(cfg, { ...section, enabled: false });
  const accounts = record(section["accounts"]);
  const own = { ...record(accounts[accountId]), enabled: false };
  return withChannel(cfg, { ...section, accounts: { ...accounts, [accountId]: own } });
}

/**
 * Removes one account's settings, at every place they stand. What named accounts share stays while there are any. Files
 * under `~/.agentrux` stay: they hold a credential and commands that were accepted.
 */
export function deleteAccount<C extends HostConfig>(cfg: C, accountId: string): C {
  const { section } = channelPlace(cfg);
  const { [accountId]: _, ...others } = record(section["accounts"]);
  const left = Object.keys(others).length > 0;
  const { accounts: __, ...shared } = section;
  if (accountId !== DEFAULT_ACCOUNT_ID) return withChannel(cfg, left ? { ...shared, accounts: others } : shared);
  const { commandTopicId: ___, name: ____, ...kept } = shared;
  return withoutPluginKeys(withChannel(cfg, left ? { ...kept, accounts: others } : undefined));
}

function hasOwnSection(cfg: HostConfig, accountId: string): boolean {
  const accounts = record(channelPlace(cfg).section["accounts"]);
  return accountId !== DEFAULT_ACCOUNT_ID || Object.hasOwn(accounts, accountId);
}

function withChannel<C extends HostConfig>(cfg: C, section: Section | undefined): C {
  const { [CHANNEL_ID]: _, ...channels } = record(cfg.channels);
  const empty = section === undefined || Object.keys(section).length === 0;
  return { ...cfg, channels: empty ? channels : { ...channels, [CHANNEL_ID]: section } };
}

function withoutPluginKeys<C extends HostConfig>(cfg: C): C {
  const plugins = record(cfg.plugins);
  const entries = record(plugins["entries"]);
  const entry = record(entries[PLUGIN_ID]);
  if (entry["config"] === undefined) return cfg;
  const ours = { ...accountKeys, ...REMOVED_KEYS };
  const config = Object.fromEntries(Object.entries(pluginPlace(cfg).section).filter(([key]) => !(key in ours)));
  return { ...cfg, plugins: { ...plugins, entries: { ...entries, [PLUGIN_ID]: { ...entry, config } } } };
}
