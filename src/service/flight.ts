/** Owns the life of one request: whoever cuts it off, the reason is known and no listener or timer stays behind (W38). */

import type { CutOff } from "./http-errors.ts";

export class Flight {
  readonly #controller = new AbortController();
  readonly #caller: AbortSignal;
  readonly #onCallerAbort = (): void => this.cut("caller");
  readonly #timer: NodeJS.Timeout;
  #cutOff: CutOff;

  /** @param totalMs Time until the request is cut off with `total`, unless {@link Flight.disarm} comes first. */
  constructor(caller: AbortSignal, totalMs: number) {
    this.#caller = caller;
    caller.addEventListener("abort", this.#onCallerAbort, { once: true });
    this.#timer = setTimeout(() => this.cut("total"), totalMs);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Who cut the request off; undefined when nobody did. */
  get cutOff(): CutOff {
    return this.#cutOff;
  }

  cut(by: Exclude<CutOff, undefined>): void {
    this.#cutOff ??= by;
    this.#controller.abort();
  }

  /** Lifts the limit on the total time. */
  disarm(): void {
    clearTimeout(this.#timer);
  }

  /** Forgets the caller. After this nothing cuts the request off but {@link Flight.cut}. */
  release(): void {
    this.#caller.removeEventListener("abort", this.#onCallerAbort);
  }
}
