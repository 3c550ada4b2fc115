/**
 * Knows what a call of the host's tools says about files: every text in it that may be a path, and whether the tool
 * writes. Pure.
 *
 * Of tools known to take free text that text is left out. Of all others every short text counts, whatever its parameter
 * is called: taking a word for a path costs nothing, missing a path would.
 */

export interface NamedFiles {
  /** As the call spells them. */
  readonly names: readonly string[];
  /**
   *     read   looks at what it names
   *     walk   looks at all that lies in it
   *     write  makes, changes or removes it
   */
  readonly access: "read" | "walk" | "write";
}

export type NamedFilesResult = ({ readonly ok: true } & NamedFiles) | { readonly ok: false; readonly reason: string };

/** The host's own tools and what other harnesses call theirs, without the marks between words. */
const WRITERS: ReadonlySet<string> = new Set([
  "write",
  "writefile",
  "createfile",
  "appendfile",
  "deletefile",
  "movefile",
  "edit",
  "editfile",
  "multiedit",
  "notebookedit",
  "strreplaceeditor",
  "strreplacebasededittool",
]);
const WALKERS: ReadonlySet<string> = new Set(["grep", "find", "ls", "glob", "tree", "listdir", "listdirectory"]);
/** What writers put into files. */
const CONTENT: ReadonlySet<string> = new Set([
  "content",
  "contents",
  "text",
  "oldText",
  "newText",
  "old_text",
  "new_text",
  "oldString",
  "newString",
  "old_string",
  "new_string",
  "old_str",
  "new_str",
  "insert_text",
  "file_text",
  "new_source",
]);
const NOTHING: ReadonlySet<string> = new Set();

const MAX_NAMES = 1_000;
const MAX_DEPTH = 8;
const MAX_PATH_CHARS = 4_096;

/** The headers of a patch, read more generously than the host reads them (page "apply_patch tool"). */
const PATCH_HEADER = /^\s*\*{3}\s*(?:(?:add|delete|update)\s+file|move\s+to)\s*:\s?(.*)$/i;

const compact = (toolName: string): string => toolName.toLowerCase().replaceAll(/[^a-z0-9]/g, "");

/**
 * @example namedFiles("edit", { path: "notes.md", edits: [{ oldText: "a", newText: "b" }] })
 *   // { ok: true, names: ["notes.md"], access: "write" }
 */
export function namedFiles(toolName: string, params: Readonly<Record<string, unknown>>): NamedFilesResult {
  const tool = compact(toolName);
  const isWriter = WRITERS.has(tool);
  const texts = textsIn(params, isWriter ? CONTENT : NOTHING);
  if (texts === undefined)
    return { ok: false, reason: `the call of ${toolName.slice(0, 40)} is too large to look through` };
  if (tool === "applypatch") return patched(texts);
  if (isWriter) return { ok: true, names: texts, access: "write" };
  const names = texts.filter(isShort);
  if (!WALKERS.has(tool)) return { ok: true, names, access: "read" };
  return { ok: true, names: saysWhere(params) ? names : [...names, "."], access: "walk" };
}

/** Whether a search says where it begins; if not, it begins in the workspace. */
function saysWhere(params: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(params).some(
    ([name, value]) => /path|dir|folder|root|cwd/i.test(name) && typeof value === "string" && value.trim() !== "",
  );
}

function patched(texts: readonly string[]): NamedFilesResult {
  const names = texts.flatMap((text) => text.split(/\r\n|\n|\r/)).flatMap((line) => PATCH_HEADER.exec(line)?.[1] ?? []);
  return names.length === 0 ? { ok: false, reason: "this patch names no file" } : { ok: true, names, access: "write" };
}

/** A text of several lines is none that a reading tool takes for a path. */
function isShort(text: string): boolean {
  return text.length <= MAX_PATH_CHARS && !/[\r\n]/.test(text.trim());
}

/** All texts, those that stand as names of parameters included; undefined when there are too many. */
function textsIn(params: unknown, without: ReadonlySet<string>): string[] | undefined {
  const texts: string[] = [];
  const collect = (value: unknown, depth: number): boolean => {
    if (texts.length > MAX_NAMES || depth > MAX_DEPTH) return false;
    if (typeof value === "string") {
      texts.push(value);
      return true;
    }
    if (typeof value !== "object" || value === null) return true;
    if (Array.isArray(value)) return value.every((item) => collect(item, depth + 1));
    return Object.entries(value).every(([name, item]) => {
      if (/[/\\~]/.test(name)) texts.push(name);
      return without.has(name) || collect(item, depth + 1);
    });
  };
  return collect(params, 0) ? texts : undefined;
}
