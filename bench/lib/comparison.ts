/**
 * Owns the judgement of a run against a stored one. Pure.
 *
 * A figure has lost when it is worse than the baseline by more than the limit, and by more than the noise it declares:
 * a percentage of a quarter of a millisecond is nothing. Runs of different machines are not compared at all.
 */

import type { Figure } from "./figure.ts";
import { machineClass } from "./machine.ts";
import type { Report } from "./report.ts";

export const MAX_LOSS = 0.15;

export interface Change {
  readonly id: string;
  readonly unit: Figure["unit"];
  readonly before: number;
  readonly after: number;
  /** Share of the baseline that was lost; negative for a gain. */
  readonly loss: number;
  readonly verdict: "lost" | "gained" | "same";
}

export type Comparison =
  | { readonly kind: "incomparable"; readonly baseline: string; readonly latest: string }
  | {
      readonly kind: "compared";
      readonly changes: readonly Change[];
      /** Ids of the baseline that the run did not measure. */
      readonly missing: readonly string[];
    };

export function compare(baseline: Report, latest: Report, maxLoss: number = MAX_LOSS): Comparison {
  const [before, after] = [machineClass(baseline.machine), machineClass(latest.machine)];
  if (before !== after) return { kind: "incomparable", baseline: before, latest: after };
  const measured = new Map(latest.figures.map((figure) => [figure.id, figure]));
  const changes = baseline.figures.flatMap((figure) => {
    const now = measured.get(figure.id);
    return now === undefined ? [] : [changeOf(figure, now, maxLoss)];
  });
  const missing = baseline.figures.map((figure) => figure.id).filter((id) => !measured.has(id));
  return { kind: "compared", changes, missing };
}

function changeOf(before: Figure, after: Figure, maxLoss: number): Change {
  const worse = before.better === "higher" ? before.value - after.value : after.value - before.value;
  const loss = before.value === 0 ? Math.sign(worse) : worse / Math.abs(before.value);
  const matters = Math.abs(loss) > maxLoss && Math.abs(worse) > (before.noise ?? 0);
  const verdict = matters ? (worse > 0 ? "lost" : "gained") : "same";
  return { id: before.id, unit: before.unit, before: before.value, after: after.value, loss, verdict };
}
