/** How a command of `openclaw agentrux` answers: one JSON document, or lines for a person; and its exit code. */

import { stripVTControlCharacters } from "node:util";
import { errorText, isAgentruxError } from "../errors.ts";
import { jsonText } from "../guard/json-text.ts";

/**
 * 0 done; 1 failed; 2 used wrongly; 3 not now, the same command can work later; 4 done, with warnings (`doctor`).
 */
export type ExitCode = 0 | 1 | 2 | 3 | 4;

export interface CommandResult {
  /** Printed with `--json`, as one line; undefined where everything was printed on the way. */
  readonly json: unknown;
  /** Printed otherwise. */
  readonly lines: readonly string[];
  readonly exitCode: ExitCode;
}

/** The sinks of a terminal. */
export interface Terminal {
  readonly out: (line: string) => void;
  readonly err: (line: string) => void;
}

export function done(json: unknown, lines: readonly string[]): CommandResult {
  return { json, lines, exitCode: 0 };
}

/** What went wrong and what to do, in one sentence each. */
export function failed(code: string, message: string, exitCode: 1 | 2 | 3 = 1): CommandResult {
  return { json: { error: { code, message } }, lines: [message], exitCode };
}

/** A failure out of an error: what may work later is told apart by its exit code. */
export function failedBy(error: unknown): CommandResult {
  if (!isAgentruxError(error)) return failed("unexpected", errorText(error));
  const { code, kind, retryable, retryAfterMs } = error;
  const later = retryAfterMs === undefined ? "" : ` Try again in ${duration(retryAfterMs)}.`;
  const message = `${errorText(error)}${later}`;
  return {
    json: { error: { code, message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) } },
    lines: [message],
    // Refused before anything was sent: what was asked for makes no sense.
    exitCode: retryable ? 3 : code === "invalid" && kind === "local" ? 2 : 1,
  };
}

/**
 * Prints a result. A failure goes to the error stream unless a program asked for JSON; bad news that was asked for (a
 * status, a finding) is no failure.
 */
export function print({ json, lines }: CommandResult, asJson: boolean, terminal: Terminal): void {
  if (asJson) {
    if (json !== undefined) terminal.out(jsonLine(json));
    return;
  }
  const isFailure = typeof json === "object" && json !== null && "error" in json;
  for (const line of lines) (isFailure ? terminal.err : terminal.out)(line);
}

/** One line of JSON. What a terminal could take for a command is escaped: strangers write to topics. */
export function jsonLine(value: unknown): string {
  return jsonText(value).replace(
    /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Columns padded to their widest cell; colours take no room. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widthOf = (cell: string) => stripVTControlCharacters(cell).length;
  const widths = head.map((title, column) =>
    Math.max(widthOf(title), ...rows.map((row) => widthOf(row[column] ?? ""))),
  );
  const format = (row: readonly string[]) =>
    row
      .map((cell, column) => cell + " ".repeat(Math.max(0, (widths[column] ?? 0) - widthOf(cell))))
      .join("  ")
      .trimEnd();
  return [format(head), ...rows.map(format)];
}

/** `3 s`, `12 min`, `2.5 h`, `4 d`. */
export function duration(ms: number): string {
  const seconds = Math.max(ms, 0) / 1000;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3_600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 86_400) return `${(seconds / 3_600).toFixed(1)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}
