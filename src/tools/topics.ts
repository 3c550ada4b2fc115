/** `agentrux_topics`: which topics the agent may read and write, and by which names. */

import { z } from "zod";
import type { AccountConfig } from "../config/account.ts";
import type { TopicInfo } from "../service/types.ts";
import { cleanLine } from "../guard/text.ts";
import { defineTool } from "./tool.ts";

interface TopicRow {
  readonly topic: string;
  readonly topic_id: string;
  readonly read: boolean;
  readonly write: boolean;
  readonly role?: string;
}

function roleOf(account: AccountConfig, topicId: string): string | undefined {
  const roles = [
    ...(topicId === account.commandTopicId ? ["commands"] : []),
    ...(topicId === account.resultTopicId ? ["results"] : []),
    ...(account.messagingTopics.some((topic) => topic.topicId === topicId && topic.listen) ? ["listening"] : []),
  ];
  return roles.length === 0 ? undefined : roles.join(", ");
}

/** What the credential may do, under the operator's names; names the credential does not reach are told as such. */
function allTopics(account: AccountConfig, granted: readonly TopicInfo[]): TopicRow[] {
  const rows = new Map<string, TopicRow>();
  const actionsOf = (topicId: string) => granted.find((topic) => topic.topicId === topicId)?.actions ?? [];
  const add = (topicId: string, topic: string) => {
    const actions = actionsOf(topicId);
    const role = roleOf(account, topicId);
    rows.set(`${topic} ${topicId}`, {
      topic,
      topic_id: topicId,
      read: actions.includes("read"),
      write: actions.includes("write"),
      ...(role === undefined ? {} : { role }),
    });
  };
  for (const { name, topicId } of account.messagingTopics) add(topicId, name);
  const named = new Set(account.messagingTopics.map(({ topicId }) => topicId));
  for (const { topicId, name } of granted) {
    if (!named.has(topicId)) add(topicId, name === undefined ? topicId : cleanLine(name, 64));
  }
  return [...rows.values()];
}

/** What a turn that came from a topic may use: the operator's messaging topics by their modes, and no others. */
function topicsForStrangers({ messagingTopics, commandTopicId, resultTopicId }: AccountConfig): TopicRow[] {
  return messagingTopics
    .filter(({ topicId }) => topicId !== commandTopicId && topicId !== resultTopicId)
    .map(({ name, topicId, read, write }) => ({ topic: name, topic_id: topicId, read, write }));
}

function line({ topic, topic_id, read, write, role }: TopicRow): string {
  const access = [...(read ? ["read"] : []), ...(write ? ["write"] : [])].join(", ") || "no grant";
  const id = topic === topic_id ? "" : ` ${topic_id}`;
  return `- ${topic}${id} (${access})${role === undefined ? "" : ` [${role}]`}`;
}

export const topicsTool = defineTool({
  name: "agentrux_topics",
  label: "AgenTrux topics",
  description:
    "Lists the AgenTrux topics you may read or write, with the names and ids that the other agentrux tools take.",
  parameters: z.object({}),
  topicTurn: "always",
  replaySafe: true,
  async run(_args, context, signal) {
    const { account } = context;
    const rows = context.turn
      ? topicsForStrangers(account)
      : allTopics(account, await (await context.service()).topics(signal));
    return {
      text: rows.length === 0 ? "No topics." : `Topics:\n${rows.map(line).join("\n")}`,
      details: { topics: rows },
    };
  },
});
