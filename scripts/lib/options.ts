/** Owns the options of `npm start`. */

import path from "node:path";
import { parseArgs } from "node:util";

/** What the user asked for. */
export interface StartOptions {
  /** One command to ask; its reply is all that goes to stdout. */
  readonly ask: string | undefined;
  readonly fresh: boolean;
  /** `provider/model`, `scripted`, or undefined to go by the keys in the environment. */
  readonly model: string | undefined;
  /** Absolute path of the folder in which everything is kept. */
  readonly stateDir: string;
}

export const USAGE = `Usage: npm start -- [options]

Starts a hub and an OpenClaw gateway with the plugin in it, sends a first command, and gives you a prompt:
each line you type is published as a command, and the agent's reply is printed.

  --ask TEXT        ask one command, print only its reply on stdout, and stop
                    (npm prints two lines of its own before it; "npm -s start" does not)
  --fresh           forget what earlier runs left in the state folder, and begin anew
  --model REF       provider/model, such as anthropic/claude-opus-5 (its key comes from the environment),
                    or "scripted" for the scripted model even when a key is set
  --state DIR       keep everything in DIR instead of .demo
  --help            print this

Without --model: the real model whose key is set (ANTHROPIC_API_KEY or OPENAI_API_KEY), else the scripted one.
`;

/** Thrown for options nobody can follow; its message says which. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/**
 * Reads the command line.
 *
 * @returns `"help"` when help was asked for.
 * @throws UsageError
 */
export function parseOptions(argv: readonly string[], defaultStateDir: string): StartOptions | "help" {
  const values = parse(argv);
  if (values.help === true) return "help";
  if (values.ask !== undefined && values.ask.trim() === "") throw new UsageError("--ask needs a text");
  if (values.model !== undefined && !/^(scripted|[\w.-]+\/.+)$/.test(values.model)) {
    throw new UsageError(`--model takes provider/model or "scripted", not "${values.model}"`);
  }
  return {
    ask: values.ask,
    fresh: values.fresh === true,
    model: values.model,
    stateDir: path.resolve(values.state ?? defaultStateDir),
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        ask: { type: "string" },
        fresh: { type: "boolean" },
        model: { type: "string" },
        state: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}
