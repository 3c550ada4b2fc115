/** Owns the list of benchmarks, in the order they run. */

import type { Benchmark } from "./benchmark.ts";

const LOADERS: Readonly<Record<string, () => Promise<{ readonly benchmark: Benchmark }>>> = {
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
};

export const BENCHMARK_NAMES: readonly string[] = Object.keys(LOADERS);

/** @throws when there is no such benchmark */
export async function loadBenchmark(name: string): Promise<Benchmark> {
  const load = LOADERS[name];
  if (load === undefined) throw new Error(`no benchmark ${name}; there are ${BENCHMARK_NAMES.join(", ")}`);
  return (await load()).benchmark;
}
