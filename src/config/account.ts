/** One account's settings, resolved and checked: what the rest of the plugin is given. */

import type { SenderPolicy } from "../guard/senders.ts";
import type { FluxConfig } from "./flux.ts";

export interface ExecPolicy {
  readonly enabled: boolean;
  readonly allowedCommands: readonly string[];
}

/** A topic the agent's tools know by a name of the operator's choice. */
export interface MessagingTopic {
  readonly name: string;
  /** Bare lowercase UUID. */
  readonly topicId: string;
  readonly read: boolean;
  readonly write: boolean;
  /** Its events start turns of the agent. Never true for the account's own command and result topics. */
  readonly listen: boolean;
}

/** The host's budget for two agents that answer each other; what is absent takes the host's default. Times in seconds. */
export interface BotLoopProtection {
  readonly enabled?: boolean | undefined;
  readonly maxEventsPerWindow?: number | undefined;
  readonly windowSeconds?: number | undefined;
  readonly cooldownSeconds?: number | undefined;
}

/** A resolved account. Times are milliseconds. */
export interface AccountConfig {
  readonly accountId: string;
  readonly name?: string;
  readonly enabled: boolean;
  /** Without trailing slash. */
  readonly baseUrl: string;
  /** Whether somebody wrote `baseUrl`; otherwise the URL kept with the credentials counts. */
  readonly baseUrlIsSet: boolean;
  /** Bare lowercase UUID; empty when not configured. */
  readonly commandTopicId: string;
  readonly resultTopicId: string;
  readonly agentId: string;
  readonly pollIntervalMs: number;
  readonly maxConcurrency: number;
  readonly subagentTimeoutMs: number;
  readonly maxAttempts: number;
  /** How long an unsent reply is retried before it becomes a dead letter. */
  readonly replyMaxAgeMs: number;
  readonly startFrom: "latest" | "earliest";
  readonly excludeOwnEvents: boolean;
  /** False: each start begins at the newest event, as the vendor's 1.x did. */
  readonly resumeFromLastSeq: boolean;
  readonly messagingTopics: readonly MessagingTopic[];
  /** The world state: where it is, what is watched, who shows presence. */
  readonly flux: FluxConfig;
  readonly execPolicy: ExecPolicy;
  /** Whose commands are taken. */
  readonly senders: SenderPolicy;
  readonly botLoopProtection: BotLoopProtection;
  /** What is wrong, one plain sentence a problem, each naming its key; empty when the account can start. */
  readonly problems: readonly string[];
}
