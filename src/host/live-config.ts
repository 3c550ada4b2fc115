/**
 * Owns what an account is told of its settings while it runs: its own, with the live keys as the host has them now, and
 * whether it is switched off, by the host or already in the configuration's file (config-file.ts).
 */

import type { AccountConfig } from "../config/account.ts";
import { withLiveKeys } from "../config/live.ts";
import type { HostConfig } from "../config/places.ts";
import { resolveAccountConfig } from "../config/resolve.ts";
import { type ConfigFile, createConfigFile } from "./config-file.ts";
import { tryGetRuntime } from "./runtime.ts";

const SWITCHED_OFF =
  "[agentrux] The account is switched off: no more turns are started, and the host stops it when those under way have ended";

/** The host gives the same object until its configuration changes, so that each change is resolved once. */
export function liveConfig(
  started: AccountConfig,
  log: { warn(line: string): void },
  file: ConfigFile = createConfigFile(),
): () => AccountConfig {
  let seen: unknown;
  let last = started;
  let seenInFile: HostConfig | undefined;
  /** `last`, as switched off in the file; undefined where it is not. */
  let off: AccountConfig | undefined;
  return () => {
    const cfg = tryGetRuntime()?.config.current();
    const inFile = file.latest();
    if ((cfg === undefined || cfg === seen) && inFile === seenInFile) return off ?? last;
    if (cfg !== undefined && cfg !== seen) {
      seen = cfg;
      last = withLiveKeys(started, last, resolveAccountConfig(cfg, started.accountId));
    }
    seenInFile = inFile;
    const wasOn = off === undefined;
    const isOff = inFile !== undefined && !resolveAccountConfig(inFile, started.accountId).enabled;
    off = isOff ? { ...last, enabled: false } : undefined;
    if (isOff && wasOn) log.warn(SWITCHED_OFF);
    return off ?? last;
  };
}
