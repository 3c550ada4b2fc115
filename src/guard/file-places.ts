/**
 * Decides which files of this machine a turn that came from a topic may touch, by where a path really lies. What cannot
 * be told is refused.
 *
 *     reading   anywhere but in closed folders; where closed and open ones lie inside each other the innermost decides
 *     writing   only in the workspace, and nothing there that tells the agent who it is or that programs obey
 *     sealed    neither, whatever lies inside
 *
 * A path is taken in every way a tool might read it (`@`, `~`, `file:`, blanks around it, dots before and after links are
 * followed), and refused if one of them is. Case and Unicode forms of a closed name are one, as on some disks.
 */

import { lstat, realpath } from "node:fs/promises";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { NamedFiles } from "./file-call.ts";

/** All absolute. */
export interface FilePlaces {
  /** What a relative path starts from, and the only place to write to. */
  readonly workspace: string;
  /** What `~` may stand for. */
  readonly homes: readonly string[];
  /** Open to reading, inside a closed folder though they are. */
  readonly open: readonly string[];
  /** The same, for whoever knows the name of a file in them: they are not listed or searched. */
  readonly openByName: readonly string[];
  readonly closed: readonly string[];
  readonly sealed: readonly string[];
}

/** What the host shows the agent as its own instructions at the start of a session (page "Agent workspace"). */
const INSTRUCTIONS: readonly string[] = [
  "AGENTS.md",
  "SOUL.md",
  "TOOLS.md",
  "IDENTITY.md",
  "USER.md",
  "MEMORY.md",
  "HEARTBEAT.md",
  "BOOT.md",
  "BOOTSTRAP.md",
  "CLAUDE.md",
  "GEMINI.md",
  "SKILL.md",
  "HOOK.md",
];
/** Folders of the workspace out of which the host loads what it obeys. */
const INSTRUCTION_FOLDERS: readonly string[] = ["skills", "hooks"];

/** Where people's programs keep keys, below the home directory. */
export const KEY_STORES: readonly string[] = [
  ".ssh",
  ".gnupg",
  ".aws",
  ".azure",
  ".kube",
  ".docker",
  ".password-store",
  join(".config", "gcloud"),
  join(".config", "gh"),
  ".netrc",
  ".npmrc",
  ".pypirc",
  ".git-credentials",
];

/** The host's name for the workspace inside a sandbox. */
const CONTAINER_WORKSPACE = "/workspace";
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f]/g;
/** What the host cuts off the end of a path after the hook has seen it. */
const CUT_LATER = "</arg_value";

const CLOSED = "this place is closed to requests that come from a topic";
const UNTOLD = "this path cannot be followed to where it lies";
const ELSEWHERE = "requests that come from a topic may write files only inside the agent's workspace";
const INSTRUCTED = "requests that come from a topic may not change what tells the agent or a program what to do";

/** Why a call may not touch what it names; undefined when it may. */
export async function whyFilesRefused(files: NamedFiles, places: FilePlaces): Promise<string | undefined> {
  const judge = await judgeFor(files.access, places);
  const inContainer = (await lstat(CONTAINER_WORKSPACE).catch(() => undefined)) === undefined;
  const names = files.names.filter((name) => name.trim() !== "");
  for (const name of names) {
    const paths = pathsOf(name, places, inContainer);
    if (paths === undefined) return UNTOLD;
    for (const path of paths) {
      const real = await whereItLies(path);
      const reason = real === undefined ? UNTOLD : judge(real, resolve(path));
      if (reason !== undefined) return reason;
    }
  }
  return undefined;
}

/** Every path a tool might take this text for; undefined for what should be a path and is none. */
function pathsOf(text: string, places: FilePlaces, inContainer: boolean): ReadonlySet<string> | undefined {
  if (text.includes(CUT_LATER)) return undefined;
  const bare = text.replaceAll(CONTROL, "").trim();
  const paths = new Set<string>();
  for (const form of new Set([
    text.replaceAll(CONTROL, ""),
    bare,
    bare.replace(/^@+/, "").replace(/^media:(?=[/~.])/i, ""),
  ])) {
    if (/^[a-z][a-z0-9+.-]+:\/\//i.test(form) && !/^file:/i.test(form)) continue;
    const plain = /^file:/i.test(form) ? fromUrl(form) : form;
    if (plain === undefined) return undefined;
    for (const way of spelledOut(plain, places, inContainer)) {
      // Both: some tools take the dots out first, others leave them to the system, which follows links before.
      const absolute = isAbsolute(way) ? way : `${places.workspace}${sep}${way}`;
      paths.add(absolute).add(resolve(absolute));
    }
  }
  return paths;
}

function fromUrl(text: string): string | undefined {
  try {
    return fileURLToPath(text);
  } catch {
    return undefined;
  }
}

function spelledOut(path: string, { homes, workspace }: FilePlaces, inContainer: boolean): readonly string[] {
  if (/^~(?:$|[/\\])/.test(path)) return homes.map((home) => home + path.slice(1));
  if (inContainer && (path === CONTAINER_WORKSPACE || path.startsWith(`${CONTAINER_WORKSPACE}/`))) {
    return [workspace + path.slice(CONTAINER_WORKSPACE.length)];
  }
  return [path];
}

/** With all links followed, also those of the folders of a file that is not there; undefined when a link leads nowhere. */
async function whereItLies(path: string): Promise<string | undefined> {
  for (let there = path; ; there = dirname(there)) {
    const real = await realpath(there).catch(() => undefined);
    if (real !== undefined) return join(real, relative(there, path));
    if ((await lstat(there).catch(() => undefined)) !== undefined) return undefined;
    if (there === dirname(there)) return undefined;
  }
}

type Judge = (real: string, spelled: string) => string | undefined;

async function judgeFor(access: NamedFiles["access"], places: FilePlaces): Promise<Judge> {
  const workspaces = await asTheyLie([places.workspace]);
  const [open, byName, closed, sealed] = await Promise.all(
    [places.open, places.openByName, places.closed, places.sealed].map(asTheyLie),
  );
  const shut = [...(closed ?? []), ...(sealed ?? [])];
  const opened = [...workspaces, ...(open ?? []), ...(access === "read" ? (byName ?? []) : [])];
  const own = [...INSTRUCTIONS, ...INSTRUCTION_FOLDERS].map((name) => join(places.workspace, name));
  const instructions = access === "write" ? await asTheyLie(own) : [];

  const isClosed = (path: string): boolean =>
    innermost(sealed ?? [], path, true) >= 0 || innermost(closed ?? [], path, true) > innermost(opened, path);
  const holdsClosed = (path: string): boolean => shut.some((folder) => innermost([path], folder) >= 0);

  return (real, spelled) => {
    if (isClosed(folded(real)) || isClosed(folded(spelled))) return CLOSED;
    if (access === "walk" && holdsClosed(folded(real))) return CLOSED;
    if (access !== "write") return undefined;
    const roots = workspaces.filter((folder) => innermost([folder], folded(real)) >= 0 && folded(real) !== folder);
    if (roots.length === 0) return ELSEWHERE;
    if (innermost(instructions, folded(real)) >= 0) return INSTRUCTED;
    return [real, spelled].some((path) => roots.some((root) => instructs(root, folded(path)))) ? INSTRUCTED : undefined;
  };
}

/** Hidden files are there for programs: `.git/config` is as good as a command. */
function instructs(root: string, path: string): boolean {
  if (innermost([root], path) < 0) return false;
  const parts = path.slice(root.length).split(sep).filter(Boolean);
  return parts.some((part) => part.startsWith(".")) || INSTRUCTIONS.some((name) => folded(name) === parts.at(-1));
}

/** As they are spelled, for those that do not exist yet, and as they really lie. */
async function asTheyLie(folders: readonly string[]): Promise<readonly string[]> {
  const real = await Promise.all(folders.map((folder) => realpath(folder).catch(() => folder)));
  return [...new Set([...folders.map((folder) => resolve(folder)), ...real].map(folded))];
}

const folded = (path: string): string => path.normalize("NFKC").toLowerCase();

/**
 * Length of the longest of `folders` that is `path` or holds it; -1 when none does.
 *
 * @param copies Whether `x.bak` and its like count as `x`.
 */
function innermost(folders: readonly string[], path: string, copies = false): number {
  const holding = folders.filter((folder) => {
    if (!path.startsWith(folder)) return false;
    const next = path[folder.length];
    return next === undefined || next === sep || folder.endsWith(sep) || (copies && next === ".");
  });
  return Math.max(-1, ...holding.map(({ length }) => length));
}
