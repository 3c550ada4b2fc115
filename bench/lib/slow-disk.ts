/**
 * Owns the slow disk: a process whose every fsync and fdatasync takes longer, by a few lines of C put in front of the
 * C library's own (LD_PRELOAD). No file system, no privileges; needs Linux and a C compiler.
 */

import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";

const SOURCE = path.join(import.meta.dirname, "slow-disk.c");
const COMPILE_LIMIT_MS = 30_000;

/** The environment of a process whose disk takes `ms` longer for each flush. Undefined without a C compiler. */
export async function slowDisk(dir: string, ms: number): Promise<NodeJS.ProcessEnv | undefined> {
  const library = path.join(dir, "slow-disk.so");
  try {
    await promisify(execFile)("cc", ["-shared", "-fPIC", "-O2", "-o", library, SOURCE, "-ldl"], {
      timeout: COMPILE_LIMIT_MS,
    });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  return { LD_PRELOAD: library, SLOW_FSYNC_MS: String(ms) };
}
