/** Runs a range of seeds in a thread of its own. */

import { parentPort, workerData } from "node:worker_threads";
import { simulate } from "./simulation.ts";

export interface SeedRange {
  readonly from: number;
  readonly count: number;
}

export interface RangeResult {
  readonly failures: readonly { readonly seed: number; readonly violations: readonly string[] }[];
  readonly commands: number;
  readonly turns: number;
  readonly crashes: number;
}

async function simulateRange({ from, count }: SeedRange): Promise<RangeResult> {
  const failures: { seed: number; violations: readonly string[] }[] = [];
  let commands = 0;
  let turns = 0;
  let crashes = 0;
  for (let seed = from; seed < from + count; seed += 1) {
    const result = await simulate({ seed });
    if (result.violations.length > 0) failures.push({ seed, violations: result.violations });
    commands += result.commands;
    turns += result.turns;
    crashes += result.crashes;
  }
  return { failures, commands, turns, crashes };
}

const port = parentPort;
if (port !== null) {
  const result = await simulateRange(workerData as SeedRange);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has no origin
  port.postMessage(result);
}
