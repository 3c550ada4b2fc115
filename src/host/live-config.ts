/** Owns what an account is told of its settings while it runs: its own, with the live keys as the host has them now. */

import type { AccountConfig } from "../config/account.ts";
import { withLiveKeys } from "../config/live.ts";
import { resolveAccountConfig } from "../config/resolve.ts";
import { tryGetRuntime } from "./runtime.ts";

/** The host gives the same object until its configuration changes, so that each change is resolved once. */
export function liveConfig(started: AccountConfig): () => AccountConfig {
  let seen: unknown;
  let last = started;
  return () => {
    const cfg = tryGetRuntime()?.config.current();
    if (cfg !== undefined && cfg !== seen) {
      seen = cfg;
      last = withLiveKeys(started, last, resolveAccountConfig(cfg, started.accountId));
    }
    return last;
  };
}
