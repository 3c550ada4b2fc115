/**
 * Owns `world-problem.json`: why an account's presence could not be published last, for commands that look at an account
 * without asking its gateway. There is no file while all is well.
 */

import { rm } from "node:fs/promises";
import writeFileAtomic from "write-file-atomic";
import { z } from "zod";
import type { AccountPaths } from "./home.ts";
import { diskError, ensurePrivateDirectories, PRIVATE_FILE_MODE } from "./private-files.ts";
import { readSmallFile } from "./read.ts";

const schema = z.object({ at: z.iso.datetime(), what: z.string().max(1_000) });

/** `what`: one line, without a secret. */
export type WorldProblem = z.infer<typeof schema>;

/** @throws AgentruxError `disk` */
export async function saveWorldProblem(paths: AccountPaths, problem: WorldProblem | undefined): Promise<void> {
  try {
    if (problem === undefined) return await rm(paths.worldProblem, { force: true });
    await ensurePrivateDirectories([paths.base, paths.dir]);
    await writeFileAtomic(paths.worldProblem, `${JSON.stringify(problem)}\n`, { mode: PRIVATE_FILE_MODE });
  } catch (error) {
    throw diskError(`cannot write ${paths.worldProblem}`, error);
  }
}

/** Undefined where there is none, or none that can be read. */
export async function readWorldProblem(paths: AccountPaths): Promise<WorldProblem | undefined> {
  try {
    const file = await readSmallFile(paths.worldProblem);
    if (file.kind !== "file") return undefined;
    return schema.safeParse(JSON.parse(file.bytes.toString("utf8"))).data;
  } catch {
    return undefined;
  }
}
