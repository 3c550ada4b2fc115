/**
 * Waits while the host may still answer a command by itself.
 *
 * After a crash the host takes up interrupted turns again, one after the other, and answers at the attempt's address
 * (SDK spec, 17.2). It is asked at intervals whether it still owns the attempt. "Nobody" ends the wait; right after the
 * host has let go it must say so twice, because its answer may still be on the way. A turn that it works on is waited
 * for. One that it has only marked waits as long as the host works on any of the waiting ones, and a minute more: it may
 * have passed this one over. So does one of which it cannot be told. All of it is bounded. Ending the wait too early
 * costs a second run of the turn at most, never a second reply.
 */

import { type Clock, pause, withLimit } from "../replies/ports.ts";
import type { TurnRequest, TurnRunner } from "../replies/turn.ts";

const ASK_EVERY_MS = 2_000;
const ASK_LIMIT_MS = 10_000;
/** How long the host may work on none of those that wait. It begins some seconds after its start. */
const SILENT_MS = 60_000;
/** The host resumes turns one at a time, so this is many turns long. */
const HOST_WAIT_MS = 15 * 60_000;

/** Resolves when the host is not going to answer, or when `signal` aborts. */
export type HostWait = (request: TurnRequest, signal: AbortSignal) => Promise<void>;

/** What it returns shares one view of the host between all that wait. */
export function createHostWait(runner: Pick<TurnRunner, "owner">, clock: Clock): HostWait {
  let lastSign = Number.NEGATIVE_INFINITY;

  return async (request, signal) => {
    const begin = clock.monotonic();
    let owned = false;
    let letGo = false;
    while (!signal.aborted) {
      const owner = await withLimit(clock, ASK_LIMIT_MS, signal, () => runner.owner(request)).catch(
        () => "unknown" as const,
      );
      const now = clock.monotonic();
      if (owner === "host" || (owner === "nobody" && owned)) lastSign = now;
      if (owner === "nobody") {
        if (!owned || letGo) return;
        letGo = true;
      } else {
        if (now - begin >= HOST_WAIT_MS || now - Math.max(begin, lastSign) >= SILENT_MS) return;
        if (owner !== "unknown") {
          owned = true;
          letGo = false;
        }
      }
      await pause(clock, ASK_EVERY_MS, signal);
    }
  };
}
