/** Checks an account's folder: who may read it, whose it is, and what an activation left there. Changes nothing. */

import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { inflightFiles } from "../../activation/claim.ts";
import type { AccountPaths } from "../../credentials/home.ts";
import { errnoOf } from "../../credentials/private-files.ts";
import { newerSecret, useNewer } from "../../credentials/store.ts";
import { errorText } from "../../errors.ts";
import { duration } from "../output.ts";
import type { CheckReport, Finding } from "./finding.ts";

/** Access of anyone but the owner. */
const OTHERS = 0o077;
/** More files than an account ever has; beyond that only these are looked at. */
const MAX_FILES = 500;
/** No activation call lasts this long. */
const ORPHAN_AFTER_MS = 120_000;

interface Entry {
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly ctimeMs: number;
  readonly directory: boolean;
}

export async function checkFiles(paths: AccountPaths, now: number): Promise<CheckReport> {
  const report = (seen: string, findings: readonly Finding[]): CheckReport => ({ check: "files", seen, findings });
  const listed = await list(paths);
  if (typeof listed === "string") {
    const cure = `Make ${paths.dir} readable for the user who runs the gateway.`;
    return report("", [{ id: "files.unreadable", severity: "error", what: listed, where: paths.dir, cure }]);
  }
  if (listed.length === 0) return report(`${paths.dir} does not exist yet`, []);
  const findings = [
    ...(await stranded(paths)),
    ...openToOthers(paths, listed),
    ...othersFiles(listed),
    ...(await interrupted(paths, now)),
    ...waiting(paths, listed, now),
    ...quarantined(paths, listed),
  ];
  return report(`${paths.dir}, ${listed.length - 1} files, private`, findings);
}

async function list(paths: AccountPaths): Promise<Entry[] | string> {
  try {
    const names = (await readdir(paths.dir)).slice(0, MAX_FILES);
    const entries = await Promise.all([paths.dir, ...names.map((name) => join(paths.dir, name))].map(entryOf));
    return entries.filter((entry) => entry !== undefined);
  } catch (error) {
    return errnoOf(error) === "ENOENT" ? [] : `${paths.dir} cannot be read: ${errorText(error)}`;
  }
}

async function entryOf(path: string): Promise<Entry | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return undefined;
  return { path, mode: found.mode & 0o777, uid: found.uid, ctimeMs: found.ctimeMs, directory: found.isDirectory() };
}

async function stranded(paths: AccountPaths): Promise<Finding[]> {
  const newer = await newerSecret(paths);
  if (newer === undefined) return [];
  return [
    {
      id: "files.newer-secret",
      severity: "error",
      what: `A secret newer than that of ${paths.credentials} could not be stored there. The older one is dead, most likely.`,
      where: newer,
      cure: useNewer(paths, newer),
    },
  ];
}

function openToOthers(paths: AccountPaths, entries: readonly Entry[]): Finding[] {
  // Windows keeps access in ACLs; its mode bits say nothing about other users.
  if (process.platform === "win32") return [];
  const open = entries.filter(({ mode }) => (mode & OTHERS) !== 0);
  const secret = (path: string): boolean =>
    [paths.credentials, paths.cliToken, paths.bootstrap].some((file) => path.startsWith(file));
  return open.map(({ path, mode }) => ({
    id: "files.mode",
    severity: secret(path) ? "error" : "warning",
    what: `Other users of this machine can get at it (mode 0${mode.toString(8)}).`,
    where: path,
    cure: `chmod go= ${path}`,
  }));
}

function othersFiles(entries: readonly Entry[]): Finding[] {
  const self = process.getuid?.();
  // What belongs to somebody else is not a fault where root looks.
  if (self === undefined || self === 0) return [];
  const foreign = entries.filter(({ uid }) => uid !== self);
  return foreign.slice(0, 5).map(({ path, uid }) => ({
    id: "files.owner",
    severity: "error",
    what: `It belongs to another user (uid ${uid}), often after a command was run with sudo.`,
    where: path,
    cure: `sudo chown ${self} ${path}`,
  }));
}

async function interrupted(paths: AccountPaths, now: number): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const path of await inflightFiles(paths)) {
    const entry = await entryOf(path);
    if (entry === undefined || now - entry.ctimeMs < ORPHAN_AFTER_MS) continue;
    findings.push({
      id: "files.inflight",
      severity: "warning",
      what: `An activation was interrupted ${duration(now - entry.ctimeMs)} ago.`,
      where: path,
      cure: `openclaw agentrux recover${accountFlag(paths)}`,
    });
  }
  return findings;
}

/** A gateway takes the file within two seconds. */
function waiting(paths: AccountPaths, entries: readonly Entry[], now: number): Finding[] {
  const entry = entries.find(({ path }) => path === paths.bootstrap);
  if (entry === undefined || now - entry.ctimeMs < ORPHAN_AFTER_MS) return [];
  return [
    {
      id: "files.bootstrap-waiting",
      severity: "warning",
      what: `An activation code has been waiting for ${duration(now - entry.ctimeMs)}.`,
      where: paths.bootstrap,
      cure: `Start the gateway, or: openclaw agentrux activate${accountFlag(paths)}`,
    },
  ];
}

function quarantined(paths: AccountPaths, entries: readonly Entry[]): Finding[] {
  const kept = entries.filter(({ path, directory }) => !directory && isQuarantined(paths, path));
  const [newest] = kept.toSorted((one, other) => other.ctimeMs - one.ctimeMs);
  if (newest === undefined) return [];
  return [
    {
      id: "files.quarantined",
      severity: "info",
      what: `${kept.length} activation ${kept.length === 1 ? "file was" : "files were"} set aside.`,
      where: newest.path,
      cure: `Read ${newest.path}.json for the reason, then delete both.`,
    },
  ];
}

function isQuarantined(paths: AccountPaths, path: string): boolean {
  const name = basename(path);
  return name.startsWith(`${basename(paths.bootstrap)}.failed-`) && !name.endsWith(".json");
}

/** ` --account <id>` where it is needed. */
export function accountFlag({ accountId }: Pick<AccountPaths, "accountId">): string {
  return accountId === "default" ? "" : ` --account ${accountId}`;
}
