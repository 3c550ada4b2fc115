/**
 * Waits while the host may still answer a command by itself.
 *
 * After a crash the host takes up interrupted turns again, one after the other, and answers at the attempt's address
 * (SDK spec, 17.2). It is asked at intervals whether it still owns the attempt. "Nobody" ends the wait; right after the
 * host has let go it must say so twice, because its answer may still be on the way. When it cannot tell, a minute is
 * long enough; when it says it will and does not, the wait is bounded too. Ending the wait too early costs a second run
 * of the turn, never a second reply.
 */

import { type Clock, pause, withLimit } from "../replies/ports.ts";
import type { TurnRequest, TurnRunner } from "../replies/turn.ts";

const ASK_EVERY_MS = 2_000;
const ASK_LIMIT_MS = 10_000;
const UNKNOWN_WAIT_MS = 60_000;
/** The host resumes turns one at a time, so this is many turns long. */
const HOST_WAIT_MS = 15 * 60_000;

/** Resolves when the host is not going to answer, or when `signal` aborts. */
export async function waitForHost(
  runner: TurnRunner,
  request: TurnRequest,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const begin = clock.monotonic();
  let letGo = false;
  let owned = false;
  while (!signal.aborted) {
    const owner = await withLimit(clock, ASK_LIMIT_MS, signal, () => runner.owner(request)).catch(
      () => "unknown" as const,
    );
    const waited = clock.monotonic() - begin;
    if (owner === "host") {
      if (waited >= HOST_WAIT_MS) return;
      owned = true;
      letGo = false;
    } else if (owner === "unknown") {
      if (waited >= (owned ? HOST_WAIT_MS : UNKNOWN_WAIT_MS)) return;
    } else {
      if (!owned || letGo) return;
      letGo = true;
    }
    await pause(clock, ASK_EVERY_MS, signal);
  }
}
