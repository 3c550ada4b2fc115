/**
 * Owns which of an account's troubles its state shows: a fault of the disk before one of the service, one of
 * the reading before one of the publishing, each once.
 */

import { errorText } from "../errors.ts";
import type { IntakeTrouble } from "../intake/trouble.ts";
import type { AccountState } from "./state.ts";

export class StateBoard {
  readonly #show: (state: AccountState) => void;
  #state: AccountState = { kind: "starting" };
  #fault: string | undefined;
  #publishing: string | undefined;
  #shown = "";

  constructor(show: (state: AccountState) => void) {
    this.#show = show;
  }

  set(state: AccountState): void {
    this.#state = state;
    this.#update();
  }

  /** The journal's complaint, or undefined when it has none. */
  fault(text: string | undefined): void {
    this.#fault = text;
    this.#update();
  }

  /** Why replies have not been published for a while, or undefined when they are. */
  publishing(text: string | undefined): void {
    this.#publishing = text;
    this.#update();
  }

  /** A trouble of the intake. What does not stop the reading is only said. */
  trouble(trouble: IntakeTrouble, say: (line: string) => void): void {
    switch (trouble.kind) {
      case "passing":
        return this.set({ kind: "recovering", reason: errorText(trouble.error) });
      case "fatal":
        return this.set({ kind: "blocked", reason: errorText(trouble.error) });
      case "malformed":
        return say(`[agentrux] ${trouble.count} events could not be read and were skipped`);
      case "position-unknown":
        return say(`[agentrux] ${trouble.reason}; going on from the newest event`);
    }
  }

  #update(): void {
    const state = this.#troubled();
    const key = JSON.stringify(state);
    if (key === this.#shown) return;
    this.#shown = key;
    this.#show(state);
  }

  #troubled(): AccountState {
    if (this.#fault !== undefined && this.#state.kind !== "blocked") return { kind: "recovering", reason: this.#fault };
    if (this.#publishing !== undefined && this.#state.kind === "ready") {
      return { kind: "recovering", reason: this.#publishing };
    }
    return this.#state;
  }
}
