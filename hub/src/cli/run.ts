/** Owns one run of the command line: from its words to what is printed and the exit status. */
import { HubError } from "../errors.ts";
import { version } from "../version.ts";
import { commandName, parseCommand } from "./args.ts";
import type { Commands } from "./command.ts";
import { doctorCommands } from "./commands/doctor.ts";
import { requestCommands } from "./commands/requests.ts";
import { scriptCommands } from "./commands/scripts.ts";
import { startCommands } from "./commands/start.ts";
import { topicCommands } from "./commands/topics.ts";
import { webhookCommands } from "./commands/webhooks.ts";
import type { CliIo } from "./io.ts";
import { CliError } from "./io.ts";
import { HELP, UsageError } from "./usage.ts";

const COMMANDS: Commands = {
  ...startCommands,
  ...topicCommands,
  ...scriptCommands,
  ...webhookCommands,
  ...requestCommands,
  ...doctorCommands,
};

/** Runs a command line. @returns the exit status: 0 done, 1 failed, 2 wrong usage */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  const json = argv.includes("--json");
  try {
    if (argv.includes("--help") || argv.includes("-h")) return say(io, HELP);
    if (argv[0] === "--version") return say(io, version);
    const name = commandName(argv, Object.keys(COMMANDS));
    const command = COMMANDS[name];
    if (command === undefined) throw new UsageError(`Unknown command: ${name}.`);
    const result = await command.run(parseCommand(command, argv.slice(name.split(" ").length)), io);
    if (result !== undefined) io.stdout(json ? JSON.stringify(result.json) : result.text);
    return result?.exitCode ?? 0;
  } catch (error) {
    const { code, message } = describe(error);
    io.stderr(`agentrux-hub: ${message}`);
    if (json) io.stdout(JSON.stringify({ error: { code, message } }));
    return error instanceof UsageError ? 2 : 1;
  }
}

function say(io: CliIo, text: string): number {
  io.stdout(text);
  return 0;
}

function describe(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof UsageError) return { code: "USAGE", message: error.message };
  if (error instanceof CliError || error instanceof HubError) return { code: error.code, message: error.message };
  return { code: "INTERNAL", message: error instanceof Error ? error.message : String(error) };
}
