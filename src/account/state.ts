/** What an account can be, in words an operator understands. */

export type AccountState =
  | { readonly kind: "starting" }
  /** Connected and taking commands. */
  | { readonly kind: "ready" }
  /** Troubled, but mending itself: the service is down, or refuses for now. */
  | { readonly kind: "recovering"; readonly reason: string }
  /** Another gateway owns this account's journal. */
  | { readonly kind: "standby"; readonly reason: string }
  /** Only a person can mend it: no credentials, bad configuration, rejected code. */
  | { readonly kind: "blocked"; readonly reason: string };
