/** Owns waking a loop: what rings while nobody waits is kept, so that no wake-up is lost (W8). */

import type { Sleep } from "../service/clock.ts";

/** Why a loop was woken; `poll` when nothing rang in time. */
export type Cause = "start" | "open" | "hint" | "poll";

/** How deep a loop sleeps. */
export type Depth =
  /** Anything wakes it. */
  | "light"
  /** Only a stream that opens does: the service is back. */
  | "backoff"
  /** Nothing does: the service has asked for this wait. */
  | "asked";

/** A doorbell for one waiter. */
export class Wake {
  readonly #sleep: Sleep;
  #rung: Cause | undefined;
  #waiting: { readonly depth: Depth; readonly end: AbortController } | undefined;

  constructor(sleep: Sleep) {
    this.#sleep = sleep;
  }

  ring(cause: Exclude<Cause, "poll">): void {
    // The stream opening says more than a hint; the log names the cause.
    if (this.#rung !== "open") this.#rung = cause;
    if (this.#waiting !== undefined && wakes(cause, this.#waiting.depth)) this.#waiting.end.abort();
  }

  /**
   * Waits until something rings, `ms` have passed, or `signal` aborts. What rang before counts. The bell is silent
   * afterwards.
   */
  async wait(ms: number, depth: Depth, signal: AbortSignal): Promise<Cause> {
    const isAwake = this.#rung !== undefined && wakes(this.#rung, depth);
    if (!isAwake && !signal.aborted) await this.#doze(ms, depth, signal);
    const cause = this.#rung ?? "poll";
    this.#rung = undefined;
    return cause;
  }

  async #doze(ms: number, depth: Depth, signal: AbortSignal): Promise<void> {
    const end = new AbortController();
    const stop = () => end.abort();
    signal.addEventListener("abort", stop, { once: true });
    this.#waiting = { depth, end };
    try {
      await this.#sleep(ms, end.signal);
    } catch {
      // Rung or stopped.
    } finally {
      this.#waiting = undefined;
      signal.removeEventListener("abort", stop);
    }
  }
}

function wakes(cause: Cause, depth: Depth): boolean {
  return depth === "light" || (depth === "backoff" && cause === "open");
}
