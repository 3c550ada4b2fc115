/**
 * Owns `credentials.json`: loading it with its modes repaired, and saving it so that a secret is never lost.
 *
 * A client secret is shown once. Whoever is about to spend a code for one first calls `prepareSave`, which proves that
 * the write will succeed; `commit` then has only to fill bytes that are already on disk and to rename. Should even that
 * fail, the secret stays in memory with the caller, goes into `credentials.json.recovered-<stamp>` where possible, and
 * `retry` tries again. A recovered file is taken up by the next load that finds no usable `credentials.json`; beside a
 * usable one that is older it is only told of, since nobody here knows which of the two the service takes.
 */

import { randomBytes } from "node:crypto";
import { link, lstat, open, readdir, rename, rm, stat, unlink, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import type { AgentruxError } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import type { AccountPaths } from "./home.ts";
import {
  diskError,
  ensurePrivateDirectories,
  errnoOf,
  type Finding,
  narrow,
  PRIVATE_DIRECTORY_MODE,
  PRIVATE_FILE_MODE,
  syncDirectory,
} from "./private-files.ts";
import { readSmallFile } from "./read.ts";
import { formatCredentials, parseCredentials, type StoredCredentials } from "./schema.ts";
import { stampedNames } from "./stamp.ts";

export type LoadResult =
  | { readonly kind: "ok"; readonly credentials: StoredCredentials; readonly findings: readonly Finding[] }
  | { readonly kind: "missing"; readonly findings: readonly Finding[] }
  /** `reason` is a plain sentence that names the file and the field, never a value. */
  | { readonly kind: "malformed"; readonly reason: string; readonly findings: readonly Finding[] };

/** Credentials that could not be stored. They live in memory until `retry` succeeds. */
export interface UnsavedCredentials {
  readonly kind: "unsaved";
  readonly cause: AgentruxError;
  /** Where a copy was left, when that worked. */
  readonly emergencyFile?: string;
  /** Tries again, and removes the emergency copy afterwards. @throws AgentruxError `disk` */
  retry(): Promise<void>;
}

export type CommitResult = { readonly kind: "saved"; readonly findings: readonly Finding[] } | UnsavedCredentials;

/** A write that is known to succeed as far as can be known beforehand. Use `commit` or `discard`, once. */
export interface PreparedSave {
  /** Never throws: what goes wrong is in the result, together with the means to try again. */
  commit(credentials: StoredCredentials): Promise<CommitResult>;
  discard(): Promise<void>;
}

/** More than any credentials file needs. */
const RESERVED_BYTES = 16 * 1024;
const RECOVERED_MARK = ".recovered-";
const RECOVERED = /^\.recovered-/;
/** No activation call lasts this long. */
const STALE_AFTER_MS = 3_600_000;

/**
 * Loads an account's credentials. Repairs the modes of folder and file, and takes up a recovered file when there is no
 * usable `credentials.json`.
 *
 * @throws AgentruxError `disk` where the file is there and cannot be read.
 */
export async function loadCredentials(paths: AccountPaths): Promise<LoadResult> {
  const findings = [
    ...(await narrow(paths.base, PRIVATE_DIRECTORY_MODE)),
    ...(paths.dir === paths.base ? [] : await narrow(paths.dir, PRIVATE_DIRECTORY_MODE)),
    ...(await narrow(paths.credentials, PRIVATE_FILE_MODE)),
  ];
  const own = await readCredentials(paths.credentials);
  if (own.kind === "ok") {
    const newer = await newerSecret(paths);
    if (newer !== undefined) findings.push({ path: newer, kind: "set-aside", text: newerSecretText(paths, newer) });
    return { ...own, findings };
  }
  return (await recover(paths, own.kind === "missing", findings)) ?? { ...own, findings };
}

/** The file with a secret newer than the one in a usable `credentials.json`, left by a write that failed. Never rejects. */
export async function newerSecret(paths: AccountPaths): Promise<string | undefined> {
  try {
    const own = await readCredentials(paths.credentials);
    if (own.kind !== "ok") return undefined;
    const { mtimeMs } = await stat(paths.credentials);
    for (const path of await filesLike(paths, RECOVERED)) {
      const left = await readCredentials(path);
      if (left.kind !== "ok" || sameSecret(left, own)) continue;
      if ((await stat(path)).mtimeMs >= mtimeMs) return path;
    }
  } catch {
    // What cannot be read here is told of by whoever needs it.
  }
  return undefined;
}

/** What a person is told of such a file. */
export function newerSecretText(paths: AccountPaths, newer: string): string {
  return `a secret newer than that of ${paths.credentials} lies in ${newer}: ${useNewer(paths, newer)}`;
}

/** Copied, not moved: nothing can be renamed onto a mounted file. */
export function useNewer(paths: AccountPaths, newer: string): string {
  return `cp ${newer} ${paths.credentials} && rm ${newer}`;
}

function sameSecret(one: PeekedCredentials, other: PeekedCredentials): boolean {
  if (one.kind !== "ok" || other.kind !== "ok") return false;
  const [{ clientId, clientSecret }, its] = [one.credentials, other.credentials];
  return clientId === its.clientId && clientSecret === its.clientSecret;
}

/** What stands in `credentials.json`, without repairing anything. @throws AgentruxError `disk` */
export function peekCredentials(paths: AccountPaths): Promise<PeekedCredentials> {
  return readCredentials(paths.credentials);
}

/**
 * Proves that credentials can be written, before anything irrevocable is done to obtain them: folder, target and space.
 *
 * @throws AgentruxError `disk` where they could not be.
 */
export async function prepareSave(paths: AccountPaths, now: () => Date): Promise<PreparedSave> {
  await ensurePrivateDirectories([paths.base, paths.dir]);
  await removeStale(paths, now);
  const temporary = `${paths.credentials}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await refuseUnusableTarget(paths.credentials);
    const handle = await open(temporary, "wx", PRIVATE_FILE_MODE);
    try {
      // Random bytes: a compressing file system would not set space aside for zeros.
      await handle.writeFile(randomBytes(RESERVED_BYTES));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await syncDirectory(paths.dir);
  } catch (error) {
    await rm(temporary, { force: true });
    throw diskError(`cannot write ${paths.credentials}`, error);
  }
  failpoint("credentials.reserved");
  return {
    commit: (credentials) => commit(paths, temporary, credentials, now),
    discard: () => rm(temporary, { force: true }),
  };
}

/** Removes what a process killed in mid-save has left. */
async function removeStale(paths: AccountPaths, now: () => Date): Promise<void> {
  for (const path of await filesLike(paths, /^\.[0-9a-f]{12}\.tmp$/)) {
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && now().getTime() - found.mtimeMs > STALE_AFTER_MS)
      await rm(path, { force: true }).catch(() => {});
  }
}

async function commit(
  paths: AccountPaths,
  temporary: string,
  credentials: StoredCredentials,
  now: () => Date,
): Promise<CommitResult> {
  const text = formatCredentials(credentials);
  const replaced = await readCredentials(paths.credentials).catch(() => undefined);
  let filled = false;
  try {
    await fill(temporary, text);
    filled = true;
    failpoint("credentials.filled");
    const unreadable = replaced === undefined || replaced.kind === "malformed";
    const findings = unreadable ? await keepUnreadable(paths, now) : [];
    await rename(temporary, paths.credentials);
    failpoint("credentials.renamed");
    await syncDirectory(paths.dir);
    failpoint("credentials.saved");
    return { kind: "saved", findings };
  } catch (error) {
    const emergencyFile = await leaveCopy(paths, filled ? temporary : undefined, text, now);
    await rm(temporary, { force: true }).catch(() => {});
    return unsaved(paths, credentials, replaced, emergencyFile, error);
  }
}

/** Puts `text` over the reserved bytes; the rest is cut off only when it is safe on disk. */
async function fill(temporary: string, text: string): Promise<void> {
  const bytes = Buffer.from(text);
  const handle = await open(temporary, "r+");
  try {
    for (let offset = 0; offset < bytes.length;) {
      offset += (await handle.write(bytes, offset, bytes.length - offset, offset)).bytesWritten;
    }
    await handle.truncate(bytes.length);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Keeps an existing file that we could not read: a person may still find their secret in it. */
async function keepUnreadable(paths: AccountPaths, now: () => Date): Promise<Finding[]> {
  const kept = await linkFree(paths.credentials, `${paths.credentials}.malformed-`, now);
  return kept === undefined
    ? [{ path: paths.credentials, kind: "not-repaired", text: `the malformed ${paths.credentials} was replaced` }]
    : [{ path: kept, kind: "set-aside", text: `the malformed ${paths.credentials} was kept as ${kept}` }];
}

/** Leaves the secret under the emergency name: the filled temporary file if there is one, as it needs no more space. */
async function leaveCopy(
  paths: AccountPaths,
  filled: string | undefined,
  text: string,
  now: () => Date,
): Promise<string | undefined> {
  const prefix = `${paths.credentials}${RECOVERED_MARK}`;
  const linked = filled === undefined ? undefined : await linkFree(filled, prefix, now);
  if (linked !== undefined) return linked;
  for (const path of stampedNames(prefix, now(), uniquePart)) {
    try {
      await writeFile(path, text, { mode: PRIVATE_FILE_MODE, flag: "wx", flush: true });
      return path;
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") return undefined;
    }
  }
  return undefined;
}

/** Gives `path` a second, stamped name that was free; undefined where the file system cannot. */
async function linkFree(path: string, prefix: string, now: () => Date): Promise<string | undefined> {
  for (const name of stampedNames(prefix, now(), uniquePart)) {
    try {
      await link(path, name);
      return name;
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") return undefined;
    }
  }
  return undefined;
}

function unsaved(
  paths: AccountPaths,
  credentials: StoredCredentials,
  replaced: PeekedCredentials | undefined,
  emergencyFile: string | undefined,
  error: unknown,
): UnsavedCredentials {
  const problem = `cannot write ${paths.credentials}`;
  return {
    kind: "unsaved",
    cause: diskError(problem, error),
    ...(emergencyFile !== undefined && { emergencyFile }),
    retry: async () => {
      try {
        const found = await readCredentials(paths.credentials);
        // Usable credentials that have appeared meanwhile are newer than ours. Those that we were to replace are dead.
        if (found.kind !== "ok" || replaced === undefined || sameSecret(found, replaced)) {
          await overwrite(paths.credentials, formatCredentials(credentials), emergencyFile !== undefined);
          const kept = await readCredentials(paths.credentials);
          if (!sameSecret(kept, { kind: "ok", credentials })) throw new Error("it does not hold what was written");
        }
        await syncDirectory(paths.dir);
      } catch (cause) {
        throw diskError(problem, cause);
      }
      if (emergencyFile !== undefined) await rm(emergencyFile, { force: true }).catch(() => {});
    },
  };
}

/** A mounted file cannot be replaced, only filled. That may break off half-way, so it takes a copy elsewhere. */
async function overwrite(path: string, text: string, hasCopy: boolean): Promise<void> {
  try {
    await writeFileAtomic(path, text, { mode: PRIVATE_FILE_MODE });
  } catch (error) {
    if (!hasCopy) throw error;
    await writeFile(path, text, { mode: PRIVATE_FILE_MODE, flush: true });
  }
}

export type PeekedCredentials =
  | { readonly kind: "ok"; readonly credentials: StoredCredentials }
  | { readonly kind: "missing" }
  | { readonly kind: "malformed"; readonly reason: string };

async function readCredentials(path: string): Promise<PeekedCredentials> {
  try {
    const file = await readSmallFile(path);
    if (file.kind === "unusable") return { kind: "malformed", reason: `${path} ${file.reason}` };
    const parsed = parseCredentials(file.bytes.toString("utf8"));
    if (parsed.ok) return { kind: "ok", credentials: parsed.credentials };
    return { kind: "malformed", reason: `${path}: ${parsed.reason}` };
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return { kind: "missing" };
    throw diskError(`cannot read ${path}`, error);
  }
}

/** Takes up the newest readable emergency copy, and moves it into place where the place is free. */
async function recover(
  paths: AccountPaths,
  placeIsFree: boolean,
  findings: Finding[],
): Promise<LoadResult | undefined> {
  for (const path of await filesLike(paths, RECOVERED)) {
    const read = await readCredentials(path);
    if (read.kind !== "ok") continue;
    findings.push({ path, kind: "recovered", text: `credentials were taken from ${path}, left by a failed write` });
    if (placeIsFree) {
      try {
        await link(path, paths.credentials);
        await unlink(path);
      } catch (error) {
        const text = `${path} could not be moved to ${paths.credentials} (${errnoOf(error) ?? "error"})`;
        findings.push({ path, kind: "not-repaired", text });
      }
    }
    return { kind: "ok", credentials: read.credentials, findings };
  }
  return undefined;
}

/** The files beside `credentials.json` whose names go on like this, newest stamp first. */
async function filesLike(paths: AccountPaths, rest: RegExp): Promise<string[]> {
  const dir = dirname(paths.credentials);
  const own = basename(paths.credentials);
  try {
    const names = (await readdir(dir)).filter((name) => name.startsWith(own) && rest.test(name.slice(own.length)));
    return names
      .toSorted()
      .toReversed()
      .map((name) => join(dir, name));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw diskError(`cannot read ${dir}`, error);
  }
}

async function refuseUnusableTarget(path: string): Promise<void> {
  try {
    if ((await lstat(path)).isDirectory()) throw new Error("it is a directory");
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}

function uniquePart(): string {
  return randomBytes(6).toString("hex");
}
