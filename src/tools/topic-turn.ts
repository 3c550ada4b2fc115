/**
 * Decides what a turn that came from a topic may do with our tools. Pure.
 *
 * The text of such a turn is a stranger's. What it could ask the agent to do must not reach further than what the
 * operator gave to strangers: the messaging topics, each by its mode. The account's own command and result topics are
 * out of reach even when they are listed there: a publish to the first is a command in our name, one to the second a
 * forged reply, and reading either shows what others asked.
 */

import type { AccountConfig, MessagingTopic } from "../config/account.ts";
import { AgentruxError } from "../errors.ts";
import { resolveTopic } from "./topic-ref.ts";
import type { Tool } from "./tool.ts";

const ONLY_MESSAGING_TOPICS =
  "Not available during a turn that came from a topic — your reply is published automatically. Only configured messaging topics are allowed.";

/** Why a topic turn may not use this tool at all; undefined when it depends on the call, or is fine. */
export function whyNeverInTopicTurn(tool: Tool): string | undefined {
  return tool.topicTurn === "never"
    ? `${tool.name} is not available during a turn that came from a topic — your reply is published automatically.`
    : undefined;
}

/**
 * @param args As `tool.parameters` gives them.
 * @throws AgentruxError `not_allowed`, or `invalid` for a topic that cannot be told.
 */
export function requireAllowedInTopicTurn(
  tool: Tool,
  args: Readonly<Record<string, unknown>>,
  account: AccountConfig,
): void {
  const never = whyNeverInTopicTurn(tool);
  if (never !== undefined) throw new AgentruxError("not_allowed", never);
  if (typeof tool.topicTurn === "string") return;
  const { topicId } = resolveTopic(account, typeof args["topic"] === "string" ? args["topic"] : "");
  const access = tool.topicTurn.topic;
  if (!isForTopicTurns(account, topicId, (topic) => topic[access])) {
    throw new AgentruxError("not_allowed", ONLY_MESSAGING_TOPICS);
  }
}

/** Whether it is a messaging topic that passes, and not where commands come in or replies go out. */
export function isForTopicTurns(
  { commandTopicId, resultTopicId, messagingTopics }: AccountConfig,
  topicId: string,
  passes: (topic: MessagingTopic) => boolean = () => true,
): boolean {
  const ours = topicId === commandTopicId || topicId === resultTopicId;
  return !ours && messagingTopics.some((topic) => topic.topicId === topicId && passes(topic));
}
