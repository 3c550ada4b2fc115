/**
 * Runs benchmarks: `node bench/run.ts [name...] [--long] [--quick] [--save] [--markdown]`.
 *
 * Prints the figures and writes them to bench/results/latest.json; with --save they also become the baseline.
 */

import { parseArgs } from "node:util";
import { BENCHMARK_NAMES, isKnownBenchmark, PEER_NAMES } from "./lib/catalogue.ts";
import { describeRun } from "./lib/print.ts";
import { BASELINE, LATEST, keepReport } from "./lib/report.ts";
import { runBenchmarks } from "./lib/runner.ts";

const EXIT_USAGE = 2;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    long: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    save: { type: "boolean", default: false },
    markdown: { type: "boolean", default: false },
  },
});

const unknown = positionals.filter((name) => !isKnownBenchmark(name));
if (unknown.length > 0 || (values.quick && values.save)) {
  const complaint = unknown.length > 0 ? `No benchmark ${unknown.join(", ")}.` : "A quick trial is no baseline.";
  process.stderr.write(`${complaint} There are: ${[...BENCHMARK_NAMES, ...PEER_NAMES].join(", ")}.\n`);
  process.exit(EXIT_USAGE);
}

const names = positionals.length > 0 ? positionals : BENCHMARK_NAMES;
const say = (line: string) => void process.stderr.write(`${line}\n`);
const run = await runBenchmarks(names, { long: values.long, quick: values.quick }, say);
console.log(`\n${describeRun(run, values.markdown)}`);
if (!values.quick) await keepReport(LATEST, run.report);
if (values.save) await keepReport(BASELINE, run.report);
process.exitCode = run.failed.length > 0 ? 1 : 0;
