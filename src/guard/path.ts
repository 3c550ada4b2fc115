/**
 * Decides which files may leave the machine, and opens them so that what is read is what was checked.
 *
 * A path is judged by where it really lies, all links followed: inside an allowed folder, and not inside one that is
 * closed. Where allowed and closed folders lie inside each other the innermost decides, except for sealed ones, in which
 * nothing is ever allowed. The file is opened once, and what is open is judged: by where the kernel says it lies, which
 * nobody can swap, and by its path, which must still name the very file. Where the kernel does not say (it does on Linux),
 * the path alone decides, and whoever swaps a folder three times at the right moments can be faster.
 */

import { constants } from "node:fs";
import { type FileHandle, open, readlink, realpath, stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { AgentruxError, isAgentruxError } from "../errors.ts";

/** All absolute; those that do not exist count for nothing. */
export interface PathRules {
  /** What a relative path starts from. */
  readonly base: string;
  readonly allowed: readonly string[];
  readonly closed: readonly string[];
  /** Closed, whatever lies inside. */
  readonly sealed: readonly string[];
}

export interface OpenedFile {
  readonly handle: FileHandle;
  readonly name: string;
  /** Bytes, when it was opened. */
  readonly size: number;
}

const MAX_PATH_CHARS = 4_096;
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f]/;
const SCHEME = /^[a-z][a-z0-9+.-]+:/i;
// A pipe that nobody writes to must not hold us up.
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Opens a file for reading. The caller closes the handle.
 *
 * @param reference A path, or a `file:` URL of this machine.
 * @throws AgentruxError `path_refused` when it may not leave, `file_unreadable` when there is no such file to read.
 */
export async function openAllowed(reference: string, rules: PathRules): Promise<OpenedFile> {
  const path = pathOf(reference, rules.base);
  const judge = await judgeFor(rules);
  const real = await realpath(path).catch(async (cause: unknown) => {
    // Whether a file exists is nobody's business either where none may be sent from.
    judge(await wherePathWouldLie(path));
    throw unreadable(reference, cause);
  });
  judge(real);
  const handle = await open(real, READ_FLAGS).catch((cause: unknown) => {
    throw unreadable(reference, cause);
  });
  try {
    const found = await handle.stat({ bigint: true });
    if (!found.isFile()) throw refused(`${shown(reference)} is not a regular file`);
    // A second name may lie anywhere, inside a closed folder too.
    if (found.nlink > 1n) throw refused(`${shown(reference)} is a hard link; copy the file instead`);
    const told = await whereItLies(handle);
    if (told !== undefined) judge(told);
    const now = await realpath(real);
    judge(now);
    const there = await stat(now, { bigint: true });
    if (there.dev !== found.dev || there.ino !== found.ino) throw refused(`${shown(reference)} was changed meanwhile`);
    return { handle, name: basename(path), size: Number(found.size) };
  } catch (error) {
    await handle.close();
    throw isAgentruxError(error) ? error : unreadable(reference, error);
  }
}

function pathOf(reference: string, base: string): string {
  if (reference.length > MAX_PATH_CHARS || CONTROL.test(reference) || reference.trim() === "") {
    throw refused("this is not a path");
  }
  if (!SCHEME.test(reference)) return resolve(base, reference);
  try {
    const url = new URL(reference);
    if (url.protocol === "file:" && url.host === "") {
      const path = fileURLToPath(url);
      if (!CONTROL.test(path)) return path;
    }
  } catch {
    // No URL, or one with an encoded slash: refused below.
  }
  throw refused(`${shown(reference)} is not a file of this machine`);
}

/** The path of an open file, however it was reached; undefined where the system does not say. */
async function whereItLies({ fd }: FileHandle): Promise<string | undefined> {
  return await readlink(`/proc/self/fd/${fd}`).catch(() => undefined);
}

/** The path of a file that is not there, with the links of the folders that are. */
async function wherePathWouldLie(path: string): Promise<string> {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const real = await realpath(folder).catch(() => undefined);
    if (real !== undefined) return join(real, relative(folder, path));
    if (folder === dirname(folder)) return path;
  }
}

/** The rules with their folders as they really are. */
async function judgeFor(rules: PathRules): Promise<(path: string) => void> {
  const [allowed, closed, sealed] = await Promise.all([rules.allowed, rules.closed, rules.sealed].map(realFolders));
  const innermost = (folders: readonly string[], path: string): number =>
    Math.max(-1, ...folders.filter((folder) => isInside(folder, path)).map((folder) => folder.length));
  return (path) => {
    const inAllowed = innermost(allowed ?? [], path);
    const inSealed = innermost(sealed ?? [], path);
    if (inAllowed > innermost(closed ?? [], path) && inSealed < 0) return;
    throw refused("only files inside the agent's workspace or the media folders may be sent; copy it there first");
  };
}

async function realFolders(folders: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(folders.map((folder) => realpath(folder).catch(() => undefined)));
  return found.filter((folder) => folder !== undefined);
}

/** Whether `path` lies inside `folder`; both absolute and real. */
function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

const shown = (reference: string): string => JSON.stringify(reference.slice(0, 200));

function refused(message: string): AgentruxError {
  return new AgentruxError("path_refused", message);
}

function unreadable(reference: string, cause: unknown): AgentruxError {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  // A link that was put there after the look-up.
  if (code === "ELOOP") return refused(`${shown(reference)} was changed meanwhile`);
  const why = code === "ENOENT" || code === "ENOTDIR" ? "does not exist" : `cannot be read (${code ?? "unknown"})`;
  return new AgentruxError("file_unreadable", `${shown(reference)} ${why}`, { cause });
}
