/** What an account in a process of its own and its parent say to each other. */

import type { AccountState } from "../../../src/account/state.ts";

export type Health = Readonly<Record<string, string | number | boolean>>;

export type FromAccount =
  | { readonly kind: "state"; readonly state: AccountState }
  /** An attempt at a command begins. */
  | { readonly kind: "turn"; readonly requestId: string }
  /** Undefined while no session is up. */
  | { readonly kind: "health"; readonly health: Health | undefined };

export type ToAccount = "health";

/** The answer to a `huge` message: more than would be sent in parts. */
export const HUGE_ANSWER_CHARS = 1_700_000;
/** The answer to a `long` message: three parts. */
export const LONG_ANSWER_CHARS = 400_000;
