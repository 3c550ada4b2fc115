/** Owns the list of benchmarks, in the order they run. */

import type { Benchmark } from "./benchmark.ts";

type Loaders = Readonly<Record<string, () => Promise<{ readonly benchmark: Benchmark }>>>;

const OURS: Loaders = {
  "plugin-latency": () => import("../benchmarks/plugin-latency.ts"),
  "plugin-drain": () => import("../benchmarks/plugin-drain.ts"),
  "plugin-backlog": () => import("../benchmarks/plugin-backlog.ts"),
  "plugin-replies": () => import("../benchmarks/plugin-replies.ts"),
  "plugin-loop-delay": () => import("../benchmarks/plugin-loop-delay.ts"),
  "plugin-lifecycle": () => import("../benchmarks/plugin-lifecycle.ts"),
  "hub-publish": () => import("../benchmarks/hub-publish.ts"),
  "hub-pull": () => import("../benchmarks/hub-pull.ts"),
  "hub-listeners": () => import("../benchmarks/hub-listeners.ts"),
  "hub-lifecycle": () => import("../benchmarks/hub-lifecycle.ts"),
  "world-ingest": () => import("../benchmarks/world-ingest.ts"),
  "world-read": () => import("../benchmarks/world-read.ts"),
  "world-watch": () => import("../benchmarks/world-watch.ts"),
  "world-restart": () => import("../benchmarks/world-restart.ts"),
};

const PEERS: Loaders = {
  "peer-redis": () => import("../benchmarks/peer-redis.ts"),
  "peer-nats": () => import("../benchmarks/peer-nats.ts"),
};

export const BENCHMARK_NAMES: readonly string[] = Object.keys(OURS);
/** Other people's servers; they run only when they are asked for. */
export const PEER_NAMES: readonly string[] = Object.keys(PEERS);

export function isKnownBenchmark(name: string): boolean {
  return Object.hasOwn(OURS, name) || Object.hasOwn(PEERS, name);
}

/** @throws when there is no such benchmark */
export async function loadBenchmark(name: string): Promise<Benchmark> {
  const load = OURS[name] ?? PEERS[name];
  if (load === undefined) throw new Error(`no benchmark ${name}`);
  return (await load()).benchmark;
}
