/**
 * Decides what a turn that came from a topic may do with our tools. Pure.
 *
 * The text of such a turn is a stranger's. What it could ask the agent to do must not reach further than what the
 * operator gave to strangers: the messaging topics, each by its mode. The account's own command and result topics are
 * out of reach even when they are listed there: a publish to the first is a command in our name, one to the second a
 * forged reply, and reading either shows what others asked.
 *
 * Of the world state such a turn may read, or write inside `flux.namespace`, what `flux.topicTurns` says; it names what it
 * writes by exact ids. A turn that a watch started was asked for by the operator, but is about what strangers wrote: it may
 * read and write there whatever `topicTurns` says, and is held to the same namespace.
 */

import type { AccountConfig } from "../config/account.ts";
import { AgentruxError } from "../errors.ts";
import { requireInsideNamespace } from "./fence.ts";
import { resolveTopic } from "./topic-ref.ts";
import type { Tool, TopicTurn } from "./tool.ts";

const ONLY_MESSAGING_TOPICS =
  "Not available during a turn that came from a topic — your reply is published automatically. Only configured messaging topics are allowed.";

/** Why a topic turn may not use this tool at all; undefined when it depends on the call, or is fine. */
export function whyNeverInTopicTurn(tool: Tool, account: AccountConfig, turn: TopicTurn): string | undefined {
  const { topicTurn } = tool;
  if (typeof topicTurn === "object" && "world" in topicTurn) return whyNoWorld(topicTurn.world, account, turn);
  if (topicTurn !== "never") return undefined;
  return turn.watch === true
    ? `${tool.name} is not available during a turn that a watch started.`
    : `${tool.name} is not available during a turn that came from a topic — your reply is published automatically.`;
}

function whyNoWorld(access: "read" | "write", { flux }: AccountConfig, turn: TopicTurn): string | undefined {
  const isWatch = turn.watch === true;
  if (!isWatch && flux.topicTurns === "off") {
    return "The world state is closed to turns that came from a topic (flux.topicTurns is off).";
  }
  if (access === "read") return undefined;
  if (!isWatch && flux.topicTurns !== "write") {
    return "A turn that came from a topic may only read the world state (flux.topicTurns is read).";
  }
  if (flux.namespace !== undefined) return undefined;
  const whose = isWatch ? "a watch started" : "came from a topic";
  return `A turn that ${whose} writes only inside flux.namespace, and none is configured.`;
}

/**
 * @param args As `tool.parameters` gives them.
 * @throws AgentruxError `not_allowed`, or `invalid` for a topic that cannot be told.
 */
export function requireAllowedInTopicTurn(
  tool: Tool,
  args: Readonly<Record<string, unknown>>,
  account: AccountConfig,
  turn: TopicTurn,
): void {
  const never = whyNeverInTopicTurn(tool, account, turn);
  if (never !== undefined) throw new AgentruxError("not_allowed", never);
  if (typeof tool.topicTurn === "string") return;
  if ("world" in tool.topicTurn) return requireExactIds(tool, args, account);
  const { topicId } = resolveTopic(account, typeof args["topic"] === "string" ? args["topic"] : "");
  const access = tool.topicTurn.topic;
  const ours = topicId === account.commandTopicId || topicId === account.resultTopicId;
  const granted = account.messagingTopics.some((topic) => topic.topicId === topicId && topic[access]);
  if (ours || !granted) throw new AgentruxError("not_allowed", ONLY_MESSAGING_TOPICS);
}

function requireExactIds(tool: Tool, args: Readonly<Record<string, unknown>>, { flux }: AccountConfig): void {
  const targets = tool.writes?.(args) ?? [];
  if (targets.some((target) => "prefix" in target)) {
    throw new AgentruxError(
      "not_allowed",
      "In a turn that came from a topic or a watch only exact ids can be deleted.",
    );
  }
  requireInsideNamespace(targets, flux.namespace);
}
