/**
 * Owns the terminal: lines out, a progress line in place, and questions. Progress and questions go to the error stream, so
 * that what is piped on is the answer and nothing else; without a terminal there is neither.
 */

import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { AgentruxError } from "../errors.ts";
import { type Paint, paintFor } from "./paint.ts";

export interface Streams {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

export interface CliTerminal {
  readonly out: (line: string) => void;
  readonly err: (line: string) => void;
  readonly paint: Paint;
  readonly progress: (text: string | undefined) => void;
  /** Undefined where nobody can be asked. */
  readonly confirm: (question: string, signal: AbortSignal) => Promise<boolean | undefined>;
  /** A line typed without being shown; where nobody can be asked, all of standard input. */
  readonly readSecret: (question: string, signal: AbortSignal) => Promise<string>;
  /** All of standard input. */
  readonly readInput: () => Promise<string>;
}

/** No code and no note around it is longer. */
const MAX_INPUT_CHARS = 65_536;

export function terminalOf({ stdin, stdout, stderr }: Streams, asJson: boolean): CliTerminal {
  const asks = stdin.isTTY && stderr.isTTY;
  // A line that is written over needs a terminal that can; hasColors() also says no to NO_COLOR, dumb and unknown ones.
  const showsProgress = stderr.isTTY && stderr.hasColors() && !asJson;
  let shown = false;
  const clear = (): void => {
    if (shown) stderr.write("\r\u001B[K");
    shown = false;
  };
  const line = (stream: NodeJS.WriteStream) => (text: string) => {
    clear();
    stream.write(`${text}\n`);
  };
  const readInput = () => readAll(stdin);
  return {
    out: line(stdout),
    err: line(stderr),
    paint: paintFor(stdout),
    progress(text) {
      if (!showsProgress) return;
      clear();
      if (text === undefined) return;
      stderr.write(text.slice(0, Math.max((stderr.columns || 80) - 1, 20)));
      shown = true;
    },
    async confirm(question, signal) {
      if (!asks) return undefined;
      clear();
      const answer = await ask(stdin, stderr, `${question} [y/N] `, signal);
      return /^y(es)?$/i.test(answer.trim());
    },
    async readSecret(question, signal) {
      if (!asks) return await readInput();
      clear();
      stderr.write(question);
      const answer = await ask(stdin, new Writable({ write: (_chunk, _encoding, done) => done() }), "", signal);
      stderr.write("\n");
      return answer;
    },
    readInput,
  };
}

async function ask(
  input: NodeJS.ReadStream,
  output: NodeJS.WritableStream,
  question: string,
  signal: AbortSignal,
): Promise<string> {
  const lines = createInterface({ input, output, terminal: true });
  const stopped = new AbortController();
  lines.once("SIGINT", () => stopped.abort());
  lines.once("close", () => stopped.abort());
  try {
    return await lines.question(question, { signal: AbortSignal.any([signal, stopped.signal]) });
  } catch (cause) {
    throw new AgentruxError("aborted", "Stopped; nothing was changed.", { cause });
  } finally {
    lines.close();
  }
}

async function readAll(stdin: NodeJS.ReadStream): Promise<string> {
  let text = "";
  stdin.setEncoding("utf8");
  for await (const chunk of stdin) {
    text += String(chunk);
    if (text.length > MAX_INPUT_CHARS) throw new AgentruxError("invalid", "Standard input holds more than a code.");
  }
  return text;
}
