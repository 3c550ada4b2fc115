/** Owns what a benchmark can ask of the account's process, and how it is started. */

import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { AccountPaths } from "../../src/credentials/home.ts";
import { Child } from "./ipc.ts";
import type { Pair, Place } from "./place.ts";

/** Keys of the plugin's configuration. */
export type AccountSettings = Readonly<Record<string, unknown>>;

export interface LoopDelay {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly count: number;
}

export interface AccountApi {
  /** Resolves when the account is ready and its hint stream open. */
  start(paths: AccountPaths, settings: AccountSettings): Promise<{ readyMs: number; connectedMs: number }>;
  /** Resolves with how long the stop took, in milliseconds. */
  stop(): Promise<number>;
  /** Turns started since the process began. */
  turns(): Promise<number>;
  health(): Promise<Readonly<Record<string, string | number | boolean>>>;
  /** From publish to the start of the turn, milliseconds, of the turns since the last call. */
  takeLatencies(): Promise<number[]>;
  watchLoop(): Promise<void>;
  loopDelay(): Promise<LoopDelay>;
  /** Memory that is in use after a collection, MiB: the main thread's heap and what it holds outside. */
  liveMiB(): Promise<number>;
  /** How many resources keep the event loop alive: sockets, timers, watchers, the journal's thread. */
  handles(): Promise<number>;
}

export type AccountChild = Child<AccountApi>;

export function accountChild(env: NodeJS.ProcessEnv = {}): AccountChild {
  const file = path.join(import.meta.dirname, "account-child.ts");
  return new Child<AccountApi>("the account's process", file, { env, nodeOptions: ["--expose-gc"] });
}

export function settingsFor(place: Place, pair: Pair, more: AccountSettings = {}): AccountSettings {
  const { commandTopicId, resultTopicId } = pair;
  return { baseUrl: place.hub.url, commandTopicId, resultTopicId, agentId: "main", ...more };
}

/**
 * Waits until the account has done everything: `turns` turns have started and no reply is unsent.
 *
 * @throws when that takes longer than `timeoutMs`
 */
export async function untilSettled(child: AccountChild, turns: number, timeoutMs: number): Promise<void> {
  for (const end = Date.now() + timeoutMs; Date.now() < end; await sleep(20)) {
    const { backlog, unsentReplies } = await child.call("health");
    if (backlog === 0 && unsentReplies === 0 && (await child.call("turns")) >= turns) return;
  }
  throw new Error(`the account has not worked off its commands within ${timeoutMs / 1000} s`);
}
