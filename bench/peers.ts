/**
 * Measures the hub's peers on this machine: `node bench/peers.ts [--quick] [--save] [--markdown]`.
 *
 * Needs `redis-server` and `nats-server` (Debian: apt-get install redis-server nats-server); what is not installed is
 * left out. Servers are started on loopback with a temporary folder and stopped afterwards.
 */

import { parseArgs } from "node:util";
import { PEER_NAMES } from "./lib/catalogue.ts";
import { describeRun } from "./lib/print.ts";
import { BASELINE, keepReport, LATEST } from "./lib/report.ts";
import { runBenchmarks } from "./lib/runner.ts";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    save: { type: "boolean", default: false },
    markdown: { type: "boolean", default: false },
  },
});

const say = (line: string) => void process.stderr.write(`${line}\n`);
const run = await runBenchmarks(PEER_NAMES, { long: false, quick: values.quick }, say);
console.log(`\n${describeRun(run, values.markdown)}`);
if (!values.quick) await keepReport(LATEST, run.report);
if (!values.quick && values.save) await keepReport(BASELINE, run.report);
process.exitCode = run.failed.length > 0 ? 1 : 0;
