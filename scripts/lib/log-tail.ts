/** Owns quoting the end of a log file in an error. */

import fs from "node:fs";

const MAX_LINES = 15;
const MAX_BYTES = 16 * 1024;

/** The last lines a file got after byte `from`; says so when there are none. */
export function logTail(file: string, from = 0): string {
  let size: number;
  try {
    size = fs.statSync(file).size;
  } catch {
    return "(no log)";
  }
  const start = Math.max(from, size - MAX_BYTES);
  const buffer = Buffer.alloc(Math.max(0, size - start));
  const fd = fs.openSync(file, "r");
  try {
    fs.readSync(fd, buffer, 0, buffer.length, start);
  } finally {
    fs.closeSync(fd);
  }
  return buffer.toString("utf8").trim().split("\n").slice(-MAX_LINES).join("\n") || "(the log is empty)";
}
