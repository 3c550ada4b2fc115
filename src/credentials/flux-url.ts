/**
 * Owns `flux-url`: the address of the hub an account is configured for, one line without a secret, for the Flux skill's
 * script. A script cannot read the host's configuration (JSON5, includes, secrets), and must not open `credentials.json`.
 */

import { readFile, rm } from "node:fs/promises";
import writeFileAtomic from "write-file-atomic";
import type { AccountPaths } from "./home.ts";
import { diskError, ensurePrivateDirectories, errnoOf, PRIVATE_FILE_MODE } from "./private-files.ts";

/**
 * Makes the file say `url`; without one there is no file.
 *
 * @throws AgentruxError `disk`
 */
export async function saveFluxUrl(paths: AccountPaths, url: string | undefined): Promise<void> {
  try {
    if (url === undefined) return await rm(paths.fluxUrl, { force: true });
    const line = `${url}\n`;
    if ((await existing(paths.fluxUrl)) === line) return;
    await ensurePrivateDirectories([paths.base, paths.dir]);
    await writeFileAtomic(paths.fluxUrl, line, { mode: PRIVATE_FILE_MODE });
  } catch (error) {
    throw diskError(`cannot write ${paths.fluxUrl}`, error);
  }
}

async function existing(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
