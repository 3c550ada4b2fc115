/**
 * Owns `flux-tokens/<namespace>`: tokens of namespaces that were registered through the agent's tool. Nothing reads them; the
 * operator makes one the value of `flux.token`, by hand or by a secret reference.
 */

import { open, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AgentruxError } from "../errors.ts";
import type { AccountPaths } from "./home.ts";
import { diskError, ensurePrivateDirectories, errnoOf, PRIVATE_FILE_MODE, syncDirectory } from "./private-files.ts";

/** An empty file that waits for a token. */
export interface ReservedToken {
  readonly path: string;
  /** @throws AgentruxError `disk` */
  keep(token: string): Promise<void>;
  /** Takes the file away again. Never throws. */
  giveUp(): Promise<void>;
}

/**
 * @param namespace A valid name of a namespace, which is a safe name of a file.
 * @throws AgentruxError `conflict` where a token of this namespace is kept already, `disk`
 */
export async function reserveFluxToken({ base, dir }: AccountPaths, namespace: string): Promise<ReservedToken> {
  const path = join(dir, "flux-tokens", namespace);
  await ensurePrivateDirectories([base, dir, dirname(path)]);
  const file = await open(path, "wx", PRIVATE_FILE_MODE).catch((error: unknown) => {
    if (errnoOf(error) === "EEXIST")
      throw new AgentruxError("conflict", `${path} holds a token already`, { cause: error });
    throw diskError(`cannot write ${path}`, error);
  });
  return {
    path,
    async keep(token) {
      try {
        await file.writeFile(`${token}\n`);
        await file.sync();
        await file.close();
        await syncDirectory(dirname(path));
      } catch (error) {
        throw diskError(`cannot write ${path}`, error);
      }
    },
    async giveUp() {
      await file.close().catch(() => undefined);
      await rm(path, { force: true }).catch(() => undefined);
    },
  };
}
