/** Temporary homes for tests that touch account files. */

import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished, vi } from "vitest";
import { type AccountPaths, accountPaths } from "../../src/credentials/home.ts";

/** A fresh, empty `~/.agentrux` of its own, removed after the test. */
export async function temporaryAccount(accountId = "default"): Promise<AccountPaths> {
  const home = await mkdtemp(join(tmpdir(), "agentrux-test-"));
  onTestFinished(() => rm(home, { recursive: true, force: true }));
  return accountPaths(accountId, join(home, ".agentrux"));
}

export async function modeOf(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8);
}

/** The names in a folder, sorted. */
export async function namesIn(path: string): Promise<string[]> {
  return (await readdir(path)).toSorted();
}

/** Waits until `check` passes. The limit only ends what would never pass: the machine may be busy. */
export async function until<T>(check: () => T | Promise<T>): Promise<T> {
  return await vi.waitFor(check, { timeout: 15_000, interval: 5 });
}
