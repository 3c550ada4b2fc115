import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { compare } from "../../bench/lib/comparison.ts";
import { type Figure, verdictOf } from "../../bench/lib/figure.ts";
import { type Machine, machineClass } from "../../bench/lib/machine.ts";
import { keepReport, readReport, type Report } from "../../bench/lib/report.ts";
import { percentile } from "../../bench/lib/stats.ts";

const machine: Machine = {
  cores: 2,
  cpu: "Some CPU",
  memoryGiB: 24,
  platform: "linux x64",
  node: "24.21.0",
  sqlite: "3.53.4",
};

const rate: Figure = { id: "rate", what: "a rate", unit: "events/s", better: "higher", value: 1_000, samples: 10 };
const time: Figure = { id: "time", what: "a time", unit: "ms", better: "lower", value: 10, samples: 10 };

function report(figures: readonly Figure[], on: Machine = machine): Report {
  return { date: "2026-01-01T00:00:00.000Z", method: "none", machine: on, figures: [...figures] };
}

function verdict(before: Figure, value: number): string {
  const comparison = compare(report([before]), report([{ ...before, value }]));
  if (comparison.kind !== "compared") throw new Error("not compared");
  return comparison.changes[0]?.verdict ?? "none";
}

describe("compare", () => {
  it("counts a rate that fell by more than 15 % as lost, one that fell by less as the same", () => {
    expect(verdict(rate, 849)).toBe("lost");
    expect(verdict(rate, 851)).toBe("same");
    expect(verdict(rate, 1_151)).toBe("gained");
  });

  it("counts a time that grew by more than 15 % as lost, one that grew by less as the same", () => {
    expect(verdict(time, 11.6)).toBe("lost");
    expect(verdict(time, 11.4)).toBe("same");
    expect(verdict(time, 8.4)).toBe("gained");
  });

  it("takes a difference within a figure's noise for nothing, however large its share", () => {
    expect(verdict({ ...time, value: 0.2, noise: 0.3 }, 0.4)).toBe("same");
    expect(verdict({ ...time, value: 0.2, noise: 0.3 }, 0.6)).toBe("lost");
  });

  it("notices a figure that was nothing and is something now", () => {
    expect(verdict({ ...time, value: 0, noise: 1 }, 0.5)).toBe("same");
    expect(verdict({ ...time, value: 0, noise: 1 }, 5)).toBe("lost");
  });

  it("tells what the baseline has and the run does not, and passes over what is new", () => {
    const comparison = compare(report([rate, time]), report([time, { ...rate, id: "new" }]));
    expect(comparison).toMatchObject({ kind: "compared", missing: ["rate"], changes: [{ id: "time" }] });
  });

  it("compares nothing between two machines, however bad the figures are", () => {
    const other = { ...machine, cores: 16 };
    const comparison = compare(report([rate]), report([{ ...rate, value: 1 }], other));
    expect(comparison).toEqual({
      kind: "incomparable",
      baseline: machineClass(machine),
      latest: machineClass(other),
    });
  });

  it("compares over releases of Node.js", () => {
    const newer = { ...machine, node: "26.0.0", sqlite: "3.60.0" };
    expect(compare(report([rate]), report([rate], newer)).kind).toBe("compared");
  });
});

describe("a budget", () => {
  it("is kept by a rate that reaches it and by a time that does not exceed it", () => {
    expect(verdictOf({ ...rate, budget: 1_000 })).toBe("met");
    expect(verdictOf({ ...rate, budget: 1_001 })).toBe("missed");
    expect(verdictOf({ ...time, budget: 10 })).toBe("met");
    expect(verdictOf({ ...time, budget: 9.9 })).toBe("missed");
    expect(verdictOf(rate)).toBe("none");
  });
});

describe("percentile", () => {
  it("is the nearest rank, whatever the order of the samples", () => {
    const samples = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect([0, 0.5, 0.99, 1].map((share) => percentile(samples, share))).toEqual([1, 50, 99, 100]);
    expect(percentile([7], 0.99)).toBe(7);
    expect(percentile([], 0.5)).toBeNaN();
  });
});

describe("reports on disk", () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(path.join(tmpdir(), "agentrux-bench-test-"));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  it("keep the figures that a run of some benchmarks did not measure", async () => {
    const file = path.join(dir, "results", "latest.json");
    expect(await readReport(file)).toBeUndefined();
    await keepReport(file, report([rate, time]));
    await keepReport(file, report([{ ...time, value: 20 }]));
    const kept = await readReport(file);
    expect(kept?.figures.map(({ id, value }) => [id, value])).toEqual([
      ["rate", 1_000],
      ["time", 20],
    ]);
  });

  it("are refused when they are something else", async () => {
    const file = path.join(dir, "latest.json");
    await writeFile(file, '{"figures": "none"}');
    await expect(readReport(file)).rejects.toThrow("no report of a run");
  });
});
