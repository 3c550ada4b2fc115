/**
 * The accounts that run in this process. In a slot of the process, not of this module: the host loads the plugin several
 * times over, and the copy whose tools an agent calls, or that receives `outbound.sendText`, is not the one whose
 * `startAccount` runs.
 *
 * What such a call sets going, the turns of a watch for one, goes on after it, and belongs to the account: it runs in the
 * async context in which the account was registered. In the caller's it would find the caller's copy of the host's
 * runtime, which may have none (OpenClaw docs, plugins/sdk-runtime, "createPluginRuntimeStore"), and carry on whatever
 * else the host keeps there of a run that is long over.
 */

import { AsyncLocalStorage } from "node:async_hooks";
import type { RunningAccount } from "../account/types.ts";
import { PLUGIN_ID } from "../ids.ts";

const SLOT = Symbol.for(`${PLUGIN_ID}.running-accounts`);

function accounts(): Map<string, RunningAccount> {
  const process = globalThis as { [SLOT]?: Map<string, RunningAccount> };
  return (process[SLOT] ??= new Map());
}

type Enter = ReturnType<typeof AsyncLocalStorage.snapshot>;

/** `target`, whose methods run in the context of `enter`. */
function entering<T extends object>(target: T, enter: Enter): T {
  return new Proxy(target, {
    get(_, key) {
      const value: unknown = Reflect.get(target, key);
      if (typeof value !== "function") return value;
      return (...args: unknown[]): unknown => enter(() => Reflect.apply(value, target, args) as unknown);
    },
  });
}

export function register(accountId: string, running: RunningAccount): () => void {
  const enter = AsyncLocalStorage.snapshot();
  const account = entering({ ...running, watches: entering(running.watches, enter) }, enter);
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
