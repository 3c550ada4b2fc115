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
 * @param stopping Aborts when the account stops: the turn is aborted, and if it has not answered counts as not started.
 */
export function runAttempt(
  runner: TurnRunner,
  request: TurnRequest,
  clock: Clock,
  stopping: AbortSignal,
): Promise<TurnResult> {
  return new Promise((resolve) => {
    const turn = new AbortController();
    let timedOut = false;
    let cancelTimer = clock.after(request.timeoutMs, () => {
      timedOut = true;
      turn.abort();
      cancelTimer = clock.after(ABORT_GRACE_MS, () => settle({ kind: "timeout" }));
    });
    const onStopping = (): void => turn.abort();
    stopping.addEventListener("abort", onStopping, { once: true });
    if (stopping.aborted) onStopping();

    const settle = (result: TurnResult): void => {
      cancelTimer();
      stopping.removeEventListener("abort", onStopping);
      if (result.kind === "replied") resolve(result);
      else if (timedOut) resolve({ kind: "timeout" });
      else if (stopping.aborted) resolve({ kind: "not-started", reason: "aborted" });
      else resolve(result);
    };

    void (async () => runner.run(request, turn.signal))().then(settle, (error: unknown) =>
      settle({ kind: "failed", reason: errorText(error) }),
    );
  });
}
