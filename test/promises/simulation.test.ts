/**
 * The promises, over thousands of invented histories.
 *
 * SIM_SEEDS=50000 runs more of them (10,000 where CI is set), SIM_FROM=10001 others, and SIM_SEED=4711 a single one with
 * its log.
 */

import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { simulate } from "./support/simulation.ts";
import type { RangeResult, SeedRange } from "./support/simulation-worker.ts";

const SEEDS = Number(process.env["SIM_SEEDS"] ?? (process.env["CI"] === undefined ? 2_000 : 10_000));
const FROM = Number(process.env["SIM_FROM"] ?? 1);
const ONE = process.env["SIM_SEED"];
const LIMIT_MS = 600_000;

function runRange(range: SeedRange): Promise<RangeResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./support/simulation-worker.ts", import.meta.url), { workerData: range });
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}

function defineOne(seed: number): void {
  it(
    `keeps every promise in the history of seed ${seed}`,
    async () => {
      const print = (line: string): void => void process.stdout.write(`${line}\n`);
      const result = await simulate({ seed, log: { info: print, warn: print, error: print } });
      expect(result.violations).toEqual([]);
    },
    LIMIT_MS,
  );
}

function defineMany(): void {
  it(
    `keeps every promise in ${SEEDS} histories from seed ${FROM}`,
    async () => {
      const threads = Math.min(availableParallelism(), 4);
      const count = Math.ceil(SEEDS / threads);
      const results = await Promise.all(
        Array.from({ length: threads }, (_, index) => runRange({ from: FROM + index * count, count })),
      );
      const failures = results.flatMap((result) => result.failures);
      const shown = failures.slice(0, 5).map(({ seed, violations }) => `SIM_SEED=${seed}: ${violations.join("; ")}`);
      expect(shown, `${failures.length} histories broke a promise`).toEqual([]);
      // Not vacuous: there was work, and it was interrupted.
      expect(results.every((result) => result.commands > count && result.crashes > count)).toBe(true);
    },
    LIMIT_MS,
  );
}

describe("simulation", () => {
  if (ONE === undefined) defineMany();
  else defineOne(Number(ONE));
});
