/**
 * Mutation test of the core: thousands of small faults, one at a time, and whether the unit tests notice each.
 *
 *     npm run test:mutation                                      # the whole core
 *     npm run test:mutation -- src/intake src/journal/lock.ts    # some of it
 *     npm run test:mutation -- --every 3                         # every third fault
 *     npm run test:mutation -- --only mutation.jsonl --report again.jsonl   # what was not noticed, of the same sources
 *
 * In a copy of the repository every source file of the core holds all its faults side by side (lib/mutants.ts), asleep.
 * A first round runs each unit test by itself and notes which faults it reaches, also in the threads and processes it
 * starts. Then each fault is woken, and the tests that reach it run, the quickest first, until one fails; the same test
 * has to pass again without the fault (lib/mutation-judge.ts). Property tests draw 200 cases at most, and simulations
 * 100 histories, which can only let a fault survive that would have been noticed.
 *
 * `--budget <ms>`: what the tests of one fault may take together, by what each took in the first round. A fault that has
 * outlived it while there were tests left is `undecided`. `--report <file>`: a line of JSON for each fault.
 * `--tests <text>`: only test files with this in their paths. `--jobs <n>`: how many processes, by default one for each
 * core.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Mutant, mutate } from "./lib/mutants.ts";
import type { JudgeOrder, Judgement, LookOrder, Order, SeenFile } from "./lib/mutation-judge.ts";

const SERVICE = ["src/service/backoff.ts", "src/service/retry-after.ts"];
const CORE = ["src/journal", "src/intake", "src/replies", "src/guard", "src/trouble-log.ts", ...SERVICE];
/** The tests that say something of the core. */
const TESTS =
  /^test\/(?:journal|intake|replies|guard|promises|account|host|attachments\/outbound|[a-z-]+\.test\.ts|service\/(?:backoff|http))/;
/** Left out: what kills whole processes or takes minutes, and what replaces modules. */
const LEFT_OUT = /promises\/(?:kill|wire-faults|fuzz)|intake\/hub|account\/upgrade|host\/(?:cli-program|turn)/;
const STALLED_MS = 300_000;
const BATCH = 250;

type OrderTo = Omit<LookOrder, "output"> | Omit<JudgeOrder, "output">;
type Judged = Mutant & Omit<Judgement, "id">;

const root = path.resolve(import.meta.dirname, "..");
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    report: { type: "string", default: "mutation.jsonl" },
    jobs: { type: "string", default: String(os.availableParallelism()) },
    only: { type: "string" },
    budget: { type: "string", default: "20000" },
    every: { type: "string", default: "1" },
    tests: { type: "string", default: "" },
  },
});
const sandbox = fs.mkdtempSync(path.join(os.tmpdir(), "agentrux-mutation-"));
const children = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of children) endGroup(child);
  fs.rmSync(sandbox, { recursive: true, force: true });
});
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));

function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

function filesIn(place: string): readonly string[] {
  const full = path.join(root, place);
  if (!fs.statSync(full).isDirectory()) return [place];
  const names = fs.readdirSync(full, { recursive: true, encoding: "utf8" });
  return names.filter((name) => name.endsWith(".ts")).map((name) => path.join(place, name));
}

const VITEST_CONFIG = `
export default {
  test: {
    include: ["scripts/lib/mutation-judge.ts"],
    silent: true,
    testTimeout: 0,
    dangerouslyIgnoreUnhandledErrors: true,
    execArgv: ["--max-old-space-size=1500"],
  },
};
`;
/** Seen by the judge, by other threads and by other processes, see lib/mutation-judge.ts. */
const SWITCH = `
import { appendFileSync } from "node:fs";
const noted = new Set();
const note = (id) => {
  if (!noted.has(id)) appendFileSync(process.env.MUTANT_REACHED, id + "\\n");
  noted.add(id);
};
const mutation = (globalThis.mutation ??= {
  alive: Number(process.env.MUTANT ?? -1),
  steps: 0,
  limit: Infinity,
  reached: process.env.MUTANT_REACHED ? { add: note } : undefined,
});
export function __mutant(id) {
  mutation.steps += 1;
  if (mutation.steps > mutation.limit) throw new Error("Too many steps.");
  mutation.reached?.add(id);
  return id === mutation.alive;
}
`;

/** The copy, with every fault in it. */
function prepare(): readonly Mutant[] {
  for (const name of fs.readdirSync(root)) {
    if (name === "node_modules") fs.symlinkSync(path.join(root, name), path.join(sandbox, name));
    else if (!/^(?:\.git|dist|.*\.jsonl)$/.test(name)) {
      fs.cpSync(path.join(root, name), path.join(sandbox, name), { recursive: true });
    }
  }
  fs.mkdirSync(path.join(sandbox, "tmp"));
  fs.writeFileSync(path.join(sandbox, "vitest.config.ts"), VITEST_CONFIG);
  fs.writeFileSync(path.join(sandbox, "mutant-switch.js"), SWITCH);
  for (const file of filesIn("test")) {
    const text = fs.readFileSync(path.join(root, file), "utf8");
    const stand = JSON.stringify(path.join(sandbox, "scripts/lib/mutation-tests.ts"));
    const few = text.replaceAll(/\b(RUNS = |numRuns: )([\d_]+)/g, (_, name: string, count: string) => {
      return `${name}${Math.min(Number(count.replaceAll("_", "")), 200)}`;
    });
    fs.writeFileSync(path.join(sandbox, file), few.replaceAll('from "vitest"', `from ${stand}`));
  }
  const mutants: Mutant[] = [];
  for (const file of CORE.flatMap(filesIn)) {
    const source = fs.readFileSync(path.join(root, file), "utf8");
    const mutated = mutate(file, source, mutants.length, path.join(sandbox, "mutant-switch.js"));
    fs.writeFileSync(path.join(sandbox, file), mutated.code);
    mutants.push(...mutated.mutants);
  }
  return mutants;
}

let orders = 0;

/** Has one Vitest carry out an order. Returns what it wrote, and whether it had to be ended. */
async function carryOut(order: OrderTo): Promise<{ lines: readonly object[]; ended: boolean }> {
  const name = path.join(sandbox, `order-${(orders += 1)}`);
  const output = `${name}.out`;
  fs.writeFileSync(output, "");
  fs.writeFileSync(name, JSON.stringify({ ...order, output } satisfies Order));
  const vitest = path.join(root, "node_modules/vitest/vitest.mjs");
  const env = { ...process.env, SIM_SEEDS: "100", TMPDIR: path.join(sandbox, "tmp"), MUTATION_ORDER: name };
  const child = spawn(process.execPath, [vitest, "run"], { cwd: sandbox, env, detached: true, stdio: "ignore" });
  children.add(child);
  const over = new AbortController();
  const exited = once(child, "exit").finally(() => over.abort());
  let ended = false;
  while (!over.signal.aborted) {
    await sleep(1_000, undefined, { signal: over.signal }).catch(() => undefined);
    if (Date.now() - fs.statSync(output).mtimeMs < STALLED_MS) continue;
    ended = true;
    endGroup(child);
  }
  const [code] = (await exited) as [number | null];
  endGroup(child);
  children.delete(child);
  const lines = fs.readFileSync(output, "utf8").split("\n").filter(Boolean);
  return { lines: lines.map((line) => JSON.parse(line) as object), ended: ended || code !== 0 };
}

async function look(files: readonly string[]): Promise<readonly SeenFile[]> {
  const seen: SeenFile[] = [];
  const queue = files.values();
  await inParallel(async () => {
    for (const file of queue) {
      const { lines } = await carryOut({ kind: "look", files: [file] });
      for (const line of lines) {
        if ("tests" in line) seen.push(line as SeenFile);
        else console.log("left out:", JSON.stringify(line));
      }
      if (lines.length === 0) console.log("left out: cannot be loaded:", file);
    }
  });
  return seen;
}

async function inParallel(lane: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: Number(values.jobs) }, lane));
}

async function judgeAll(mutants: readonly Mutant[], all: readonly Mutant[], seen: string): Promise<void> {
  const queue = [...mutants];
  const record = (judgement: Judgement): void => {
    const judged: Judged = { ...(all[judgement.id] as Mutant), ...judgement };
    fs.appendFileSync(values.report, `${JSON.stringify(judged)}\n`);
  };
  await inParallel(async () => {
    while (queue.length > 0) {
      const batch = queue.splice(0, BATCH);
      const ordered = batch.map(({ id, file }) => {
        const ids = all.filter((mutant) => mutant.file === file);
        return { id, first: ids[0]?.id ?? 0, last: ids.at(-1)?.id ?? 0 };
      });
      const budgetMs = Number(values.budget);
      const { lines, ended } = await carryOut({ kind: "judge", seen, mutants: ordered, budgetMs });
      const judgements = lines.filter((line) => "verdict" in line) as Judgement[];
      judgements.forEach(record);
      const last = lines.at(-1);
      const done = new Set(judgements.map(({ id }) => id));
      if (ended && last !== undefined && "begun" in last) {
        record({ id: Number(last.begun), verdict: "timeout", by: "the process had to be ended, or ended itself" });
        done.add(Number(last.begun));
      }
      queue.unshift(...batch.filter(({ id }) => !done.has(id)));
    }
  });
}

function readReport(file: string): readonly Judged[] {
  const lines = fs.readFileSync(file, "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as Judged);
}

const judgedBefore = values.only === undefined ? undefined : readReport(values.only);
const unnoticed = new Set(
  judgedBefore?.filter(({ verdict }) => !/^(?:killed|timeout)$/.test(verdict)).map(({ id }) => id),
);
const all = prepare();
const wanted = all.filter(({ id, file }) => {
  const placed = positionals.length === 0 || positionals.some((place) => file.startsWith(place));
  return placed && id % Number(values.every) === 0 && (judgedBefore === undefined || unnoticed.has(id));
});

const seenFile = path.join(sandbox, "seen.jsonl");
const seen = await look(
  filesIn("test").filter(
    (f) => f.endsWith(".test.ts") && f.includes(values.tests) && TESTS.test(f) && !LEFT_OUT.test(f),
  ),
);
fs.writeFileSync(seenFile, seen.map((line) => JSON.stringify(line)).join("\n"));
fs.writeFileSync(values.report, "");
await judgeAll(wanted, all, seenFile);

const counts: Record<string, Record<Judgement["verdict"], number>> = {};
for (const { file, verdict } of readReport(values.report)) {
  const room = file.split(path.sep).slice(0, 2).join("/");
  const count = (counts[room] ??= { killed: 0, timeout: 0, survived: 0, undecided: 0, unreached: 0 });
  count[verdict] += 1;
}
console.table(counts);
