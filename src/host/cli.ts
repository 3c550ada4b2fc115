/** `openclaw agentrux ...`: gives the commands of the cli room to the host's command line. */

import type { OpenClawPluginApi } from "openclaw/plugin-sdk/core";
import { actOnDeadLetter, inbox, listDeadLetters, showDeadLetter } from "../cli/journal.ts";
import { type CommandResult, failed, print } from "../cli/output.ts";
import { setWaterline, showWaterline } from "../cli/waterline.ts";
import { DEFAULT_ACCOUNT_ID, type HostConfig } from "../config/places.ts";
import { resolveAccountConfig } from "../config/resolve.ts";
import { type AccountPaths, accountPaths } from "../credentials/home.ts";
import { errorText, isAgentruxError } from "../errors.ts";

type Registrar = Parameters<OpenClawPluginApi["registerCli"]>[0];
type Program = Parameters<Registrar>[0]["program"];

interface Options {
  readonly account: string;
  readonly json?: boolean;
}

/** The command as the host's root help shows it; the manifest says the same. */
const DESCRIPTOR = {
  name: "agentrux",
  description: "Look after the AgenTrux channel: open commands, dead letters, read positions",
  hasSubcommands: true,
};

const terminal = {
  out: (line: string) => void process.stdout.write(`${line}\n`),
  err: (line: string) => void process.stderr.write(`${line}\n`),
};

async function run(options: Options, command: (paths: AccountPaths) => Promise<CommandResult>): Promise<void> {
  let result: CommandResult;
  try {
    result = await command(accountPaths(options.account));
  } catch (error) {
    result = failed(isAgentruxError(error) ? error.code : "unexpected", errorText(error));
  }
  print(result, options.json === true, terminal);
  process.exitCode = result.exitCode;
}

function withId(text: string, use: (id: number) => Promise<CommandResult>): Promise<CommandResult> {
  const id = Number(text);
  if (Number.isSafeInteger(id) && id > 0) return use(id);
  return Promise.resolve(
    failed("invalid", `"${text.slice(0, 40)}" is not a dead letter's id; see: dead-letters list`, 2),
  );
}

function withTopic(config: HostConfig, options: Options, use: (topicId: string) => Promise<CommandResult>) {
  const { commandTopicId } = resolveAccountConfig(config, options.account);
  return commandTopicId === ""
    ? Promise.resolve(failed("not_configured", `The account ${options.account} has no commandTopicId.`))
    : use(commandTopicId);
}

function build(program: Program, config: HostConfig): void {
  const root = program.command(DESCRIPTOR.name).description(DESCRIPTOR.description);
  const add = (parent: Program, usage: string, description: string) =>
    parent
      .command(usage)
      .description(description)
      .option("--account <id>", "account", DEFAULT_ACCOUNT_ID)
      .option("--json", "print one JSON document");

  add(root, "inbox", "Commands taken over and not yet answered").action((options: Options) =>
    run(options, (paths) => inbox(paths, Date.now())),
  );

  const letters = root
    .command("dead-letters")
    .description("Commands that failed for good, and replies that could not be sent");
  add(letters, "list", "The newest dead letters").action((options: Options) =>
    run(options, (paths) => listDeadLetters(paths, Date.now())),
  );
  add(letters, "show <id>", "One dead letter with its command").action((id: string, options: Options) =>
    run(options, (paths) => withId(id, (number) => showDeadLetter(paths, number))),
  );
  add(letters, "replay <id>", "Run the command once more, or send the reply once more").action(
    (id: string, options: Options) =>
      run(options, (paths) => withId(id, (number) => actOnDeadLetter(paths, "replay", number))),
  );
  add(letters, "drop <id>", "Forget a dead letter").action((id: string, options: Options) =>
    run(options, (paths) => withId(id, (number) => actOnDeadLetter(paths, "drop", number))),
  );

  const waterline = root.command("waterline").description("How far the command topic has been read");
  add(waterline, "show", "The read position").action((options: Options) =>
    run(options, (paths) => withTopic(config, options, (topicId) => showWaterline(paths, topicId))),
  );
  add(waterline, "set <position>", "Move the read position; only while no gateway runs").action(
    (position: string, options: Options) =>
      run(options, (paths) => withTopic(config, options, (topicId) => setWaterline(paths, topicId, position))),
  );
}

export function registerCli(api: OpenClawPluginApi): void {
  api.registerCli(({ program, config }) => build(program, config), { descriptors: [DESCRIPTOR] });
}
