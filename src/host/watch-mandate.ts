/**
 * On whose behalf a watch's turn runs, and with which words: as the configuration has them now, or as the agent noted them
 * when it added the watch. A note that was made in the course of a topic's turn may be a stranger's: it is shown as data,
 * and its turns count as the topic's.
 */

import type { AccountConfig } from "../config/account.ts";
import type { WatchInfo } from "../flux/watch/types.ts";
import { watchConversation } from "../intake/watching.ts";
import { find } from "./running.ts";
import { currentSession } from "./session.ts";
import { nameWatchSession } from "./watch-runs.ts";

export interface WatchMandate {
  /** Empty where there is none. */
  readonly instruction: string;
  readonly isTrusted: boolean;
}

/** Undefined for a watch that there is no more. */
export function mandateOf(
  account: AccountConfig,
  watch: string,
  added: () => readonly WatchInfo[] = () => find(account.accountId)?.watches.list() ?? [],
): WatchMandate | undefined {
  const configured = account.flux.watches.find(({ id }) => id === watch);
  if (configured !== undefined) return { instruction: configured.instruction ?? "", isTrusted: true };
  const info = added().find(({ definition }) => definition.id === watch);
  if (info === undefined) return undefined;
  return { instruction: info.definition.instruction ?? "", isTrusted: info.origin !== "topic" };
}

/** Lets runs be known that the host resumes by itself after a crash, before any turn of this life. */
export function nameWatchSessions(account: AccountConfig, watches: readonly WatchInfo[]): void {
  for (const { definition, origin } of watches) {
    if (origin === "topic") continue;
    try {
      nameWatchSession(currentSession(account, watchConversation(definition.id)).sessionKey);
    } catch {
      // A host that does not keep conversations apart is told of by the first turn.
    }
  }
}
