/** Owns reading and following another process's resident memory, from outside, so that it is not disturbed. Linux. */

import { readFileSync } from "node:fs";

const KIB_PER_MIB = 1024;

/** Resident memory of a process, MiB. */
export function residentMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kib === undefined) throw new Error(`the memory of process ${pid} cannot be read`);
  return Number(kib) / KIB_PER_MIB;
}

/** Readings of a process's memory over time. */
export interface MemoryTrace {
  readonly readingsMiB: readonly number[];
  stop(): void;
}

export function traceMemory(pid: number, everyMs = 100): MemoryTrace {
  const readingsMiB: number[] = [];
  const timer = setInterval(() => readingsMiB.push(residentMiB(pid)), everyMs);
  return { readingsMiB, stop: () => clearInterval(timer) };
}
