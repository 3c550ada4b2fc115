/** A process with an account of the plugin in it and nothing else: what a gateway would hold, with an agent that echoes. */

import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { runAccount } from "../../src/account/account.ts";
import type { RunningAccount } from "../../src/account/types.ts";
import { resolveAccountConfig } from "../../src/config/resolve.ts";
import type { AccountPaths } from "../../src/credentials/home.ts";
import type { TurnRunner } from "../../src/replies/turn.ts";
import type { AccountApi, AccountSettings, LoopDelay } from "./account-api.ts";
import { msSinceStamp, STAMP_CHARS } from "./clock.ts";
import { serve } from "./ipc.ts";

/** Fine enough to see a millisecond; the reading is the time between two looks, so an idle loop reads about this. */
const DELAY_RESOLUTION_MS = 1;
const NS_PER_MS = 1e6;
const BYTES_PER_MIB = 1024 * 1024;
const STAMPED = new RegExp(`^\\d{${STAMP_CHARS}}`);

let latenciesMs: number[] = [];
let turns = 0;

const echo: TurnRunner = {
  run({ command }) {
    turns += 1;
    if (STAMPED.test(command.message)) latenciesMs.push(msSinceStamp(command.message));
    return Promise.resolve({ kind: "replied", text: "done", media: [] });
  },
  owner: () => Promise.resolve("nobody"),
};

interface Session {
  readonly stop: AbortController;
  readonly done: Promise<void>;
  account: RunningAccount | undefined;
}

let session: Session | undefined;
const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });

function start(paths: AccountPaths, settings: AccountSettings): Promise<{ readyMs: number; connectedMs: number }> {
  const begin = performance.now();
  const stop = new AbortController();
  return new Promise((resolve, reject) => {
    let readyMs: number | undefined;
    let connectedMs: number | undefined;
    const settle = (): void => {
      if (readyMs !== undefined && connectedMs !== undefined) resolve({ readyMs, connectedMs });
    };
    const log = (line: string): void => {
      if (!line.includes("SSE connected")) return;
      connectedMs ??= performance.now() - begin;
      settle();
    };
    const done = runAccount({
      config: resolveAccountConfig({ channels: { agentrux: settings } }, "default"),
      runner: echo,
      log: { debug: log, info: log, warn: log, error: log },
      setState(state) {
        if (state.kind === "blocked") reject(new Error(state.reason));
        if (state.kind !== "ready") return;
        readyMs ??= performance.now() - begin;
        settle();
      },
      onActivity: () => undefined,
      onRunning(account) {
        if (session !== undefined) session.account = account;
      },
      paths,
      signal: stop.signal,
    });
    done.catch(reject);
    session = { stop, done, account: undefined };
  });
}

const api: AccountApi = {
  start,
  async stop() {
    const begin = performance.now();
    session?.stop.abort();
    await session?.done;
    session = undefined;
    return performance.now() - begin;
  },
  async turns() {
    return turns;
  },
  async health() {
    return session?.account?.health() ?? {};
  },
  async takeLatencies() {
    const taken = latenciesMs;
    latenciesMs = [];
    return taken;
  },
  async watchLoop() {
    delay.reset();
    delay.enable();
  },
  async loopDelay(): Promise<LoopDelay> {
    delay.disable();
    const { count } = delay;
    return {
      p50Ms: delay.percentile(50) / NS_PER_MS,
      p99Ms: delay.percentile(99) / NS_PER_MS,
      maxMs: delay.max / NS_PER_MS,
      count,
    };
  },
  async liveMiB() {
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    return (heapUsed + external) / BYTES_PER_MIB;
  },
  async handles() {
    return process.getActiveResourcesInfo().length;
  },
};

serve(api);
