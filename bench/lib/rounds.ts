/** Owns how a rate is measured: a warm-up, then several rounds, of which the median counts. */

import { setTimeout as sleep } from "node:timers/promises";
import { type RunOptions, sized } from "./benchmark.ts";
import type { Figure } from "./figure.ts";
import { closedLoop, type LoadResult, type Sender } from "./load.ts";
import { median, p50p99 } from "./stats.ts";

const ROUNDS = 3;
const ROUND_MS = 3_000;
const WARM_MS = 1_000;
const PAUSE_MS = 500;

/** The rate of `senders`, each request of which stands for `eventsPerRequest` events. */
export async function measureRate(
  senders: readonly Sender[],
  eventsPerRequest: number,
  options: RunOptions,
): Promise<Pick<Figure, "value" | "latency" | "samples">> {
  await closedLoop(senders, sized(options, WARM_MS));
  const runs: LoadResult[] = [];
  for (let i = 0; i < ROUNDS; i += 1) {
    await sleep(PAUSE_MS);
    runs.push(await closedLoop(senders, sized(options, ROUND_MS)));
  }
  const latenciesMs = runs.flatMap((run) => run.latenciesMs);
  return {
    value: median(runs.map((run) => (run.done * eventsPerRequest * 1000) / run.elapsedMs)),
    latency: p50p99(latenciesMs),
    samples: latenciesMs.length * eventsPerRequest,
  };
}
