/** What the delivery core asks of the outside: time, chance and a log. With fakes of these it runs as a simulation. */

import { AgentruxError } from "../errors.ts";
import { type Clock as ServiceClock, type Random, systemClock as serviceClock } from "../service/clock.ts";

/** Delays are measured on the monotonic clock; the wall clock, which may jump, is only for what is written down. */
export interface Clock extends ServiceClock {
  /** Calls back once after `delayMs`, never before the caller has returned. The result cancels. */
  after(delayMs: number, callback: () => void): () => void;
}

export type { Random };

export interface Log {
  info(line: string): void;
  warn(line: string): void;
  error(line: string): void;
}

/** Longest delay a Node timer can hold; a longer one would fire at once. */
const TIMER_MAX_MS = 2_147_483_647;

export const systemClock: Clock = {
  ...serviceClock,
  after(delayMs, callback) {
    if (delayMs <= 0) {
      const turn = setImmediate(callback);
      return () => clearImmediate(turn);
    }
    const timer = setTimeout(callback, Math.min(delayMs, TIMER_MAX_MS));
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delayMs`, or at once when `signal` aborts. */
export function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const cancel = clock.after(delayMs, done);
    signal.addEventListener("abort", done, { once: true });
  });
}

/**
 * Runs `work` with a signal that aborts after `limitMs` or with `signal`, and does not wait for work that ignores it.
 *
 * @throws AgentruxError `timeout` or `aborted`, both of kind `unknown`; else whatever `work` throws.
 */
export function withLimit<T>(
  clock: Clock,
  limitMs: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const controller = new AbortController();
    const give = (code: "timeout" | "aborted") => (): void => {
      release();
      controller.abort();
      reject(new AgentruxError(code, code === "timeout" ? "It took too long." : "Stopped.", { kind: "unknown" }));
    };
    const cancel = clock.after(limitMs, give("timeout"));
    const onAbort = give("aborted");
    const release = (): void => {
      cancel();
      signal.removeEventListener("abort", onAbort);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) {
      onAbort();
      return;
    }
    void (async () => work(controller.signal))().then(resolve, reject).finally(release);
  });
}
