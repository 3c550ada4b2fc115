/**
 * Owns `waterline.json` as a file: read once, replaced atomically, 0600. A file that cannot be understood is kept under
 * another name. The original stays in place until a write replaces it, so that a crash in between does not turn "unknown"
 * into "never started".
 */

import { randomBytes } from "node:crypto";
import { copyFile, constants, link, readdir, rename, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import {
  diskError,
  errnoOf,
  type Finding,
  narrow,
  PRIVATE_FILE_MODE,
  syncDirectory,
} from "../credentials/private-files.ts";
import { readSmallFile } from "../credentials/read.ts";
import { stampedNames } from "../credentials/stamp.ts";
import { AgentruxError } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import { NO_POSITIONS, parsePositions } from "./positions.ts";
import type { LoadedPositions, PositionStore } from "./waterline.ts";

/** The read positions of an account in its file. */
export function waterlineFile(path: string, now: () => Date): PositionStore {
  return {
    load: () => load(path, now),
    save: async (text) => {
      try {
        failpoint("waterline.writing");
        await writeFileAtomic(path, text, {
          mode: PRIVATE_FILE_MODE,
          tmpfileCreated: () => failpoint("waterline.temporary"),
        });
        failpoint("waterline.renamed");
        await syncDirectory(dirname(path));
        failpoint("waterline.saved");
      } catch (error) {
        throw diskError(`cannot write ${path}`, error);
      }
    },
  };
}

async function load(path: string, now: () => Date): Promise<LoadedPositions> {
  const findings = await narrow(path, PRIVATE_FILE_MODE);
  try {
    const file = await readSmallFile(path);
    const parsed =
      file.kind === "file" ? parsePositions(file.bytes.toString("utf8")) : { ok: false as const, reason: file.reason };
    if (parsed.ok) return { positions: parsed.positions, findings };
    const corrupt = `${path} ${parsed.reason}`;
    return { positions: NO_POSITIONS, corrupt, findings: [...findings, await setAside(path, now, corrupt)] };
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return { positions: NO_POSITIONS, findings };
    throw error instanceof AgentruxError ? error : diskError(`cannot read ${path}`, error);
  }
}

/** Keeps an unreadable file under a second name; the write that replaces it leaves that one alone. */
async function setAside(path: string, now: () => Date, reason: string): Promise<Finding> {
  const kept = (await alreadyAside(path)) ?? (await keepAs(path, now()));
  return { path: kept, kind: "set-aside", text: `${reason}; it was kept as ${kept}` };
}

async function keepAs(path: string, at: Date): Promise<string> {
  for (const name of stampedNames(`${path}.corrupt-`, at, () => randomBytes(6).toString("hex"))) {
    try {
      await secondName(path, name);
      return name;
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw diskError(`cannot set ${path} aside`, error);
    }
  }
  return path;
}

async function secondName(path: string, name: string): Promise<void> {
  try {
    await link(path, name);
  } catch (error) {
    if (errnoOf(error) === "EEXIST") throw error;
    // No hard links here. A folder cannot be copied either, and nothing can be written in its place: it has to move.
    if ((await stat(path)).isDirectory()) await rename(path, name);
    else await copyFile(path, name, constants.COPYFILE_EXCL);
  }
}

/** The second name that an earlier start gave the file before any write replaced it. */
async function alreadyAside(path: string): Promise<string | undefined> {
  const { ino, dev } = await stat(path);
  for (const name of await readdir(dirname(path))) {
    if (!name.startsWith(`${basename(path)}.corrupt-`)) continue;
    const other = join(dirname(path), name);
    const found = await stat(other);
    if (found.ino === ino && found.dev === dev) return other;
  }
  return undefined;
}
