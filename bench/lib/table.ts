/** Owns figures as text: aligned columns for a terminal, and the same as Markdown. */

import { type Figure, verdictOf } from "./figure.ts";

const HEAD = ["Figure", "Value", "p50 ms", "p99 ms", "Samples", "Budget", "Verdict", "Floor in the same run"];

/** A number with as many digits as it can bear. */
export function plain(value: number): string {
  if (!Number.isFinite(value)) return "-";
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function row(figure: Figure): string[] {
  const { what, unit, value, latency, samples, budget, better, floor } = figure;
  const verdict = verdictOf(figure);
  return [
    what,
    `${plain(value)} ${unit}`,
    latency === undefined ? "" : plain(latency.p50Ms),
    latency === undefined ? "" : plain(latency.p99Ms),
    samples.toLocaleString("en-US"),
    budget === undefined ? "" : `${better === "higher" ? ">=" : "<="} ${plain(budget)}`,
    verdict === "none" ? "" : verdict,
    floor === undefined ? "" : `${plain(floor.value)} (${floor.what})`,
  ];
}

export function figureTable(figures: readonly Figure[]): string {
  return align([HEAD, ...figures.map(row)]);
}

export function figureMarkdown(figures: readonly Figure[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(HEAD), line(HEAD.map(() => "---")), ...figures.map((figure) => line(row(figure)))].join("\n");
}

/** Columns of equal width. */
export function align(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const cells of rows) {
    for (const [index, cell] of cells.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length);
  }
  return rows
    .map((cells) =>
      cells
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
