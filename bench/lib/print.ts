/** Owns how a run is shown. */

import { machineClass } from "./machine.ts";
import type { Run } from "./runner.ts";
import { figureMarkdown, figureTable } from "./table.ts";

/** The whole of a run as text. */
export function describeRun({ report, failed }: Run, markdown: boolean): string {
  const { machine, figures, date } = report;
  const head = `${machineClass(machine)}, Node ${machine.node}, SQLite ${machine.sqlite}, ${date}`;
  const table = markdown ? figureMarkdown(figures) : figureTable(figures);
  const notes = new Map<string, string>();
  for (const { note, what } of figures) {
    if (note !== undefined && !notes.has(note)) notes.set(note, `${what}: ${note}`);
  }
  const failures = failed.map(({ name, reason }) => `${name} failed: ${reason}`);
  return [head, table, [...notes.values()].join("\n"), failures.join("\n")].filter((part) => part !== "").join("\n\n");
}
