/** Owns what a command is. */
import type { CommandArgs, CommandSpec } from "./args.ts";
import type { CliIo, CommandResult } from "./io.ts";

export interface Command extends CommandSpec {
  /** `undefined` when the command has said everything itself. */
  readonly run: (args: CommandArgs, io: CliIo) => Promise<CommandResult | undefined>;
}

/** Commands by name. */
export type Commands = Readonly<Record<string, Command>>;
