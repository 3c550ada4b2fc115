/**
 * Compares a run with the stored baseline: `node bench/compare.ts [--run] [name...]`.
 *
 * Reads bench/results/latest.json; with --run, or where there is none, runs the benchmarks first. Ends with 1 when a
 * figure has lost more than 15 %, and with 0 and a notice when the baseline is of another machine.
 */

import { parseArgs } from "node:util";
import { BENCHMARK_NAMES } from "./lib/catalogue.ts";
import { type Change, type Comparison, compare, MAX_LOSS } from "./lib/comparison.ts";
import { describeRun } from "./lib/print.ts";
import { BASELINE, keepReport, LATEST, readReport, type Report } from "./lib/report.ts";
import { runBenchmarks } from "./lib/runner.ts";
import { align, plain } from "./lib/table.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { run: { type: "boolean", default: false } },
});

process.exitCode = await main();

async function main(): Promise<number> {
  const baseline = await readReport(BASELINE);
  if (baseline === undefined) {
    console.log("There is no baseline yet: node bench/run.ts --save makes one.");
    return 0;
  }
  const latest = (values.run ? undefined : await readReport(LATEST)) ?? (await freshRun());
  return latest === undefined ? 1 : tell(compare(baseline, latest), baseline);
}

/** Undefined when a benchmark failed. */
async function freshRun(): Promise<Report | undefined> {
  const names = positionals.length > 0 ? positionals : BENCHMARK_NAMES;
  const say = (line: string) => void process.stderr.write(`${line}\n`);
  const run = await runBenchmarks(names, { long: false, quick: false }, say);
  console.log(`\n${describeRun(run, false)}\n`);
  await keepReport(LATEST, run.report);
  return run.failed.length > 0 ? undefined : run.report;
}

function tell(comparison: Comparison, baseline: Report): number {
  if (comparison.kind === "incomparable") {
    console.log(`Nothing was compared: the baseline is of ${comparison.baseline}, this run of ${comparison.latest}.`);
    return 0;
  }
  const { changes, missing } = comparison;
  console.log(align([["Figure", "Baseline", "Now", "Change", ""], ...changes.map(row)]));
  if (missing.length > 0) console.log(`\nNot measured this time: ${missing.join(", ")}`);
  const lost = changes.filter((change) => change.verdict === "lost");
  const limit = `${MAX_LOSS * 100} %`;
  const verdict = lost.length === 0 ? `No figure lost more than ${limit}` : `${lost.length} lost more than ${limit}`;
  console.log(`\n${verdict} against the baseline of ${baseline.date}.`);
  return lost.length === 0 ? 0 : 1;
}

function row({ id, unit, before, after, loss, verdict }: Change): string[] {
  const change = `${loss > 0 ? "-" : "+"}${Math.abs(loss * 100).toFixed(0)} %`;
  return [id, `${plain(before)} ${unit}`, `${plain(after)} ${unit}`, change, verdict === "same" ? "" : verdict];
}
