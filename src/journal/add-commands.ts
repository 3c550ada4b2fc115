/**
 * Writes rows of the table `commands`, many with one statement: every statement reads and writes the counter behind
 * AUTOINCREMENT, and costs a crossing into SQLite.
 */

import type { DatabaseSync } from "node:sqlite";
import type { AdmissionRow, CommandState } from "./types.ts";

const COLUMNS = "source, command_id, producer, lane, state, attempt, tries, received_at, body";
const VALUES = "(?, ?, ?, ?, ?, ?, ?, ?, ?)";
/** Measured: more make a statement no faster. */
const MANY = 8;

function stateOf(row: AdmissionRow): CommandState {
  if (row.replies !== undefined) return "replied";
  return row.begun ? "running" : "received";
}

function valuesOf(source: number, row: AdmissionRow, at: number): (string | number)[] {
  const attempts = row.begun ? 1 : 0;
  return [source, row.commandId, row.producer, row.lane, stateOf(row), attempts, attempts, at, row.body];
}

/** A row, and where it stands in its page. */
export interface PlacedRow {
  readonly row: AdmissionRow;
  readonly place: number;
}

/** Adds commands of one source, and tells the row id of each. */
export type AddCommands = (
  source: number,
  rows: readonly PlacedRow[],
  at: number,
  onAdded: (id: number, row: PlacedRow) => void,
) => void;

export function commandWriter(db: DatabaseSync): AddCommands {
  const statement = (rows: number) =>
    db.prepare(`INSERT INTO commands (${COLUMNS}) VALUES ${Array.from({ length: rows }, () => VALUES).join(", ")}`);
  const addOne = statement(1);
  const addMany = statement(MANY);

  return (source, rows, at, onAdded) => {
    for (let from = 0; from < rows.length;) {
      const many = rows.length - from >= MANY;
      const some = rows.slice(from, from + (many ? MANY : 1));
      const added = (many ? addMany : addOne).run(...some.flatMap(({ row }) => valuesOf(source, row, at)));
      // AUTOINCREMENT: the rows of one statement are numbered one after the other, in their order.
      const first = Number(added.lastInsertRowid) - some.length + 1;
      for (const [index, row] of some.entries()) onAdded(first + index, row);
      from += some.length;
    }
  };
}
