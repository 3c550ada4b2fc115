/**
 * Owns the claim on `BOOTSTRAP.md`: of several processes exactly one gets it, and whoever got it can give it back.
 *
 * The claim is the rename of `BOOTSTRAP.md` to a name of our own, `BOOTSTRAP.md.inflight.<random>`: the file that moved is
 * surely the one we then read. It is shown to people as `BOOTSTRAP.md.inflight` from then on, which replaces an orphan
 * of that name. Since a second gateway may do the same with a newer file, everything later touches that path only while
 * it still is our file, and otherwise works from the bytes in memory.
 */

import { randomBytes } from "node:crypto";
import { link, readdir, rename, rm, stat, unlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { AccountPaths } from "../credentials/home.ts";
import {
  diskError,
  ensurePrivateDirectories,
  errnoOf,
  fileExists,
  narrow,
  PRIVATE_FILE_MODE,
  syncDirectory,
} from "../credentials/private-files.ts";
import { readSmallFile, type SmallFile } from "../credentials/read.ts";
import { AgentruxError, errorText } from "../errors.ts";
import { failpoint } from "../failpoint.ts";

/** A claimed bootstrap file. It ends with `remove` or `restore`. */
export interface Claim {
  /** Where the file stands now. */
  readonly path: string;
  readonly content: SmallFile;
  /** An orphan of an interrupted activation stood in the way and was replaced. */
  readonly replacedOrphan: boolean;
  /** Deletes the claimed file. */
  remove(): Promise<void>;
  /** Puts the file back, unless a person has written a newer one: that one wins. */
  restore(): Promise<"restored" | "newer">;
}

/**
 * Claims `BOOTSTRAP.md`.
 *
 * @returns undefined where there is none, or another process was faster.
 * @throws AgentruxError `disk` where it cannot be claimed or read; it is back in its place then.
 */
export async function claimBootstrap(paths: AccountPaths): Promise<Claim | undefined> {
  const own = temporaryName(paths);
  try {
    await rename(paths.bootstrap, own);
    failpoint("activation.claimed");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw diskError(`cannot claim ${paths.bootstrap}`, error);
  }
  try {
    return await hold(paths, own);
  } catch (error) {
    await moveExclusively(own, paths.bootstrap);
    throw new AgentruxError("disk", `failed to read inflight bootstrap file: ${errorText(error)}`, {
      retryable: true,
      cause: error,
    });
  }
}

/**
 * Claims an in-flight file that an interrupted activation left behind. Restoring it makes it a `BOOTSTRAP.md` again.
 *
 * @returns undefined where it is gone, or another process was faster.
 * @throws AgentruxError `disk`
 */
export async function claimOrphan(paths: AccountPaths, orphan: string): Promise<Claim | undefined> {
  const own = temporaryName(paths);
  try {
    await rename(orphan, own);
    await narrow(own, PRIVATE_FILE_MODE);
    return claimOf(paths, own, await identityOf(own), await readSmallFile(own), false);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw diskError(`cannot claim ${orphan}`, error);
  }
}

/**
 * Puts a code where the ritual finds it, whole or not at all, readable by its owner only.
 *
 * @returns false where a `BOOTSTRAP.md` is there already; it is left alone.
 * @throws AgentruxError `disk`
 */
export async function dropCode(paths: AccountPaths, code: string): Promise<boolean> {
  await ensurePrivateDirectories([paths.base, paths.dir]);
  // Not named like an in-flight file: a process killed here leaves nothing that looks like an interrupted activation.
  const own = `${paths.bootstrap}.new-${randomBytes(6).toString("hex")}`;
  try {
    await writeFile(own, `${code}\n`, { mode: PRIVATE_FILE_MODE, flag: "wx", flush: true });
    const moved = await moveExclusively(own, paths.bootstrap);
    if (moved) await syncDirectory(paths.dir);
    return moved;
  } catch (error) {
    throw diskError(`cannot write ${paths.bootstrap}`, error);
  } finally {
    await rm(own, { force: true }).catch(() => {});
  }
}

/** In-flight files that stand in the folder: of an interrupted activation, or of one that is running elsewhere. */
export async function inflightFiles(paths: AccountPaths): Promise<string[]> {
  try {
    const names = await readdir(paths.dir);
    return names
      .filter((name) => name.startsWith(basename(paths.inflight)))
      .toSorted()
      .map((name) => join(paths.dir, name));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw diskError(`cannot read ${paths.dir}`, error);
  }
}

async function hold(paths: AccountPaths, own: string): Promise<Claim> {
  await narrow(own, PRIVATE_FILE_MODE);
  const content = await readSmallFile(own);
  // A folder or a giant has no code to show as in flight; it goes from here straight into quarantine.
  if (content.kind === "unusable") return claimOf(paths, own, await identityOf(own), content, false);
  const identity = await identityOf(own);
  const replacedOrphan = (await identityOf(paths.inflight)) !== undefined;
  await rename(own, paths.inflight);
  failpoint("activation.in-flight");
  // Renaming one hard link of a file over another does nothing at all, and a restore that died half way leaves two.
  await rm(own, { force: true });
  return claimOf(paths, paths.inflight, identity, content, replacedOrphan);
}

function claimOf(
  paths: AccountPaths,
  path: string,
  identity: string | undefined,
  content: SmallFile,
  replacedOrphan: boolean,
): Claim {
  const isOurs = async () => identity !== undefined && (await identityOf(path)) === identity;
  return {
    path,
    content,
    replacedOrphan,
    remove: async () => {
      if (!(await isOurs())) return;
      await rm(path, { force: true });
      failpoint("activation.removed");
      await syncDirectory(paths.dir);
    },
    restore: async () => {
      const source = content.kind === "unusable" || (await isOurs()) ? path : await writeAnew(paths, content.bytes);
      const moved = await moveExclusively(source, paths.bootstrap);
      if (!moved) await rm(source, { force: true });
      await syncDirectory(paths.dir);
      return moved ? "restored" : "newer";
    },
  };
}

async function writeAnew(paths: AccountPaths, bytes: Buffer): Promise<string> {
  const path = temporaryName(paths);
  await writeFile(path, bytes, { mode: PRIVATE_FILE_MODE, flag: "wx", flush: true });
  return path;
}

/** Moves a file to a name only if that is free. A plain rename would overwrite what a person has just written. */
async function moveExclusively(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return false;
    // No hard links here (some network and memory-card file systems, folders): look first, then rename.
    if (await fileExists(to)) return false;
    await rename(from, to);
    return true;
  }
  failpoint("activation.restoring");
  await unlink(from);
  return true;
}

async function identityOf(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function temporaryName(paths: AccountPaths): string {
  return `${paths.inflight}.${randomBytes(6).toString("hex")}`;
}
