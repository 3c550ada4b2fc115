/**
 * The accounts that run in this process. In a slot of the process, not of this module: the host loads the plugin several
 * times over, and the copy whose tools an agent calls, or that receives `outbound.sendText`, is not the one whose
 * `startAccount` runs.
 */

import type { RunningAccount } from "../account/types.ts";
import { PLUGIN_ID } from "../ids.ts";

const SLOT = Symbol.for(`${PLUGIN_ID}.running-accounts`);

function accounts(): Map<string, RunningAccount> {
  const process = globalThis as { [SLOT]?: Map<string, RunningAccount> };
  return (process[SLOT] ??= new Map());
}

export function register(accountId: string, account: RunningAccount): () => void {
  accounts().set(accountId, account);
  return () => {
    if (accounts().get(accountId) === account) accounts().delete(accountId);
  };
}

export function find(accountId: string): RunningAccount | undefined {
  return accounts().get(accountId);
}

export function all(): ReadonlyMap<string, RunningAccount> {
  return accounts();
}
