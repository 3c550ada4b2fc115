/** Reads an account's settings from the places they can stand in (places.ts) and checks them. */

import { accountIdProblem } from "../credentials/home.ts";
import { CHANNEL_ID } from "../ids.ts";
import type { AccountConfig, MessagingTopic } from "./account.ts";
import { resolveFlux } from "./flux.ts";
import { countingPlace, DEFAULT_ACCOUNT_ID, type HostConfig, type Place, placesOf, record } from "./places.ts";
import { type AccountKey, accountKeys, DEFAULTS, RANGES, withinRange } from "./schema.ts";

/**
 * The agent ids the host knows: the keys of `agents.entries`, or the ids of the older `agents.list`. A host without
 * either has the one agent `main`.
 */
export function knownAgentIds(cfg: HostConfig): string[] {
  const { entries, list } = record(cfg.agents);
  const listed = Array.isArray(list) ? list.map((agent) => record(agent)["id"]) : [];
  const ids = [...Object.keys(record(entries)), ...listed].filter((id) => typeof id === "string");
  return ids.length > 0 ? ids : ["main"];
}

class Reader {
  readonly problems: string[] = [];
  readonly #cfg: HostConfig;
  readonly #accountId: string;

  constructor(cfg: HostConfig, accountId: string) {
    this.#cfg = cfg;
    this.#accountId = accountId;
  }

  #find(key: AccountKey): Place | undefined {
    return countingPlace(this.#cfg, this.#accountId, key);
  }

  /** The checked value of `key`, or undefined when nobody wrote it or it is unusable (then a problem names it). */
  read<K extends AccountKey>(key: K): ReturnType<(typeof accountKeys)[K]["parse"]> | undefined {
    const place = this.#find(key);
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
    const own = this.#accountId === DEFAULT_ACCOUNT_ID ? "" : `accounts.${this.#accountId}.`;
    const path = `channels.${CHANNEL_ID}.${own}${key}`;
    if (value === undefined && !this.problems.some((problem) => problem.includes(`.${key} `))) {
      this.problems.push(`${path} is not set: openclaw config set ${path} <value>`);
    }
    return value;
  }

  /** A number in the range of its key. */
  number(key: keyof typeof RANGES): number {
    return withinRange(key, this.read(key) ?? DEFAULTS[key]);
  }

  /** A switch that is off at any place is off: whoever turns the channel off means all of it. */
  enabled(): boolean {
    this.read("enabled");
    return placesOf(this.#cfg, this.#accountId, "enabled").every(({ section }) => section["enabled"] !== false);
  }
}

/**
 * What the entries of `messagingTopics` mean. The command topic is read as commands anyway, and the result topic holds
 * our own replies: neither is listened to.
 */
function messagingTopics(
  entries: ReturnType<(typeof accountKeys)["messagingTopics"]["parse"]>,
  own: readonly string[],
): MessagingTopic[] {
  return entries.map(({ id: name, topicId, mode, listen }) => {
    const write = mode === "write" || mode === "readwrite";
    const read = mode !== "write";
    return { name, topicId, read, write, listen: listen === true && read && !own.includes(topicId) };
  });
}

/** Resolves one account. Never throws: what is wrong stands in `problems`. */
export function resolveAccountConfig(cfg: HostConfig, accountId: string | null | undefined): AccountConfig {
  const id = accountId ?? DEFAULT_ACCOUNT_ID;
  const reader = new Reader(cfg, id);
  const unusable = accountIdProblem(id);
  if (unusable !== undefined) reader.problems.push(`channels.${CHANNEL_ID}.accounts: ${unusable}`);
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
  const allowFrom = reader.read("allowFrom");
  // Whoever writes a list means it.
  const dmPolicy = reader.read("dmPolicy") ?? (allowFrom === undefined ? "open" : "allowlist");
  return {
    accountId: id,
    ...(name === undefined ? {} : { name }),
    enabled: reader.enabled(),
    baseUrl: baseUrl ?? DEFAULTS.baseUrl,
    baseUrlIsSet: baseUrl !== undefined,
    commandTopicId,
    resultTopicId,
    agentId,
    pollIntervalMs: reader.number("pollIntervalMs"),
    maxConcurrency: reader.number("maxConcurrency"),
    subagentTimeoutMs: reader.number("subagentTimeoutMs"),
    maxAttempts: reader.read("maxAttempts") ?? DEFAULTS.maxAttempts,
    replyMaxAgeMs: reader.read("replyMaxAgeMs") ?? DEFAULTS.replyMaxAgeMs,
    startFrom: reader.read("startFrom") ?? DEFAULTS.startFrom,
    excludeOwnEvents: reader.read("excludeOwnEvents") ?? DEFAULTS.excludeOwnEvents,
    resumeFromLastSeq: reader.read("resumeFromLastSeq") ?? DEFAULTS.resumeFromLastSeq,
    messagingTopics: messagingTopics(reader.read("messagingTopics") ?? [], [commandTopicId, resultTopicId]),
    flux: resolveFlux(reader.read("flux")),
    senders: { dmPolicy, allowFrom: allowFrom ?? [] },
    execPolicy: { enabled: exec?.enabled ?? false, allowedCommands: exec?.allowedCommands ?? [] },
    botLoopProtection: reader.read("botLoopProtection") ?? {},
    problems: reader.problems,
  };
}
