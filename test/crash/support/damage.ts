/** Damages a journal so that SQLite refuses the file and every row can still be read. */

import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** First page of the list of free pages, and their number (https://www.sqlite.org/fileformat.html, 1.3.9). */
const FREE_LIST_OFFSET = 32;

export function damageJournal(folder: string): void {
  const path = join(folder, "journal.sqlite");
  // The header counts only once nothing newer lies in the log.
  const db = new DatabaseSync(path);
  db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  db.close();
  const file = openSync(path, "r+");
  writeSync(file, Buffer.from("7fffffff7fffffff", "hex"), 0, 8, FREE_LIST_OFFSET);
  closeSync(file);
}
