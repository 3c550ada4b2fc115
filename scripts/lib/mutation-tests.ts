/**
 * Stands in for `vitest` in the test files that the mutation test loads: it keeps the tests instead of running them, so
 * that any of them can be run again and again in one process. Expectations and spies are Vitest's own.
 */

import { format } from "node:util";

export { expect, vi } from "vitest";

type Work = (...args: never[]) => unknown;
type Hook = "beforeAll" | "beforeEach" | "afterEach" | "afterAll";
interface Suite {
  readonly name: string;
  readonly hooks: Readonly<Record<Hook, Work[]>>;
}
export interface Test {
  readonly name: string;
  readonly suites: readonly Suite[];
  readonly work: Work;
}
interface Book {
  suites: readonly Suite[];
  tests: Test[];
  finishing: Work[];
}

// Kept where it outlives a reset of the modules.
const shared = globalThis as unknown as { mutationBook?: Book };
const book = (shared.mutationBook ??= { suites: [], tests: [], finishing: [] });

/** The tests of one file, in the order in which it defines them. */
export async function collect(load: () => Promise<unknown>): Promise<readonly Test[]> {
  book.tests = [];
  book.suites = [newSuite("")];
  await load();
  return book.tests;
}

function newSuite(name: string): Suite {
  return { name, hooks: { beforeAll: [], beforeEach: [], afterEach: [], afterAll: [] } };
}

const workIn = (args: readonly unknown[]): Work => args.find((arg) => typeof arg === "function") as Work;

function defineSuite(name: string, ...args: readonly unknown[]): void {
  const outer = book.suites;
  book.suites = [...outer, newSuite(name)];
  workIn(args)();
  book.suites = outer;
}

function defineTest(name: string, ...args: readonly unknown[]): void {
  book.tests.push({
    name: [...book.suites.slice(1).map((suite) => suite.name), name].join(" > "),
    suites: book.suites,
    work: workIn(args),
  });
}

type Define = (name: string, ...args: readonly unknown[]) => void;
const forEach =
  (define: Define) =>
  (rows: readonly unknown[]) =>
  (name: string, ...args: readonly unknown[]): void => {
    const tuples = rows.every((row) => Array.isArray(row));
    for (const row of rows) {
      const values = tuples ? (row as readonly unknown[]) : [row];
      define(format(name, ...values), () => (workIn(args) as (...values: unknown[]) => unknown)(...values));
    }
  };

const skip: Define = () => undefined;
const withVariants = (define: Define): object =>
  Object.assign(define.bind(undefined), {
    each: forEach(define),
    skipIf: (skipped: boolean) => (skipped ? skip : define),
    runIf: (wanted: boolean) => (wanted ? define : skip),
    concurrent: Object.assign(define.bind(undefined), { each: forEach(define) }),
  });

export const describe = withVariants(defineSuite);
export const it = withVariants(defineTest);
export const test = withVariants(defineTest);
const hook = (kind: Hook) => (work: Work) => void book.suites.at(-1)?.hooks[kind].push(work);
export const beforeAll = hook("beforeAll");
export const beforeEach = hook("beforeEach");
export const afterEach = hook("afterEach");
export const afterAll = hook("afterAll");
export const onTestFinished = (work: Work): void => void book.finishing.push(work);

async function runAll(works: readonly Work[]): Promise<void> {
  for (const work of works) await work();
}

async function attempt({ suites, work }: Test, limitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("Test timed out")), limitMs);
  });
  const run = async (): Promise<void> => {
    for (const { hooks } of suites) await runAll([...hooks.beforeAll, ...hooks.beforeEach]);
    await (work as (context: object) => unknown)({ onTestFinished, signal: new AbortController().signal });
  };
  try {
    await Promise.race([run(), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function tidy({ suites }: Test): Promise<void> {
  await runAll(book.finishing.toReversed());
  for (const { hooks } of suites.toReversed())
    await runAll([...hooks.afterEach.toReversed(), ...hooks.afterAll.toReversed()]);
}

/** Runs one test with the hooks of its suites. Returns how it failed. */
export async function runTest(tested: Test, limitMs: number): Promise<string | undefined> {
  const problems: unknown[] = [];
  const note = (problem: unknown): void => void problems.push(problem);
  process.on("unhandledRejection", note);
  book.finishing = [];
  await attempt(tested, limitMs).catch(note);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  await Promise.race([tidy(tested).catch(note), late]);
  clearTimeout(timer);
  await new Promise((resolve) => setImmediate(resolve));
  process.off("unhandledRejection", note);
  if (problems.length === 0) return undefined;
  const [first] = problems;
  return (first instanceof Error ? first.message : String(first)).split("\n")[0];
}
