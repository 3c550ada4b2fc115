/**
 * Notices that the host will never begin a turn, because of what a crash has left in its session.
 *
 * A session whose turn was interrupted is marked, and before another turn begins there the host resumes that one. Where
 * the crash cut off the answer between "prepared" and its delivery, 2026.9.6 has been seen to do neither: every turn of
 * the session then waits for ever, over any number of restarts. Why is not known. From here it looks like a turn that
 * does not begin, in a session whose mark does not change. Waits of the host that end by themselves took up to 45 s.
 */

import { field, isMarked } from "./session-record.ts";

const MOST_WAIT_MS = 60_000;
const LOOKS = 12;

export interface PassedOver {
  /** Aborts when the turn will not begin. */
  readonly signal: AbortSignal;
  /** The turn has begun or ended. */
  end(): void;
}

/** @param read the session's record, as it is now; what it throws counts as a change */
export function watchPassedOver(read: () => unknown, timeoutMs: number): PassedOver {
  const passed = new AbortController();
  let looks = 0;
  let last: string | undefined;
  const look = (): void => {
    const mark = markOf(read);
    looks = mark !== undefined && mark === last ? looks + 1 : 0;
    last = mark;
    if (looks < LOOKS) return;
    clearInterval(timer);
    passed.abort();
  };
  // A turn with little time must not spend all of it here.
  const timer = setInterval(look, Math.min(MOST_WAIT_MS, timeoutMs / 2) / LOOKS);
  return { signal: passed.signal, end: () => clearInterval(timer) };
}

function markOf(read: () => unknown): string | undefined {
  try {
    const entry = read();
    if (!isMarked(entry)) return undefined;
    return JSON.stringify([field(entry, "updatedAt"), field(entry, "restartRecoveryDeliveryRunId")]);
  } catch {
    return undefined;
  }
}
