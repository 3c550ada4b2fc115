/** How a command of `openclaw agentrux` answers: one JSON document, or lines for a person; and its exit code. */

export interface CommandResult {
  /** Printed with `--json`, as one line. */
  readonly json: unknown;
  /** Printed otherwise. */
  readonly lines: readonly string[];
  /** 0 done, 1 failed, 2 used wrongly. */
  readonly exitCode: 0 | 1 | 2;
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
export function failed(code: string, message: string, exitCode: 1 | 2 = 1): CommandResult {
  return { json: { error: { code, message } }, lines: [message], exitCode };
}

/** Prints a result; a failure goes to the error stream unless a program asked for JSON. */
export function print(result: CommandResult, asJson: boolean, terminal: Terminal): void {
  if (asJson) terminal.out(JSON.stringify(result.json));
  else for (const line of result.lines) (result.exitCode === 0 ? terminal.out : terminal.err)(line);
}

/** Columns padded to their widest cell. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const format = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
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
