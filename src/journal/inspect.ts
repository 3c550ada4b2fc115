/**
 * Owns looking at a journal without touching it: whoever owns it goes on, a damaged file stays where it is, an old one is
 * not migrated.
 */

import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { AgentruxError, errorText } from "../errors.ts";
import { isOwned, lastOwner } from "./lock.ts";
import { SCHEMA_VERSION } from "./schema.ts";
import { sqliteFault } from "./sqlite-fault.ts";
import { openStore } from "./store.ts";
import type { JournalNumbers } from "./types.ts";

export interface JournalReport {
  readonly path: string;
  /** Whether a gateway has it open. */
  readonly owned: boolean;
  /** As far as it is known. */
  readonly ownerPid?: number;
  /** Of the file and its log. */
  readonly bytes: number;
  readonly condition:
    | { readonly kind: "sound" }
    /** Too large to be read through in a moment. */
    | { readonly kind: "unchecked" }
    | { readonly kind: "damaged"; readonly what: string }
    | { readonly kind: "other-release"; readonly version: number }
    | { readonly kind: "unreadable"; readonly what: string };
  /** Present where the journal can be read. */
  readonly numbers?: JournalNumbers;
}

/** Reading 1 GB takes seconds of disk that a gateway may be waiting for. */
const CHECK_LIMIT_BYTES = 256 * 1024 * 1024;
const BUSY_TIMEOUT_MS = 2_000;

/**
 * The state of the journal in `directory`; undefined when there is none.
 *
 * @throws AgentruxError `disk` when not even its lock can be read.
 * @example inspectJournal(paths.dir, "default")?.condition // { kind: "sound" }
 */
export function inspectJournal(directory: string, account: string): JournalReport | undefined {
  const path = join(directory, "journal.sqlite");
  if (!existsSync(path)) return undefined;
  const owned = isOwned(directory);
  const ownerPid = owned ? lastOwner(directory) : undefined;
  const bytes = sizeOf(path) + sizeOf(`${path}-wal`);
  const condition = conditionOf(path, bytes);
  const common = { path, owned, ...(ownerPid === undefined ? {} : { ownerPid }), bytes };
  if (condition.kind !== "sound" && condition.kind !== "unchecked") return { ...common, condition };
  try {
    return { ...common, condition, numbers: numbersOf(path, account) };
  } catch (error) {
    return { ...common, condition: { kind: "unreadable", what: errorText(error) } };
  }
}

function conditionOf(path: string, bytes: number): JournalReport["condition"] {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
    const version = Number(db.prepare("PRAGMA user_version").get()?.["user_version"]);
    if (version > 0 && version !== SCHEMA_VERSION) return { kind: "other-release", version };
    if (bytes > CHECK_LIMIT_BYTES) return { kind: "unchecked" };
    const [first] = db.prepare("PRAGMA quick_check(1)").all();
    const verdict = String(first?.["quick_check"]);
    return verdict === "ok" ? { kind: "sound" } : { kind: "damaged", what: verdict.replaceAll(/\s+/g, " ") };
  } catch (error) {
    const what = errorText(error);
    return { kind: sqliteFault(error).code === "journal_corrupt" ? "damaged" : "unreadable", what };
  } finally {
    db?.close();
  }
}

function numbersOf(path: string, account: string): JournalNumbers {
  const store = openStore({ path, asGuest: true });
  try {
    const [outcome] = store.run([{ account, operation: "numbers", args: [] }]);
    if (outcome === undefined) throw new AgentruxError("disk", "the journal did not answer");
    if ("error" in outcome) throw outcome.error;
    return outcome.value as JournalNumbers;
  } finally {
    store.close();
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
