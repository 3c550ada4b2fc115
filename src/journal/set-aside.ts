/**
 * Owns what happens to a damaged journal: it is renamed, never deleted, and whatever can still be read of the open
 * work is carried over into the new file.
 */

import { existsSync, renameSync } from "node:fs";
import { DatabaseSync, type SQLInputValue, type SQLOutputValue } from "node:sqlite";
import { encodeKeys, type SeenKey, seenKey } from "./seen.ts";
import { isHeld, sqliteFault } from "./sqlite-fault.ts";

const BUSY_TIMEOUT_MS = 2_000;
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

/** Renames the file, first, and its companions: without it they are of no use, and it is without them. Returns the new name. */
export function setAside(path: string, at: number): string {
  const stamp = new Date(at).toISOString().replace(/[-:]/g, "").replace("T", "-").slice(0, 15);
  let name = `${path}.corrupt-${stamp}`;
  for (let n = 2; existsSync(name); n += 1) name = `${path}.corrupt-${stamp}-${n}`;
  for (const suffix of ["", "-wal", "-shm"]) {
    if (existsSync(path + suffix)) renameSync(path + suffix, name + suffix);
  }
  return name;
}

type Row = Readonly<Record<string, SQLOutputValue>>;

/** The rows of a table in one direction, until the damage is met. Returns whether none was. */
function* readable(from: DatabaseSync, table: string, order: "ASC" | "DESC"): Generator<Row, boolean> {
  let rows: Iterator<Row>;
  try {
    rows = from.prepare(`SELECT * FROM ${table} ORDER BY rowid ${order}`).iterate();
  } catch (error) {
    return damageOnly(error, false);
  }
  for (;;) {
    let next: IteratorResult<Row>;
    try {
      next = rows.next();
    } catch (error) {
      return damageOnly(error, false);
    }
    if (next.done === true) return true;
    yield next.value;
  }
}

/** Copies rows until the damage is met. A row that does not fit is left; a fault of the disk is not the row's. */
function copyRows(from: DatabaseSync, to: DatabaseSync, table: string, order: "ASC" | "DESC"): boolean {
  const rows = readable(from, table, order);
  for (let next = rows.next(); ; next = rows.next()) {
    if (next.done === true) return next.value;
    const columns = Object.keys(next.value);
    const places = columns.map(() => "?").join(", ");
    const values: SQLInputValue[] = Object.values(next.value);
    try {
      to.prepare(`INSERT OR IGNORE INTO ${table} (${columns.join(", ")}) VALUES (${places})`).run(...values);
    } catch (error) {
      if (sqliteFault(error).retryable) throw error;
    }
  }
}

/** What is read of a damaged file ends at the damage. A file that somebody else has locked is not damaged by that. */
function damageOnly<T>(error: unknown, value: T): T {
  if (isHeld(error)) throw error;
  return value;
}

function openDamaged(path: string): DatabaseSync | undefined {
  try {
    return new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
  } catch (error) {
    return damageOnly(error, undefined);
  }
}

/**
 * Answered commands whose reply is not whole any more: until the last part is published, every part has a row. The
 * first parts may be missing, as they are of a reply that an operator has sent again.
 */
const LOST_ITS_REPLY = `
  SELECT commands.id FROM commands LEFT JOIN replies ON replies.command = commands.id
  WHERE commands.state = 'replied' GROUP BY commands.id
  HAVING max(replies.part) - min(replies.part) + 1 IS NOT count(replies.id)
    OR NOT max(instr(replies.body, '"final":true'))`;

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
 * new ones begin far beyond any old one, so that a number held in memory never means another command. A turn that has to
 * run again answers under other ids where parts of its first answer may be out, and under the same where none is known
 * to be: there they keep it from being answered twice.
 *
 * @param newPath A journal without anything in it.
 * @throws what `node:sqlite` throws when the new file cannot be written
 */
export function rescue(damagedPath: string, newPath: string, at: number): void {
  const to = new DatabaseSync(newPath);
  const from = existsSync(damagedPath) ? openDamaged(damagedPath) : undefined;
  try {
    to.exec("PRAGMA foreign_keys = OFF; BEGIN");
    if (from !== undefined) {
      for (const table of TABLES) if (!copyRows(from, to, table, "ASC")) copyRows(from, to, table, "DESC");
    }
    // What a watch has told of is of use only as a whole.
    to.exec(`
      UPDATE watches SET basis = NULL;
      UPDATE commands
        SET state = iif(attempt > 0, 'running', 'received'), replays = replays + (id IN (SELECT command FROM replies))
        WHERE id IN (${LOST_ITS_REPLY});
      DELETE FROM replies WHERE command NOT IN (SELECT id FROM commands WHERE state = 'replied');
      DELETE FROM sqlite_sequence;
      INSERT INTO sqlite_sequence (name, seq) VALUES ('commands', ${at}), ('replies', ${at}), ('dead_letters', ${at});
    `);
    rememberCarriedOver(to, at);
    to.exec("COMMIT");
    // Moves everything into the one file that is renamed, and says so when it cannot: closing alone would not.
    to.exec("PRAGMA journal_mode = DELETE");
  } finally {
    from?.close();
    to.close();
  }
}
