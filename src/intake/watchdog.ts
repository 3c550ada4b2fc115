/** Owns the promise that no pull can hang a drain: what does not settle in time is cut off and left behind (W5). */

import { AgentruxError } from "../errors.ts";
import type { Sleep } from "../service/clock.ts";

/**
 * Runs `work` for at most `limitMs`. Settles at that time even if `work` never does, and as soon as `signal` aborts.
 *
 * @throws AgentruxError `timeout` (retryable), or whatever `work` or `signal` throw.
 */
export async function withWatchdog<T>(
  work: (signal: AbortSignal) => Promise<T>,
  limitMs: number,
  ports: { readonly sleep: Sleep; readonly signal: AbortSignal },
): Promise<T> {
  const { sleep, signal } = ports;
  signal.throwIfAborted();
  const cut = new AbortController();
  const follow = () => cut.abort(signal.reason);
  signal.addEventListener("abort", follow, { once: true });
  const expire = async (): Promise<never> => {
    await sleep(limitMs, cut.signal);
    throw new AgentruxError("timeout", `no progress for ${limitMs} ms`, { kind: "unknown", retryable: true });
  };
  try {
    return await Promise.race([work(cut.signal), expire()]);
  } finally {
    signal.removeEventListener("abort", follow);
    cut.abort();
  }
}
