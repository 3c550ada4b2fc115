/** Owns what there is to say about a configuration that works, or nearly: for `doctor`, and for the log at the start. */

import {
  accountPlace,
  channelPlace,
  DEFAULT_ACCOUNT_ID,
  type HostConfig,
  listAccountIds,
  type Place,
  pluginPlace,
} from "./places.ts";
import { resolveAccountConfig } from "./resolve.ts";
import { type AccountKey, accountKeys, RANGES, REMOVED_KEYS, withinRange } from "./schema.ts";

/** One thing a person should know or mend. */
export interface ConfigFinding {
  readonly id:
    | "config.problem"
    | "config.places-disagree"
    | "config.removed-key"
    | "config.out-of-range"
    | "config.shared-command-topic"
    | "config.skips-on-start";
  readonly severity: "error" | "warning" | "info";
  /** The account it concerns; undefined where it is all of them. */
  readonly accountId?: string;
  /** The key, as `openclaw config get` takes it. */
  readonly where: string;
  /** One plain sentence. Never the value of a key that may hold a secret. */
  readonly what: string;
  readonly cure: string;
}

/**
 * Everything noteworthy in the plugin's configuration, the most serious first. Pure; the same configuration gives the
 * same findings in the same order.
 */
export function configFindings(cfg: HostConfig): ConfigFinding[] {
  const accounts = listAccountIds(cfg);
  const found = [
    ...accounts.flatMap((id) => problems(cfg, id)),
    ...sharedTopics(cfg, accounts),
    ...disagreements(cfg),
    ...everyPlace(cfg, accounts).flatMap(({ place, accountId }) => [
      ...removedKeys(place, accountId),
      ...outOfRange(place, accountId),
      ...skipsOnStart(place, accountId),
    ]),
  ];
  const rank = { error: 0, warning: 1, info: 2 } as const;
  return found.toSorted((a, b) => rank[a.severity] - rank[b.severity]);
}

interface Placed {
  readonly place: Place;
  readonly accountId?: string;
}

function everyPlace(cfg: HostConfig, accounts: readonly string[]): Placed[] {
  return [
    ...accounts.map((accountId) => ({ place: accountPlace(cfg, accountId), accountId })),
    { place: channelPlace(cfg) },
    { place: pluginPlace(cfg), accountId: DEFAULT_ACCOUNT_ID },
  ];
}

function about(accountId: string | undefined): { readonly accountId?: string } {
  return accountId === undefined ? {} : { accountId };
}

function problems(cfg: HostConfig, accountId: string): ConfigFinding[] {
  return resolveAccountConfig(cfg, accountId).problems.map((problem) => ({
    id: "config.problem",
    severity: "error",
    accountId,
    where: /[\w-]+(\.[\w-]+)+/.exec(problem)?.[0] ?? `channels.agentrux.accounts.${accountId}`,
    what: `${problem}; the account ${accountId} does not start`,
    cure: "set the key; the channel starts by itself as soon as its configuration is right",
  }));
}

function sharedTopics(cfg: HostConfig, accounts: readonly string[]): ConfigFinding[] {
  const readers = new Map<string, string>();
  return accounts.flatMap((accountId): ConfigFinding[] => {
    const { commandTopicId, enabled } = resolveAccountConfig(cfg, accountId);
    if (commandTopicId === "" || !enabled) return [];
    const first = readers.get(commandTopicId);
    if (first === undefined) {
      readers.set(commandTopicId, accountId);
      return [];
    }
    return [
      {
        id: "config.shared-command-topic",
        severity: "error",
        accountId,
        where: `${accountPlace(cfg, accountId).path}.commandTopicId`,
        what: `the accounts ${first} and ${accountId} read the same command topic; ${accountId} waits while ${first} runs`,
        cure: "give each account a command topic of its own, or turn one of them off",
      },
    ];
  });
}

/** Keys of the account `default` that stand under `channels` and under `plugins.entries` with different values. */
function disagreements(cfg: HostConfig): ConfigFinding[] {
  const plugin = pluginPlace(cfg);
  const before = [accountPlace(cfg, "default"), channelPlace(cfg)];
  return (Object.keys(accountKeys) as AccountKey[]).flatMap((key): ConfigFinding[] => {
    const winner = before.find(({ section }) => section[key] !== undefined);
    if (winner === undefined || plugin.section[key] === undefined) return [];
    if (meaning(key, winner.section[key]) === meaning(key, plugin.section[key])) return [];
    const counts = key === "enabled" ? "off at either place is off" : `${winner.path}.${key} counts`;
    return [
      {
        id: "config.places-disagree",
        severity: "warning",
        accountId: "default",
        where: `${plugin.path}.${key}`,
        what: `${winner.path}.${key} and ${plugin.path}.${key} say different things; ${counts}`,
        cure: `openclaw config unset ${plugin.path}.${key}`,
      },
    ];
  });
}

/** A value as it would be understood, so that two spellings of one topic do not count as a disagreement. */
function meaning(key: AccountKey, value: unknown): string {
  const parsed = accountKeys[key].safeParse(value);
  return JSON.stringify(parsed.success ? parsed.data : value);
}

function removedKeys({ path, section }: Place, accountId: string | undefined): ConfigFinding[] {
  return Object.entries(REMOVED_KEYS)
    .filter(([key]) => section[key] !== undefined)
    .map(([key, cure]) => ({
      id: "config.removed-key",
      severity: key === "activationCode" ? "warning" : "info",
      ...about(accountId),
      where: `${path}.${key}`,
      what: `${path}.${key} is a key of an earlier plugin and does nothing`,
      cure: `${cure} (openclaw config unset ${path}.${key})`,
    }));
}

function outOfRange({ path, section }: Place, accountId: string | undefined): ConfigFinding[] {
  return (Object.keys(RANGES) as (keyof typeof RANGES)[]).flatMap((key): ConfigFinding[] => {
    const value = section[key];
    if (typeof value !== "number") return [];
    const used = withinRange(key, value);
    if (used === value) return [];
    const { min, max } = RANGES[key];
    return [
      {
        id: "config.out-of-range",
        severity: "warning",
        ...about(accountId),
        where: `${path}.${key}`,
        what: `${path}.${key} is ${value}; ${used} is used`,
        cure: `set a whole number from ${min} to ${max}`,
      },
    ];
  });
}

function skipsOnStart({ path, section }: Place, accountId: string | undefined): ConfigFinding[] {
  if (section["resumeFromLastSeq"] !== false) return [];
  return [
    {
      id: "config.skips-on-start",
      severity: "warning",
      ...about(accountId),
      where: `${path}.resumeFromLastSeq`,
      what: "each start of the gateway skips to the newest event: commands that arrive while it is down are never run",
      cure: `openclaw config unset ${path}.resumeFromLastSeq`,
    },
  ];
}
