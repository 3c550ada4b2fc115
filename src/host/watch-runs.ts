/**
 * The sessions in which the account's watches run their turns. Such a turn was asked for by the operator, who wrote the
 * watch, while the turns of a topic are asked for by strangers; both come through this channel, and hooks and tools are
 * told no more of a run than its session. In a slot of the process, for the reason running.ts gives. A session nobody
 * has named counts as a topic's.
 */

import { PLUGIN_ID } from "../ids.ts";

const SLOT = Symbol.for(`${PLUGIN_ID}.watch-sessions`);
/** Far more than there can be watches; sessions given up are replaced by others. */
const MOST = 2_000;

function sessions(): Set<string> {
  const process = globalThis as { [SLOT]?: Set<string> };
  return (process[SLOT] ??= new Set());
}

/** From now on, runs of this session are a watch's. */
export function nameWatchSession(sessionKey: string): void {
  const known = sessions();
  known.delete(sessionKey);
  known.add(sessionKey);
  const [oldest] = known;
  if (known.size > MOST && oldest !== undefined) known.delete(oldest);
}

export function isWatchSession(sessionKey: string | undefined): boolean {
  return sessionKey !== undefined && sessions().has(sessionKey);
}
