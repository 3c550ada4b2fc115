/** Owns the list of topics a credential reaches. */

import { bareTopicId, topicListResponseSchema } from "agentrux-wire";
import type { AuthorisedHttp } from "./authorised.ts";
import { checkShape } from "./json.ts";
import { readClaims } from "./jwt.ts";
import type { TokenClient } from "./tokens.ts";
import type { TopicInfo } from "./types.ts";

/** Generation A has no list: what a token reaches stands in its own scope claim (wire spec 2.1). Names are not told. */
export async function topicsByScope(tokens: TokenClient, signal: AbortSignal): Promise<readonly TopicInfo[]> {
  const { topics } = readClaims(await tokens.get(signal));
  return topics.map(({ topicId, actions }) => ({ topicId: bareTopicId(topicId), actions }));
}

/** Generation B lists them (B6). */
export async function topicsByList(http: AuthorisedHttp, signal: AbortSignal): Promise<readonly TopicInfo[]> {
  const { document } = await http.json({ method: "GET", path: "/topics", signal });
  return checkShape(topicListResponseSchema, document).items.map((item) => {
    const name = item.name ?? item.display_name;
    return {
      topicId: bareTopicId(item.topic_id),
      ...(name ? { name } : {}),
      actions: (item.actions ?? []).filter((action) => action === "read" || action === "write"),
    };
  });
}
