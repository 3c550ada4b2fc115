/** Owns what a long run looks at, and how its readings are told: values over time, and their slopes. */

import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import type { AccountChild } from "./account-api.ts";
import { type Machine, machineClass } from "./machine.ts";
import { residentMiB } from "./process-memory.ts";
import { align, plain } from "./table.ts";

const BYTES_PER_MIB = 1024 * 1024;
const MS_PER_HOUR = 3_600_000;
/** Caches fill and the engine settles at first: slopes are taken over what follows this share of the run. */
const WARM_SHARE = 0.25;

/** One look at both processes. Memory and files in MiB. */
export interface SoakReading {
  readonly sinceMs: number;
  /** Heap and external memory in use after a collection. */
  readonly live: number;
  readonly resident: number;
  readonly hubResident: number;
  /** What keeps the account's event loop: sockets, timers, watchers. */
  readonly handles: number;
  readonly descriptors: number;
  readonly hubDescriptors: number;
  readonly wal: number;
  readonly journal: number;
  readonly backlog: number;
}

export interface SoakReport {
  readonly date: string;
  readonly machine: Machine;
  readonly minutes: number;
  readonly perSecond: number;
  readonly published: number;
  /** Commands without a terminal reply. */
  readonly lost: number;
  /** Terminal replies beyond the first of their command. */
  readonly doubled: number;
  readonly readings: readonly SoakReading[];
}

/** @param journal The account's folder. */
export async function readingOf(of: {
  readonly child: AccountChild;
  readonly hubPid: number;
  readonly journal: string;
  readonly sinceMs: number;
}): Promise<SoakReading> {
  const { child, hubPid, journal, sinceMs } = of;
  const [live, handles, health] = await Promise.all([
    child.call("liveMiB"),
    child.call("handles"),
    child.call("health"),
  ]);
  return {
    sinceMs,
    live,
    resident: residentMiB(child.pid),
    hubResident: residentMiB(hubPid),
    handles,
    descriptors: await descriptorsOf(child.pid),
    hubDescriptors: await descriptorsOf(hubPid),
    wal: await sizeOf(path.join(journal, "journal.sqlite-wal")),
    journal: await sizeOf(path.join(journal, "journal.sqlite")),
    backlog: Number(health["backlog"]),
  };
}

async function descriptorsOf(pid: number): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length;
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file)).size / BYTES_PER_MIB;
}

const COLUMNS = {
  "live MiB": "live",
  "resident MiB": "resident",
  "hub MiB": "hubResident",
  handles: "handles",
  descriptors: "descriptors",
  "hub descriptors": "hubDescriptors",
  "WAL MiB": "wal",
  "journal MiB": "journal",
  backlog: "backlog",
} as const satisfies Record<string, keyof SoakReading>;

/** Readings as a line each; with the report of a whole run first, middle, last and largest, the slope, and the verdict. */
export function describeSoak(readings: readonly SoakReading[], report?: SoakReport): string {
  if (report === undefined) {
    return readings
      .map((reading) => {
        const cells = Object.entries(COLUMNS).map(([name, key]) => `${name} ${plain(reading[key])}`);
        return `${Math.round(reading.sinceMs / 60_000)} min: ${cells.join(", ")}`;
      })
      .join("\n");
  }
  const { machine, minutes, perSecond, published, lost, doubled, date } = report;
  const rows = Object.entries(COLUMNS).map(([name, key]) => {
    const values = readings.map((reading) => reading[key]);
    const picked = [values[0], values[Math.floor(values.length / 2)], values.at(-1), Math.max(...values)];
    return [name, ...picked.map((value) => plain(value ?? Number.NaN)), plain(slopePerHour(readings, key))];
  });
  return [
    `${machineClass(machine)}, Node ${machine.node}, ${date}: ${minutes} min at ${perSecond}/s`,
    align([["", "first", "middle", "last", "largest", "slope per hour"], ...rows]),
    `${published} published, ${lost} without a reply, ${doubled} answered more than once`,
  ].join("\n\n");
}

/** Least-squares slope after the warm part. NaN with fewer than two readings. */
export function slopePerHour(readings: readonly SoakReading[], key: keyof SoakReading): number {
  const used = readings.slice(Math.floor(readings.length * WARM_SHARE));
  const meanOf = (pick: (reading: SoakReading) => number): number =>
    used.reduce((sum, reading) => sum + pick(reading), 0) / used.length;
  const meanAt = meanOf(({ sinceMs }) => sinceMs);
  const mean = meanOf((reading) => reading[key]);
  let products = 0;
  let squares = 0;
  for (const reading of used) {
    products += (reading.sinceMs - meanAt) * (reading[key] - mean);
    squares += (reading.sinceMs - meanAt) ** 2;
  }
  return (products / squares) * MS_PER_HOUR;
}
