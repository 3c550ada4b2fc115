/**
 * Owns putting an activation code where the account will look for it, for the commands that set an account up. Whatever
 * would be lost by it is refused: credentials that are there, and a code that is already waiting.
 */

import { randomBytes } from "node:crypto";
import { link, lstat, rm, writeFile } from "node:fs/promises";
import { activationCodeFromEnvironment } from "../credentials/environment.ts";
import type { AccountPaths } from "../credentials/home.ts";
import { diskError, ensurePrivateDirectories, errnoOf, PRIVATE_FILE_MODE } from "../credentials/private-files.ts";
import { readSmallFile } from "../credentials/read.ts";
import { AgentruxError } from "../errors.ts";
import { decodeText, findCode } from "./code.ts";

/**
 * Reads a code from `file`, or from the environment where no file is named, and checks that it can be dropped.
 *
 * @throws AgentruxError `config` where there is no code, or no place for one; `disk` where the file cannot be read.
 */
export async function readActivationCode(paths: AccountPaths, file: string | undefined): Promise<string> {
  for (const path of [paths.credentials, paths.bootstrap, paths.inflight]) {
    if (await exists(path)) {
      throw new AgentruxError("config", `${path} is already there; remove it first if this account is to start anew`);
    }
  }
  const found = findCode(file === undefined ? activationCodeFromEnvironment() : await textOf(file));
  if (found.kind === "found") return found.code;
  const where = file ?? "AGENTRUX_ACTIVATION_CODE";
  throw new AgentruxError("config", `${where}: ${found.kind === "none" ? "no activation code" : found.reason}`);
}

/**
 * Writes `BOOTSTRAP.md` with the code: private, whole or not at all, and never over another one.
 *
 * @throws AgentruxError `disk`
 */
export async function dropActivationCode(paths: AccountPaths, code: string): Promise<void> {
  await ensurePrivateDirectories([paths.base, paths.dir]);
  const draft = `${paths.bootstrap}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await writeFile(draft, `${code}\n`, { mode: PRIVATE_FILE_MODE, flag: "wx", flush: true });
    await link(draft, paths.bootstrap);
  } catch (error) {
    throw diskError(`cannot write ${paths.bootstrap}`, error);
  } finally {
    await rm(draft, { force: true });
  }
}

async function textOf(file: string): Promise<string> {
  try {
    const read = await readSmallFile(file);
    if (read.kind === "file") return decodeText(read.bytes);
    throw new AgentruxError("config", `${file} ${read.reason}`);
  } catch (error) {
    throw error instanceof AgentruxError ? error : diskError(`cannot read ${file}`, error);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw diskError(`cannot look for ${path}`, error);
  }
}
