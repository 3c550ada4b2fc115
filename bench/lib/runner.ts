/** Owns a run: each benchmark in a process and a folder of its own, one after the other; what came of it as a report. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { build } from "../../scripts/lib/plugin-package.ts";
import type { RunOptions } from "./benchmark.ts";
import type { Figure } from "./figure.ts";
import { Child } from "./ipc.ts";
import { describeMachine } from "./machine.ts";
import type { Report } from "./report.ts";

export interface BenchmarkApi {
  run(name: string, options: RunOptions): Promise<Figure[]>;
}

export interface Run {
  readonly report: Report;
  /** Names of benchmarks that did not end in figures, and why. */
  readonly failed: readonly { readonly name: string; readonly reason: string }[];
}

const TIME_LIMIT_MS = 10 * 60_000;
const LONG_TIME_LIMIT_MS = 60 * 60_000;
const METHOD =
  "node bench/run.ts: each benchmark in a process of its own, server, plugin and load generator sharing the machine, " +
  "everything on loopback, files in the system's temporary folder; the hub as it is published, the plugin from its sources.";

export async function runBenchmarks(
  names: readonly string[],
  settings: Omit<RunOptions, "dir">,
  say: (line: string) => void,
): Promise<Run> {
  await build("hub");
  const figures: Figure[] = [];
  const failed: { name: string; reason: string }[] = [];
  for (const name of names) {
    const begin = performance.now();
    say(`${name} ...`);
    try {
      figures.push(...(await runOne(name, settings)));
    } catch (error) {
      failed.push({ name, reason: error instanceof Error ? error.message : String(error) });
    }
    say(`${name}: ${Math.round((performance.now() - begin) / 1000)} s`);
  }
  return { report: { date: new Date().toISOString(), method: METHOD, machine: describeMachine(), figures }, failed };
}

async function runOne(name: string, settings: Omit<RunOptions, "dir">): Promise<Figure[]> {
  const dir = await mkdtemp(path.join(tmpdir(), "agentrux-bench-"));
  const child = new Child<BenchmarkApi>(`benchmark ${name}`, path.join(import.meta.dirname, "benchmark-child.ts"));
  const timer = setTimeout(() => void child.stop(), settings.long ? LONG_TIME_LIMIT_MS : TIME_LIMIT_MS);
  try {
    return await child.call("run", name, { ...settings, dir });
  } finally {
    clearTimeout(timer);
    await child.stop();
    await rm(dir, { recursive: true, force: true });
  }
}
