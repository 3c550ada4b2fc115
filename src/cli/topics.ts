/** `openclaw agentrux topics`: what the credential may read and write, and what the account uses each topic for. */

import { cleanLine } from "../guard/text.ts";
import type { TopicInfo } from "../service/types.ts";
import { type CliContext, withService } from "./account.ts";
import { type CommandResult, done, table } from "./output.ts";

export async function topics(context: CliContext, options: { readonly fresh: boolean }): Promise<CommandResult> {
  const found = await withService(context, (client) => client.topics(context.signal), { freshToken: options.fresh });
  const uses = usesOf(context);
  const list = found.map((topic) => ({ ...topic, usedAs: uses.get(topic.topicId) ?? [] }));
  const missing = [...uses].filter(([topicId]) => !found.some((topic) => topic.topicId === topicId));
  const rows = list.map(({ topicId, name, actions, usedAs }) => [
    topicId,
    actions.join(", ") || "-",
    usedAs.join(", ") || "-",
    name === undefined ? "-" : cleanLine(name, 60),
  ]);
  const lines = [
    ...(rows.length === 0
      ? ["This credential reaches no topic."]
      : table(["topic", "access", "used as", "name"], rows)),
    ...missing.map(([topicId, used]) => context.paint("warning", `${topicId}: ${used.join(", ")}, but out of reach`)),
  ];
  return done({ topics: list, outOfReach: missing.map(([topicId, usedAs]) => ({ topicId, usedAs })) }, lines);
}

function usesOf({ account }: CliContext): Map<TopicInfo["topicId"], string[]> {
  const uses = new Map<string, string[]>();
  const { commandTopicId, resultTopicId } = account;
  const messaging = account.messagingTopics.map(({ topicId, name }) => [topicId, name] as const);
  for (const [topicId, use] of [[commandTopicId, "commands"], [resultTopicId, "results"], ...messaging] as const) {
    if (topicId !== "") uses.set(topicId, [...(uses.get(topicId) ?? []), use]);
  }
  return uses;
}
