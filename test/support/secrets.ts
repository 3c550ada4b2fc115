/** The real secrets of a test's run, and where they can be found again. */

import fs from "node:fs";
import path from "node:path";

/** Names of fields that hold a secret, in the files of the plugin and of the hub. */
const SECRET_FIELD = /secret|token|password|code/i;
const MIN_CHARS = 16;
/** Any access token, also one that lived in memory only. */
const JWT = /\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}/;

export class Secrets {
  readonly #known = new Set<string>();

  get size(): number {
    return this.#known.size;
  }

  /** @returns what it was given, so that it can be used in passing. */
  remember(secret: string): string {
    if (secret.length >= MIN_CHARS) this.#known.add(secret);
    return secret;
  }

  /** Remembers what the JSON files below `dir` hold in fields of secrets. */
  rememberFiles(dir: string): void {
    for (const file of filesBelow(dir, [])) if (file.endsWith(".json")) this.#rememberFields(readJson(file));
  }

  #rememberFields(value: unknown): void {
    if (typeof value !== "object" || value === null) return;
    for (const [name, field] of Object.entries(value)) {
      if (typeof field === "string" && SECRET_FIELD.test(name)) this.remember(field);
      else this.#rememberFields(field);
    }
  }

  /** Whether `text` shows a secret of this run, or anything that looks like an access token. */
  isShownIn(text: string): boolean {
    return JWT.test(text) || [...this.#known].some((secret) => text.includes(secret));
  }

  /** Files below `dir` that show one; `without` are folders and files left out. */
  filesShowing(dir: string, without: readonly string[]): readonly string[] {
    return filesBelow(dir, without).filter((file) => this.isShownIn(readOrNothing(file)));
  }

  /** Processes of this machine whose command line shows one; where there is a `/proc` to look into. */
  processesShowing(): readonly string[] {
    if (!fs.existsSync("/proc")) return [];
    return fs
      .readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => this.isShownIn(readOrNothing(`/proc/${pid}/cmdline`)));
  }
}

function filesBelow(dir: string, without: readonly string[]): readonly string[] {
  return fs.readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const at = path.join(dir, entry.name);
    // Nothing of the run is written there, and libraries bring tokens of their own as samples.
    if (without.includes(at) || entry.name === "node_modules") return [];
    if (entry.isDirectory()) return filesBelow(at, without);
    return entry.isFile() ? [at] : [];
  });
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(fs.readFileSync(file, "utf8")) as unknown;
  } catch {
    return undefined;
  }
}

function readOrNothing(file: string): string {
  try {
    return fs.readFileSync(file, "latin1");
  } catch {
    return "";
  }
}
