/**
 * What the host has stored of a session, as far as the channel has to know it. These are the host's internal fields, so
 * each is read as if it could be anything (SDK spec, section 17.2).
 */

import { getSessionEntry } from "openclaw/plugin-sdk/session-store-runtime";

/** Read from the store; undefined where there is no such session. @throws when the store cannot be read */
export type ReadSession = (agentId: string, sessionKey: string) => unknown;

export const readSession: ReadSession = (agentId, sessionKey) => getSessionEntry({ agentId, sessionKey });

export function field(value: unknown, ...path: readonly string[]): unknown {
  let found = value;
  for (const key of path) {
    found = typeof found === "object" && found !== null ? (found as Record<string, unknown>)[key] : undefined;
  }
  return found;
}

/** Whether a crash has interrupted a turn of this session that the host has not taken up again. */
export function isMarked(entry: unknown): boolean {
  return field(entry, "status") === "running" && field(entry, "abortedLastRun") === true;
}
