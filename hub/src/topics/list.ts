/** GET /topics (B6): the caller's topics and what it may do there. */
import { prefixedTopicId } from "agentrux-wire";
import { authenticate, callerMay } from "../auth/access.ts";
import type { HubDeps } from "../deps.ts";
import type { HubApp } from "../http/context.ts";
import { bearerToken } from "../http/context.ts";

const ACTIONS = ["read", "write"] as const;

export function registerTopicListRoute(app: HubApp, deps: HubDeps): void {
  app.get("/topics", async (c) => {
    const caller = await authenticate(c, deps);
    // There is no topic id on this path to tell the dialect by; the token's own form does.
    const idOf = bearerToken(c)?.startsWith("aat_") === true ? prefixedTopicId : (id: string) => id;
    const topics = await deps.store.topics.list();
    const items = topics
      .map((topic) => ({
        topic_id: idOf(topic.id),
        name: topic.name,
        display_name: topic.displayName ?? topic.name,
        actions: ACTIONS.filter((action) => callerMay(caller, topic.id, action)),
      }))
      .filter((item) => item.actions.length > 0);
    return c.json({ items });
  });
}
