/** Owns the `scope` claim of access tokens: the data plane's only list of reachable topics (wire spec 2.1, 9.2 rule 10). */
import type { TopicAction } from "./ids.ts";

export interface ScopeGrant {
  /** Bare UUID, or whatever the server put there. */
  readonly topicId: string;
  readonly actions: readonly TopicAction[];
}

/** One entry of the claim. Servers write one entry per action: Dify's clients compare the action literally. */
export function scopeEntry(topicUuid: string, action: TopicAction): string {
  return `topic:${topicUuid}:${action}`;
}

/**
 * The topics named by a scope claim: a list or one space-joined string, with `read`, `write` or `read+write`.
 * Entries of any other form are left out; the order of first mention is kept.
 */
export function parseScopeClaim(claim: unknown): ScopeGrant[] {
  const entries: unknown[] = typeof claim === "string" ? claim.split(/\s+/) : Array.isArray(claim) ? claim : [];
  const byTopic = new Map<string, Set<TopicAction>>();
  for (const entry of entries) {
    if (typeof entry !== "string") continue;
    const match = /^topic:([^:\s]+):(read|write|read\+write)$/.exec(entry);
    const [, topicId, action] = match ?? [];
    if (topicId === undefined || action === undefined) continue;
    const actions = byTopic.get(topicId) ?? new Set<TopicAction>();
    if (action !== "write") actions.add("read");
    if (action !== "read") actions.add("write");
    byTopic.set(topicId, actions);
  }
  return [...byTopic].map(([topicId, actions]) => ({ topicId, actions: [...actions] }));
}
