/** Owns what a command may use of the world around it. */

export interface CliIo {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly homeDir: string;
  /** Writes one line. */
  readonly stdout: (line: string) => void;
  /** Writes one line. */
  readonly stderr: (line: string) => void;
  /** Resolves when the process is asked to stop. Asking again changes nothing: the stop under way is bounded. */
  readonly stopRequested: () => Promise<void>;
}

/** What a command has to say when it is done. */
export interface CommandResult {
  /** For `--json`: the one document. */
  readonly json: unknown;
  /** For people. */
  readonly text: string;
  /** 1 when the command did its work and what it found is bad; 0 when absent. */
  readonly exitCode?: 0 | 1;
}

/** A command could not do its work. Says what went wrong and what to do. Exit status 1. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly code: string;

  constructor(code: string, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
