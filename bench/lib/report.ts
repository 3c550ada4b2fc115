/** Owns a run's results as a document: how they are kept, and what is read back from disk. */

import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";

const figureSchema = z.object({
  id: z.string(),
  what: z.string(),
  unit: z.enum(["events/s", "requests/s", "ms", "MiB"]),
  better: z.enum(["higher", "lower"]),
  value: z.number(),
  latency: z.object({ p50Ms: z.number(), p99Ms: z.number() }).exactOptional(),
  samples: z.number(),
  budget: z.number().exactOptional(),
  floor: z.object({ what: z.string(), value: z.number() }).exactOptional(),
  noise: z.number().exactOptional(),
  note: z.string().exactOptional(),
});

const reportSchema = z.object({
  date: z.string(),
  method: z.string(),
  machine: z.object({
    cores: z.number(),
    cpu: z.string(),
    memoryGiB: z.number(),
    platform: z.string(),
    node: z.string(),
    sqlite: z.string(),
  }),
  figures: z.array(figureSchema),
});

export type Report = z.infer<typeof reportSchema>;

const BENCH = path.join(import.meta.dirname, "..");
export const LATEST = path.join(BENCH, "results", "latest.json");
export const BASELINE = path.join(BENCH, "baseline.json");

/** @throws when the file is there and is no report */
export async function readReport(file: string): Promise<Report | undefined> {
  try {
    return reportSchema.parse(JSON.parse(await readFile(file, "utf8")));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw new Error(`${path.relative(process.cwd(), file)} is no report of a run`, { cause: error });
  }
}

/** Writes `report` down; figures the file has and the report does not are kept. */
export async function keepReport(file: string, newer: Report): Promise<void> {
  const report = withNewer(await readReport(file), newer);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(report, undefined, 2)}\n`);
}

/** `report` with the figures of `newer` in the place of its own; those it did not have are added. */
export function withNewer(report: Report | undefined, newer: Report): Report {
  if (report === undefined) return newer;
  const fresh = new Map(newer.figures.map((figure) => [figure.id, figure]));
  const kept = report.figures.filter((figure) => !fresh.has(figure.id));
  return { ...newer, figures: [...kept, ...newer.figures].toSorted((a, b) => a.id.localeCompare(b.id)) };
}
