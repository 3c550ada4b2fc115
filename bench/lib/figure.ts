/** Owns what a measurement is: one number with its unit, what it is judged by, and whether it met its budget. */

export type Unit = "events/s" | "requests/s" | "ms" | "MiB";

/** One measured number. */
export interface Figure {
  /** Stable over releases, such as `hub/publish/64`: baselines are compared by it. */
  readonly id: string;
  /** In plain words, without the unit. */
  readonly what: string;
  readonly unit: Unit;
  readonly better: "higher" | "lower";
  readonly value: number;
  /** How long single operations took behind a rate, milliseconds. */
  readonly latency?: { readonly p50Ms: number; readonly p99Ms: number };
  /** Operations or readings behind the value. */
  readonly samples: number;
  /** From section 5 of the design; absent where it names none. */
  readonly budget?: number;
  /** The same work without what is measured, in the same unit and the same run. */
  readonly floor?: { readonly what: string; readonly value: number };
  /** A difference smaller than this says nothing, in `unit`. */
  readonly noise?: number;
  readonly note?: string;
}

export type Verdict = "met" | "missed" | "none";

/** Whether a figure keeps its budget. */
export function verdictOf({ value, budget, better }: Pick<Figure, "value" | "budget" | "better">): Verdict {
  if (budget === undefined) return "none";
  return (better === "higher" ? value >= budget : value <= budget) ? "met" : "missed";
}
