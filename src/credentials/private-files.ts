/** Owns privacy on disk: folders 0700, files 0600, repaired where wider, and names flushed to the disk. */

import { chmod, lstat, mkdir, open, stat } from "node:fs/promises";
import { AgentruxError, errorText } from "../errors.ts";

export const PRIVATE_DIRECTORY_MODE = 0o700;
export const PRIVATE_FILE_MODE = 0o600;

/** Something a person should know about a file, in one plain sentence without secrets. */
export interface Finding {
  readonly path: string;
  readonly kind: "repaired" | "not-repaired" | "recovered" | "set-aside";
  readonly text: string;
}

/** The errno code of a system error, such as `ENOENT`. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** Whether anything stands at `path`, a broken link included. @throws the system error, but not `ENOENT` */
export async function fileExists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
}

/** Wraps a system error of the disk. Retryable: a full or read-only disk can be put right while we run. */
export function diskError(what: string, cause: unknown): AgentruxError {
  return new AgentruxError("disk", `${what}: ${errorText(cause)}`, { retryable: true, cause });
}

/**
 * Creates `directories` where missing, outermost first, and closes them to other users.
 *
 * @returns what had to be repaired, or could not be.
 * @throws AgentruxError `disk` where a directory cannot be created.
 */
export async function ensurePrivateDirectories(directories: readonly string[]): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const directory of new Set(directories)) {
    try {
      await mkdir(directory, { recursive: true, mode: PRIVATE_DIRECTORY_MODE });
    } catch (error) {
      throw diskError(`cannot create ${directory}`, error);
    }
    findings.push(...(await narrow(directory, PRIVATE_DIRECTORY_MODE)));
  }
  return findings;
}

/**
 * Takes permissions away from group and others where `path`, a file or folder, has them. A missing path is not an
 * error; a device, a pipe or a folder in the place of a file is left alone, as it is not ours.
 */
export async function narrow(
  path: string,
  mode: typeof PRIVATE_DIRECTORY_MODE | typeof PRIVATE_FILE_MODE,
): Promise<Finding[]> {
  // Windows keeps access in ACLs; its mode bits say nothing about other users.
  if (process.platform === "win32") return [];
  try {
    const found = await stat(path);
    const had = found.mode & 0o777;
    const ours = mode === PRIVATE_DIRECTORY_MODE ? found.isDirectory() : found.isFile();
    if (!ours || (had & ~mode) === 0) return [];
    await chmod(path, had & mode);
    return [
      { path, kind: "repaired", text: `${path} was open to other users (${octal(had)}), now ${octal(had & mode)}` },
    ];
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    const text = `${path} may be open to other users and its mode cannot be changed: ${errorText(error)}`;
    return [{ path, kind: "not-repaired", text }];
  }
}

/**
 * Makes a rename or unlink in `directory` survive a power cut. Where the platform cannot sync a directory (Windows)
 * the entry is as durable as the file system makes it.
 */
export async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function octal(mode: number): string {
  return `0${mode.toString(8)}`;
}
