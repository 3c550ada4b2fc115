/**
 * Owns what happens to a damaged journal: it is renamed, never deleted, and whatever can still be read of the open
 * work is carried over into the new file.
 */

import { existsSync, renameSync } from "node:fs";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { encodeKeys, type SeenKey, seenKey } from "./seen.ts";

const TABLES = ["sources", "seen", "commands", "replies", "dead_letters", "watches"] as const;

/** What an operator is told. */
export interface JournalFinding {
  readonly code: "journal_corrupt";
  /** Where the damaged file lies now. */
  readonly setAside: string;
  /** Open commands carried over. */
  readonly rescued: number;
  readonly message: string;
}

/** Renames the file and its companions. Returns the new name. */
export function setAside(path: string, at: number): string {
  const stamp = new Date(at).toISOString().replace(/[-:]/g, "").replace("T", "-").slice(0, 15);
  let name = `${path}.corrupt-${stamp}`;
  for (let n = 2; existsSync(name); n += 1) name = `${path}.corrupt-${stamp}-${n}`;
  for (const suffix of ["-wal", "-shm", ""]) {
    if (existsSync(path + suffix)) renameSync(path + suffix, name + suffix);
  }
  return name;
}

/** Copies rows in one direction until the damage is met. */
function copyRows(from: DatabaseSync, to: DatabaseSync, table: string, order: "ASC" | "DESC"): boolean {
  try {
    for (const row of from.prepare(`SELECT * FROM ${table} ORDER BY rowid ${order}`).iterate()) {
      const columns = Object.keys(row);
      const places = columns.map(() => "?").join(", ");
      const values: SQLInputValue[] = Object.values(row);
      to.prepare(`INSERT OR IGNORE INTO ${table} (${columns.join(", ")}) VALUES (${places})`).run(...values);
    }
    return true;
  } catch {
    return false;
  }
}

/**
 * Remembers the ids of the carried-over commands once more: damage inside a block of ids goes unnoticed, and a command
 * that is open again must not be taken over a second time.
 */
function rememberCarriedOver(to: DatabaseSync, at: number): void {
  const keysOf = new Map<string, SeenKey[]>();
  const open = "SELECT s.account, c.command_id FROM commands c JOIN sources s ON s.id = c.source";
  for (const row of to.prepare(open).iterate()) {
    const account = String(row["account"]);
    const keys = keysOf.get(account) ?? [];
    keys.push(seenKey(String(row["command_id"])));
    keysOf.set(account, keys);
  }
  const insert = to.prepare("INSERT INTO seen (account, newest_at, keys) VALUES (?, ?, ?)");
  for (const [account, keys] of keysOf) insert.run(account, at, encodeKeys(keys));
}

/**
 * Carries over what can be read, from both ends of each table towards the damage. Row numbers stay as they were, and
 * new ones begin far beyond any old one, so that a number held in memory never means another command.
 */
export function rescue(damagedPath: string, newPath: string, at: number): number {
  const to = new DatabaseSync(newPath);
  try {
    to.exec("PRAGMA foreign_keys = OFF");
    try {
      const from = new DatabaseSync(damagedPath, { readOnly: true });
      try {
        for (const table of TABLES) {
          to.exec("BEGIN");
          if (!copyRows(from, to, table, "ASC")) copyRows(from, to, table, "DESC");
          to.exec("COMMIT");
        }
      } finally {
        from.close();
      }
    } catch {
      // Nothing can be read: the new journal starts empty.
    }
    // What a watch has told of is of use only as a whole.
    to.exec(`
      UPDATE watches SET basis = NULL;
      DELETE FROM replies WHERE command NOT IN (SELECT id FROM commands);
      DELETE FROM sqlite_sequence;
      INSERT INTO sqlite_sequence (name, seq) VALUES ('commands', ${at}), ('replies', ${at}), ('dead_letters', ${at});
    `);
    rememberCarriedOver(to, at);
    return Number(to.prepare("SELECT count(*) AS n FROM commands").get()?.["n"]);
  } finally {
    to.close();
  }
}
