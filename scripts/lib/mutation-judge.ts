/**
 * Judges mutants inside one Vitest process, on the orders of mutate.ts: as its only test it runs those of the unit tests
 * that reach a mutant, the quickest first, until one fails. That one is then run without the mutant, and has to pass.
 *
 * A mutant that takes part only while a module is loaded is judged with all modules loaded anew.
 */

import fs from "node:fs";
import { expect, it, vi } from "vitest";
import { collect, runTest, type Test } from "./mutation-tests.ts";

/** What a test was seen to do without a mutant. */
export interface Seen {
  readonly file: string;
  readonly index: number;
  readonly name: string;
  readonly ms: number;
  readonly steps: number;
  readonly reaches: readonly number[];
}
export interface SeenFile {
  readonly file: string;
  /** Reached while the file and what it imports were loaded. */
  readonly loads: readonly number[];
  readonly tests: readonly Seen[];
}
export interface Judgement {
  readonly id: number;
  readonly verdict: "killed" | "timeout" | "survived" | "undecided" | "unreached";
  readonly by: string;
}
export interface LookOrder {
  readonly kind: "look";
  readonly files: readonly string[];
  readonly output: string;
}
/** `first` and `last`: the numbers of all mutants of the same source file. */
interface OrderedMutant {
  readonly id: number;
  readonly first: number;
  readonly last: number;
}
export interface JudgeOrder {
  readonly kind: "judge";
  /** A file with a {@link SeenFile} in each line. */
  readonly seen: string;
  readonly mutants: readonly OrderedMutant[];
  readonly budgetMs: number;
  readonly output: string;
}
export type Order = LookOrder | JudgeOrder;
/** What the sources and this file share, see `__mutant` in mutate.ts. */
export interface Switch {
  alive: number;
  steps: number;
  limit: number;
  reached: Set<number> | undefined;
}

const LIMIT_MS = 20_000;
const SPARE_STEPS = 3_000_000;

const order = JSON.parse(fs.readFileSync(process.env["MUTATION_ORDER"] ?? "", "utf8")) as Order;
const mutation = ((globalThis as unknown as { mutation?: Switch }).mutation ??= {
  alive: -1,
  steps: 0,
  limit: Infinity,
  reached: undefined,
});
const write = (line: object): void => fs.appendFileSync(order.output, `${JSON.stringify(line)}\n`);

function load(file: string): Promise<readonly Test[]> {
  return collect(() => import(/* @vite-ignore */ `${process.cwd()}/${file}`));
}

/** Other threads and processes learn from the environment what this one is told directly. */
function wake(id: number): void {
  mutation.alive = id;
  process.env["MUTANT"] = String(id);
}

async function look(file: string): Promise<void> {
  const elsewhere = `${order.output}.elsewhere`;
  process.env["MUTANT_REACHED"] = elsewhere;
  vi.resetModules();
  mutation.reached = new Set();
  const tests = await load(file);
  const loads = [...mutation.reached];
  const seen: Seen[] = [];
  for (const [index, test] of tests.entries()) {
    showLife();
    fs.writeFileSync(elsewhere, "");
    mutation.reached = new Set();
    mutation.steps = 0;
    const started = performance.now();
    const failure = await runTest(test, 60_000);
    const ms = performance.now() - started;
    if (failure !== undefined) {
      write({ failed: `${file}: ${test.name}: ${failure}` });
      continue;
    }
    const others = fs.readFileSync(elsewhere, "utf8").split("\n").filter(Boolean).map(Number);
    const reaches = [...new Set([...mutation.reached, ...others])];
    seen.push({ file, index, name: test.name, ms, steps: mutation.steps, reaches });
  }
  write({ file, loads, tests: seen } satisfies SeenFile);
}

function showLife(): void {
  const now = new Date();
  fs.utimesSync(order.output, now, now);
}

/** Runs a test with the mutant that is alive. */
async function run(test: Test, { ms, steps }: Seen): Promise<string | undefined> {
  showLife();
  mutation.steps = 0;
  mutation.limit = SPARE_STEPS + 20 * steps;
  const failure = await runTest(test, LIMIT_MS + 10 * ms);
  const endless = mutation.steps > mutation.limit;
  mutation.limit = Infinity;
  return endless ? "never came to an end" : failure;
}

class Judge {
  readonly #files: readonly SeenFile[];
  readonly #loaded = new Map<string, readonly Test[]>();
  readonly #budgetMs: number;
  readonly #reaching = new Map<number, Seen[]>();
  #judged = 0;

  constructor(files: readonly SeenFile[], budgetMs: number) {
    this.#files = files;
    this.#budgetMs = budgetMs;
    for (const test of files.flatMap(({ tests }) => tests)) {
      for (const id of test.reaches) {
        const known = this.#reaching.get(id);
        if (known === undefined) this.#reaching.set(id, [test]);
        else known.push(test);
      }
    }
    for (const tests of this.#reaching.values()) tests.sort((a, b) => a.ms - b.ms);
  }

  /** Undefined where this process can no longer tell: another one has to. */
  async judge(mutant: OrderedMutant): Promise<Judgement | undefined> {
    const atLoad = this.#files.some(({ loads }) => loads.includes(mutant.id));
    const tests = atLoad ? this.#testsOfFileOf(mutant) : (this.#reaching.get(mutant.id) ?? []);
    let spentMs = 0;
    const quick = tests.filter(({ ms }) => (spentMs += ms) <= this.#budgetMs);
    if (tests.length === 0) return { id: mutant.id, verdict: "unreached", by: "" };
    for (const seen of quick) {
      const failure = await this.#failure(mutant.id, seen, atLoad);
      if (failure === undefined) continue;
      const flaky = await this.#failure(-1, seen, atLoad);
      if (flaky !== undefined) {
        if (this.#judged > 0) return undefined;
        continue;
      }
      this.#judged += 1;
      const verdict = /^(?:Test timed out|never came)/.test(failure) ? "timeout" : "killed";
      return { id: mutant.id, verdict, by: `${seen.name}: ${failure}` };
    }
    this.#judged += 1;
    const verdict = quick.length < tests.length ? "undecided" : "survived";
    return { id: mutant.id, verdict, by: `${quick.length} of ${tests.length} tests` };
  }

  /** For what happens at loading no test can be told to reach it: those that reach anything of the same source file. */
  #testsOfFileOf({ first, last, id }: OrderedMutant): readonly Seen[] {
    const reaching = this.#files
      .filter(({ loads }) => loads.includes(id))
      .flatMap(({ tests }) => tests)
      .filter(({ reaches }) => reaches.some((reached) => reached >= first && reached <= last));
    return reaching.toSorted((a, b) => a.ms - b.ms);
  }

  readonly #anew = new Map<string, readonly Test[]>();
  /** The mutant that was alive when the modules were last reset. */
  #loadedFor = -1;

  async #failure(alive: number, seen: Seen, anew: boolean): Promise<string | undefined> {
    wake(alive);
    try {
      const tests = await this.#tests(alive, seen.file, anew);
      const test = tests[seen.index];
      return test === undefined ? "The file defines fewer tests." : await run(test, seen);
    } catch (error) {
      return `cannot be loaded: ${String(error).split("\n")[0]}`;
    } finally {
      wake(-1);
    }
  }

  async #tests(alive: number, file: string, anew: boolean): Promise<readonly Test[]> {
    const loaded = anew ? this.#anew : this.#loaded;
    const loadedFor = anew ? alive : -1;
    if (this.#loadedFor !== loadedFor && (anew || !loaded.has(file))) {
      vi.resetModules();
      this.#anew.clear();
      this.#loadedFor = loadedFor;
    }
    const tests = loaded.get(file) ?? (await load(file));
    loaded.set(file, tests);
    return tests;
  }
}

async function carryOut(): Promise<void> {
  if (order.kind === "look") {
    for (const file of order.files) await look(file);
    return;
  }
  const lines = fs.readFileSync(order.seen, "utf8").split("\n").filter(Boolean);
  const judge = new Judge(
    lines.map((line) => JSON.parse(line) as SeenFile),
    order.budgetMs,
  );
  for (const mutant of order.mutants) {
    write({ begun: mutant.id });
    const judgement = await judge.judge(mutant);
    if (judgement === undefined) return;
    write(judgement);
  }
}

it("carries out its order", { timeout: 0 }, async () => {
  await expect(carryOut()).resolves.toBeUndefined();
});
