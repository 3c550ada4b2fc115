/** Owns time and chance as the service client is given them: ports, and the real ones. */

/** The two clocks. Lifetimes are measured on the monotonic one, which no operator and no NTP step can move. */
export interface Clock {
  /** Wall clock, epoch milliseconds. */
  now(): number;
  /** Milliseconds since an arbitrary origin; never goes back. */
  monotonic(): number;
}

/** A number in [0, 1), like `Math.random`. */
export type Random = () => number;

/** Waits `ms`. Rejects with the signal's reason when `signal` aborts first. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

/** Longest delay a Node timer can hold; a longer one would fire at once. */
const TIMER_MAX_MS = 2_147_483_647;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};

/** {@link Sleep} on Node timers. The abort listener is gone as soon as the wait ends, either way. */
export const systemSleep: Sleep = (ms, signal) =>
  new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(
      () => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      },
      Math.min(ms, TIMER_MAX_MS),
    );
    signal.addEventListener("abort", onAbort, { once: true });
  });
