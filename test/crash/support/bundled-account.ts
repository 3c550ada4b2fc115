/**
 * Bundles the account's process once for a whole run: it is started hundreds of times, and reading some three hundred
 * modules takes longer than most of its lives.
 */

import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import type { TestProject } from "vitest/node";

const REPOSITORY = fileURLToPath(new URL("../../..", import.meta.url));

declare module "vitest" {
  interface ProvidedContext {
    /** Path of the program that fixtures/account.ts becomes. */
    readonly account: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dir = await mkdtemp(path.join(os.tmpdir(), "agentrux-account-bundle-"));
  const build = await rolldown({
    // The journal looks for its worker beside itself.
    input: { account: "test/crash/fixtures/account.ts", worker: "src/journal/worker.ts" },
    platform: "node",
    cwd: REPOSITORY,
  });
  try {
    await build.write({ dir, format: "esm", entryFileNames: "[name].js", chunkFileNames: "[name].js" });
  } finally {
    await build.close();
  }
  project.provide("account", path.join(dir, "account.js"));
  return () => rm(dir, { recursive: true, force: true });
}
