/**
 * Runs benchmarks: `node bench/run.ts [name...] [--long] [--quick] [--save]`.
 *
 * Prints the figures and writes them to bench/results/latest.json; with --save they also become the baseline.
 */

import { parseArgs } from "node:util";
import { BENCHMARK_NAMES } from "./lib/catalogue.ts";
import { machineClass } from "./lib/machine.ts";
import { BASELINE, LATEST, readReport, withNewer, writeReport } from "./lib/report.ts";
import { runBenchmarks } from "./lib/runner.ts";
import { figureMarkdown, figureTable } from "./lib/table.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    long: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    save: { type: "boolean", default: false },
    markdown: { type: "boolean", default: false },
  },
});

const unknown = positionals.filter((name) => !BENCHMARK_NAMES.includes(name));
if (unknown.length > 0 || (values.quick && values.save)) {
  const complaint = unknown.length > 0 ? `No benchmark ${unknown.join(", ")}.` : "A quick trial is no baseline.";
  process.stderr.write(`${complaint} There are: ${BENCHMARK_NAMES.join(", ")}.\n`);
  process.exit(2);
}

const names = positionals.length > 0 ? positionals : BENCHMARK_NAMES;
const { report, failed } = await runBenchmarks(names, { long: values.long, quick: values.quick }, (line) =>
  process.stderr.write(`${line}\n`),
);
const { machine, figures } = report;
console.log(`\n${machineClass(machine)}, Node ${machine.node}, SQLite ${machine.sqlite}, ${report.date}\n`);
console.log(values.markdown ? figureMarkdown(figures) : figureTable(figures));
const notes = figures.filter((figure) => figure.note !== undefined);
if (notes.length > 0) console.log(`\n${notes.map(({ what, note }) => `${what}: ${note}`).join("\n")}`);

if (!values.quick) await writeReport(LATEST, withNewer(await readReport(LATEST), report));
if (values.save) await writeReport(BASELINE, withNewer(await readReport(BASELINE), report));
for (const { name, reason } of failed) process.stderr.write(`\n${name} failed: ${reason}\n`);
process.exitCode = failed.length > 0 ? 1 : 0;
