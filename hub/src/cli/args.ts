/** Owns reading the command line: which command, which operands, which options; strictly, so that no typo passes. */
import { parseArgs } from "node:util";
import type { ParseArgsOptionsConfig } from "node:util";
import { UsageError } from "./usage.ts";

export interface CommandSpec {
  /** As it is written after the program's name. */
  readonly usage: string;
  /** Names of the operands; one that may be left out ends in a question mark. */
  readonly operands: readonly string[];
  readonly options: ParseArgsOptionsConfig;
}

export interface CommandArgs {
  readonly operands: readonly string[];
  /** @throws UsageError when the option is missing */
  required(option: string): string;
  optional(option: string): string | undefined;
  list(option: string): readonly string[];
  flag(option: string): boolean;
}

/** Options of every command. */
export const COMMON_OPTIONS: ParseArgsOptionsConfig = {
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
  data: { type: "string" },
  url: { type: "string" },
  "admin-token": { type: "string" },
};

/**
 * The name of the command a line starts with: its first one or two words, options left aside.
 * @throws UsageError when there is none, or it is not one of `known`
 */
export function commandName(argv: readonly string[], known: readonly string[]): string {
  const [first, second] = argv;
  const name = known.find((candidate) => candidate === first || candidate === `${first} ${second}`);
  if (name !== undefined) return name;
  if (first === undefined || first.startsWith("-")) {
    throw new UsageError("No command is given. `agentrux-hub --help` lists them.");
  }
  const related = known.filter((candidate) => candidate.startsWith(`${first} `));
  const what = second === undefined || second.startsWith("-") ? first : `${first} ${second}`;
  throw new UsageError(
    related.length > 0
      ? `Unknown command: ${what}. There is: ${related.join(", ")}.`
      : `Unknown command: ${first}. \`agentrux-hub --help\` lists the commands.`,
  );
}

/** @throws UsageError for an unknown option, a missing value, or a wrong number of operands */
export function parseCommand(spec: CommandSpec, argv: readonly string[]): CommandArgs {
  const { values, positionals } = parse(spec, argv);
  const missing = spec.operands.slice(positionals.length).find((name) => !name.endsWith("?"));
  if (missing !== undefined) throw usageError(spec, `${missing} is missing.`);
  if (positionals.length > spec.operands.length) {
    throw usageError(spec, `Unexpected: ${positionals.slice(spec.operands.length).join(" ")}.`);
  }
  const optional = (option: string): string | undefined => {
    const value = values[option];
    return typeof value === "string" ? value : undefined;
  };
  return {
    operands: positionals,
    optional,
    required(option) {
      const value = optional(option);
      if (value === undefined) throw usageError(spec, `--${option} is missing.`);
      return value;
    },
    list(option) {
      const value = values[option];
      return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
    },
    flag: (option) => values[option] === true,
  };
}

/** @throws UsageError when `value` is none of `allowed` */
export function oneOf<T extends string>(option: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw new UsageError(`--${option} must be ${allowed.join(" or ")}, not ${value}.`);
  return found;
}

/** @throws UsageError when `value` is no whole number from `min` to `max` */
export function wholeNumber(option: string, value: string, min: number, max: number): number {
  const number = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN;
  if (!(number >= min && number <= max)) {
    throw new UsageError(`--${option} must be a whole number from ${min} to ${max}, not ${value}.`);
  }
  return number;
}

function parse(spec: CommandSpec, argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: { ...COMMON_OPTIONS, ...spec.options },
      allowPositionals: true,
      strict: true,
    });
  } catch (error) {
    // Node's first sentence says what is wrong; the rest is advice on another way to write it.
    const what = error instanceof Error ? (error.message.split(". ")[0] ?? error.message) : String(error);
    throw usageError(spec, what.endsWith(".") ? what : `${what}.`);
  }
}

function usageError(spec: CommandSpec, what: string): UsageError {
  return new UsageError(`${what}\nUsage: agentrux-hub ${spec.usage}`);
}
