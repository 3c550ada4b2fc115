/** Owns what a benchmark is: a name, and a run that ends in figures. */

import type { Figure } from "./figure.ts";

export interface RunOptions {
  /** A folder of its own on a real disk, removed afterwards. */
  readonly dir: string;
  /** Hours of patience: the sizes the issue names in full. */
  readonly long: boolean;
  /** A trial of the benchmark itself: its figures mean nothing. */
  readonly quick: boolean;
}

export interface Benchmark {
  /** One line: what is measured, and how. */
  readonly method: string;
  run(options: RunOptions): Promise<Figure[]>;
}

/** A length of time or a count, cut down for a quick trial. */
export function sized({ quick }: RunOptions, full: number): number {
  return quick ? Math.max(1, Math.round(full / 10)) : full;
}
