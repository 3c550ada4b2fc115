/** Owns what a tool may call a topic: a name from `messagingTopics`, or a topic id. */

import { z } from "zod";
import type { AccountConfig } from "../config/account.ts";
import { topicIdSchema } from "../config/schema.ts";
import { AgentruxError } from "../errors.ts";

/** A topic as a tool was told it. */
export interface TopicRef {
  /** Bare UUID. */
  readonly topicId: string;
  /** How to speak of it: its name where it has one. */
  readonly label: string;
}

/** The parameter by which a tool is told a topic. */
export function topicParameter(what: string) {
  return z.string().min(1).max(100).describe(`${what}: a name from agentrux_topics, or a topic id.`);
}

/** @throws AgentruxError `invalid` for what is neither a known name nor an id. */
export function resolveTopic(account: AccountConfig, reference: string): TopicRef {
  const wanted = reference.trim();
  const named = account.messagingTopics.find(({ name }) => name === wanted);
  if (named) return { topicId: named.topicId, label: named.name };
  const parsed = topicIdSchema.safeParse(wanted);
  if (parsed.success) return { topicId: parsed.data, label: labelOf(account, parsed.data) };
  const names = account.messagingTopics.map(({ name }) => name).join(", ");
  throw new AgentruxError(
    "invalid",
    `"${wanted.slice(0, 64)}" is neither a topic id nor a name in messagingTopics (${names || "none are configured"})`,
  );
}

/** How to speak of a topic whose id is known. */
export function labelOf(account: AccountConfig, topicId: string): string {
  return account.messagingTopics.find((topic) => topic.topicId === topicId)?.name ?? topicId;
}
