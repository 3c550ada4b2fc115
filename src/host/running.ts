/**
 * The accounts that run in this process. At module level, because the host hands out several registrations of one
 * plugin: the one that receives `outbound.sendText` is not the one whose `startAccount` runs.
 */

import type { RunningAccount } from "../account/types.ts";

const running = new Map<string, RunningAccount>();

export function register(accountId: string, account: RunningAccount): () => void {
  running.set(accountId, account);
  return () => {
    if (running.get(accountId) === account) running.delete(accountId);
  };
}

export function find(accountId: string): RunningAccount | undefined {
  return running.get(accountId);
}
