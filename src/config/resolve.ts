/**
 * Finds an account's settings in the host's configuration and checks them.
 *
 * A key is looked up in this order, the first place that has it wins:
 *   1. `channels.agentrux.accounts.<id>.<key>`
 *   2. `channels.agentrux.<key>`
 *   3. `plugins.entries.agentrux-openclaw-plugin.config.<key>` (where the published README puts it), for the account
 *      `default` only
 */

import { CHANNEL_ID, PLUGIN_ID } from "../ids.ts";
import type { AccountConfig } from "./account.ts";
import { type AccountKey, accountKeys, DEFAULTS } from "./schema.ts";

export const DEFAULT_ACCOUNT_ID = "default";

/** The parts of the host's configuration we read; fits the host's type and its read-only snapshot. */
export interface HostConfig {
  readonly channels?: unknown;
  readonly plugins?: unknown;
  readonly agents?: unknown;
}

type Section = Readonly<Record<string, unknown>>;

interface Place {
  /** Where a person finds the key, for messages. */
  readonly path: string;
  readonly section: Section;
}

function record(value: unknown): Section {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Section) : {};
}

function channelSection(cfg: HostConfig): Section {
  return record(record(cfg.channels)[CHANNEL_ID]);
}

function pluginSection(cfg: HostConfig): Section {
  return record(record(record(record(cfg.plugins)["entries"])[PLUGIN_ID])["config"]);
}

function places(cfg: HostConfig, accountId: string): Place[] {
  const channel = channelSection(cfg);
  const found: Place[] = [
    {
      path: `channels.${CHANNEL_ID}.accounts.${accountId}`,
      section: record(record(channel["accounts"])[accountId]),
    },
    { path: `channels.${CHANNEL_ID}`, section: channel },
  ];
  if (accountId === DEFAULT_ACCOUNT_ID) {
    found.push({ path: `plugins.entries.${PLUGIN_ID}.config`, section: pluginSection(cfg) });
  }
  return found;
}

/** Whether a section names a topic or an agent at all; `enabled` alone does not make an account. */
function namesAnAccount(section: Section): boolean {
  return ["commandTopicId", "resultTopicId", "agentId"].some((key) => section[key] !== undefined);
}

/** The accounts a configuration names. Empty on a machine where nothing is configured yet. */
export function listAccountIds(cfg: HostConfig): string[] {
  const named = Object.keys(record(channelSection(cfg)["accounts"]));
  const unnamed = namesAnAccount(channelSection(cfg)) || namesAnAccount(pluginSection(cfg));
  return unnamed && !named.includes(DEFAULT_ACCOUNT_ID) ? [DEFAULT_ACCOUNT_ID, ...named] : named;
}

/** The agent ids the host knows. A host without an agent list has the one agent `main`. */
export function knownAgentIds(cfg: HostConfig): string[] {
  const list = record(cfg.agents)["list"];
  const ids = Array.isArray(list)
    ? list.map((agent) => record(agent)["id"]).filter((id) => typeof id === "string")
    : [];
  return ids.length > 0 ? ids : ["main"];
}

class Reader {
  readonly problems: string[] = [];
  private readonly found: Place[];

  constructor(found: Place[]) {
    this.found = found;
  }

  /** The checked value of `key`, or undefined when nobody wrote it or it is unusable (then a problem names it). */
  read<K extends AccountKey>(key: K): ReturnType<(typeof accountKeys)[K]["parse"]> | undefined {
    const place = this.found.find(({ section }) => section[key] !== undefined);
    if (!place) return undefined;
    const result = accountKeys[key].safeParse(place.section[key]);
    if (result.success) return result.data as ReturnType<(typeof accountKeys)[K]["parse"]>;
    const issue = result.error.issues[0];
    const inside = issue && issue.path.length > 0 ? `.${issue.path.join(".")}` : "";
    this.problems.push(`${place.path}.${key}${inside} ${issue?.message ?? "is not valid"}`);
    return undefined;
  }

  /** As `read`, but says so when nobody wrote the key. */
  require<K extends AccountKey>(key: K): ReturnType<(typeof accountKeys)[K]["parse"]> | undefined {
    const value = this.read(key);
    const path = `channels.${CHANNEL_ID}.${key}`;
    if (value === undefined && !this.problems.some((problem) => problem.includes(`.${key} `))) {
      this.problems.push(`${path} is not set: openclaw config set ${path} <value>`);
    }
    return value;
  }
}

/** Resolves one account. Never throws: what is wrong stands in `problems`. */
export function resolveAccountConfig(cfg: HostConfig, accountId: string | null | undefined): AccountConfig {
  const id = accountId ?? DEFAULT_ACCOUNT_ID;
  const reader = new Reader(places(cfg, id));
  const commandTopicId = reader.require("commandTopicId") ?? "";
  const resultTopicId = reader.require("resultTopicId") ?? "";
  const agentId = reader.require("agentId") ?? "";
  if (agentId && !knownAgentIds(cfg).includes(agentId)) {
    const known = knownAgentIds(cfg).join(", ");
    reader.problems.push(`agentId names the unknown agent "${agentId.slice(0, 64)}"; this gateway has: ${known}`);
  }
  const name = reader.read("name");
  const exec = reader.read("execPolicy");
  const baseUrl = reader.read("baseUrl");
  return {
    accountId: id,
    ...(name === undefined ? {} : { name }),
    enabled: reader.read("enabled") ?? DEFAULTS.enabled,
    baseUrl: baseUrl ?? DEFAULTS.baseUrl,
    baseUrlIsSet: baseUrl !== undefined,
    commandTopicId,
    resultTopicId,
    agentId,
    pollIntervalMs: reader.read("pollIntervalMs") ?? DEFAULTS.pollIntervalMs,
    maxConcurrency: reader.read("maxConcurrency") ?? DEFAULTS.maxConcurrency,
    subagentTimeoutMs: reader.read("subagentTimeoutMs") ?? DEFAULTS.subagentTimeoutMs,
    maxAttempts: reader.read("maxAttempts") ?? DEFAULTS.maxAttempts,
    replyMaxAgeMs: reader.read("replyMaxAgeMs") ?? DEFAULTS.replyMaxAgeMs,
    startFrom: reader.read("startFrom") ?? DEFAULTS.startFrom,
    excludeOwnEvents: reader.read("excludeOwnEvents") ?? DEFAULTS.excludeOwnEvents,
    execPolicy: { enabled: exec?.enabled ?? false, allowedCommands: exec?.allowedCommands ?? [] },
    botLoopProtection: reader.read("botLoopProtection") ?? {},
    problems: reader.problems,
  };
}
