/** Owns the description of the machine: what a figure is worth nothing without. */

import os from "node:os";

export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly memoryGiB: number;
  readonly platform: string;
  readonly node: string;
  readonly sqlite: string;
}

export function describeMachine(): Machine {
  const cpus = os.cpus();
  return {
    cores: os.availableParallelism(),
    cpu: cpus[0]?.model.trim() ?? "unknown",
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    platform: `${os.platform()} ${os.arch()}`,
    node: process.versions.node,
    sqlite: process.versions.sqlite ?? "unknown",
  };
}

/** What must agree for two runs to be compared. Versions need not: a slower release of Node.js should be noticed. */
export function machineClass({ cores, cpu, memoryGiB, platform }: Machine): string {
  return `${cores} x ${cpu}, ${memoryGiB} GiB, ${platform}`;
}
