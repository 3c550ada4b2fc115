/** Packs the plugin once for a whole run, however many gateways it is installed into. */

import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { TestProject } from "vitest/node";
import { packPlugin } from "../../scripts/lib/plugin-package.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Path of the packed plugin. */
    readonly tarball: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dir = await mkdtemp(path.join(os.tmpdir(), "agentrux-packed-"));
  const { tarball } = await packPlugin(dir, undefined);
  project.provide("tarball", tarball);
  return () => rm(dir, { recursive: true, force: true });
}
