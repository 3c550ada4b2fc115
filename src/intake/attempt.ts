/** Runs one attempt and always comes back: a turn that ignores its time limit is left behind. */

import { errorText } from "../errors.ts";
import type { Clock } from "../replies/ports.ts";
import type { TurnRequest, TurnResult, TurnRunner } from "../replies/turn.ts";

/** How long an aborted turn may take to end before it is left behind. */
export const ABORT_GRACE_MS = 5_000;

/**
 * The host is told to stop at `request.timeoutMs`; whatever it says after that, except an answer, is a timeout. An
 * answer that comes later than the grace is ignored.
 *
 * @param breakOff Aborts when the account stops, or has the answer from elsewhere: the turn is aborted, and if it has
 *   not answered counts as not started.
 */
export function runAttempt(
  runner: TurnRunner,
  request: TurnRequest,
  clock: Clock,
  breakOff: AbortSignal,
): Promise<TurnResult> {
  return new Promise((resolve) => {
    const turn = new AbortController();
    let timedOut = false;
    let cancelTimer = clock.after(request.timeoutMs, () => {
      timedOut = true;
      turn.abort();
      cancelTimer = clock.after(ABORT_GRACE_MS, () => settle({ kind: "timeout" }));
    });
    const onBreakOff = (): void => turn.abort();
    breakOff.addEventListener("abort", onBreakOff, { once: true });
    if (breakOff.aborted) onBreakOff();

    const settle = (result: TurnResult): void => {
      cancelTimer();
      breakOff.removeEventListener("abort", onBreakOff);
      if (result.kind === "replied") resolve(result);
      else if (timedOut) resolve({ kind: "timeout" });
      else if (breakOff.aborted) resolve({ kind: "not-started", reason: "aborted" });
      else resolve(result);
    };

    void (async () => runner.run(request, turn.signal))().then(settle, (error: unknown) =>
      settle({ kind: "failed", reason: errorText(error) }),
    );
  });
}
