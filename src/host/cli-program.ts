/** The command line's grammar: options, help and examples, and which command of the cli room they lead to. */

import { randomUUID } from "node:crypto";
import type { OpenClawPluginApi } from "openclaw/plugin-sdk/core";
import { mimeTypeFromFilePath } from "openclaw/plugin-sdk/media-mime";
import { activateAccount } from "../cli/activate.ts";
import { doctor } from "../cli/doctor/doctor.ts";
import { actOnDeadLetter, inbox, listDeadLetters, showDeadLetter } from "../cli/journal.ts";
import { type CommandResult, failed, jsonLine } from "../cli/output.ts";
import { recover } from "../cli/recover.ts";
import { rotate } from "../cli/rotate.ts";
import { send } from "../cli/send.ts";
import { status } from "../cli/status.ts";
import { eventLine, tail } from "../cli/tail.ts";
import { topics } from "../cli/topics.ts";
import { setWaterline, showWaterline } from "../cli/waterline.ts";
import { accountKeys } from "../config/schema.ts";
import type { HostConfig } from "../config/places.ts";
import { readSmallFile } from "../credentials/read.ts";
import { AgentruxError } from "../errors.ts";
import { type Common, type Invocation, run, runForAll } from "./cli-run.ts";
import { tryGetRuntime } from "./runtime.ts";

type Registrar = Parameters<OpenClawPluginApi["registerCli"]>[0];
type Program = Parameters<Registrar>[0]["program"];

const EXIT_CODES = `
Exit codes: 0 done, 1 failed, 2 used wrongly, 3 not now (the same command can work later), 4 done with warnings.
Every command takes --json. All are safe while the gateway runs.`;

const DEFAULT_WAIT_S = 180;

export function buildProgram(root: Program, config: HostConfig): void {
  root.addHelpText(
    "after",
    `
Examples:
  openclaw agentrux status
  openclaw agentrux activate < code.txt
  openclaw agentrux send "Check disk usage" --account me --wait
  openclaw agentrux tail --topic results --json
  openclaw agentrux doctor
${EXIT_CODES}`,
  );
  addOverview(root, config);
  addActivation(root, config);
  addTopics(root, config);
  addWork(root, config);
}

/** A command of `parent` with the options every command has. */
function command(parent: Program, usage: string, description: string, examples: readonly string[] = []): Program {
  const made = parent
    .command(usage)
    .description(description)
    .option("--account <id>", "account (default: default)")
    .option("--json", "print JSON");
  const shown = examples.map((example) => `  openclaw agentrux ${example}`).join("\n");
  return examples.length === 0 ? made : made.addHelpText("after", `\nExamples:\n${shown}`);
}

function addOverview(root: Program, config: HostConfig): void {
  command(root, "status", "How every account stands; asks nobody", ["status", "status --json"]).action(
    (options: Common) => runForAll(config, options, (contexts) => status(contexts)),
  );
  command(root, "doctor", "Look at everything that can be wrong, and say what to do about it", [
    "doctor",
    "doctor --offline --json",
  ])
    .option("--offline", "ask nobody over the network")
    .action((options: Common & { readonly offline?: boolean }) =>
      runForAll(config, options, (contexts) => {
        const hostVersion = tryGetRuntime()?.version;
        return doctor(contexts, {
          online: options.offline !== true,
          nodeVersion: process.versions.node,
          ...(hostVersion === undefined ? {} : { hostVersion }),
        });
      }),
    );
}

interface ActivateFlags extends Common {
  readonly codeFile?: string;
}

function addActivation(root: Program, config: HostConfig): void {
  command(root, "activate", "Turn a one-time activation code into credentials", [
    "activate                      # asks for the code",
    "activate < code.txt",
    "activate --code-file code.txt --account me",
  ])
    .option("--code-file <path>", "file that holds the code; - is standard input")
    .action((options: ActivateFlags) =>
      run(config, options, (invocation) => activateAccount(invocation, () => codeFrom(invocation, options.codeFile))),
    );
  command(root, "recover", "Settle an activation that was interrupted", ["recover", "recover --yes --json"])
    .option("--yes", "do it without asking")
    .action((options: Common & { readonly yes?: boolean }) =>
      run(config, options, (invocation) =>
        recover(invocation, {
          yes: options.yes === true,
          confirm: (question) => invocation.terminal.confirm(question, invocation.signal),
        }),
      ),
    );
  command(root, "rotate", "Replace the client secret before it ends", ["rotate --yes"])
    .option("--yes", "do it without asking")
    .action((options: Common & { readonly yes?: boolean }) =>
      run(config, options, async (invocation) => {
        const question = "Replace the client secret? Other machines that hold the old one will be locked out.";
        const agreed = options.yes === true || (await invocation.terminal.confirm(question, invocation.signal));
        if (agreed === undefined) return failed("needs_confirmation", "Repeat the command with --yes.", 2);
        return agreed ? rotate(invocation) : failed("declined", "Nothing was changed.");
      }),
    );
}

async function codeFrom({ terminal, signal }: Invocation, codeFile: string | undefined): Promise<string> {
  if (codeFile === "-") return await terminal.readInput();
  if (codeFile === undefined) return await terminal.readSecret("Activation code (not shown): ", signal);
  try {
    const file = await readSmallFile(codeFile);
    if (file.kind === "file") return file.bytes.toString("utf8");
    throw new Error(file.reason);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new AgentruxError("invalid", `${codeFile} cannot be read: ${why}`, { cause });
  }
}

interface SendFlags extends Common {
  readonly topic?: string;
  readonly replyTopic?: string;
  readonly conversation?: string;
  readonly requestId?: string;
  readonly attach?: readonly string[];
  readonly wait?: boolean;
  readonly timeout?: string;
}

interface TailFlags extends Common {
  readonly topic?: string;
  readonly last?: string;
  readonly count?: string;
  readonly type?: string;
  readonly follow: boolean;
}

function addTopics(root: Program, config: HostConfig): void {
  command(root, "topics", "What the credential may read and write", ["topics", "topics --fresh --json"])
    .option("--fresh", "do not use a kept token: shows what was granted within the last hour")
    .action((options: Common & { readonly fresh?: boolean }) =>
      run(config, options, (invocation) => topics(invocation, { fresh: options.fresh === true })),
    );
  command(root, "send <text>", "Publish a request, and wait for its reply", [
    'send "Check disk usage" --account me --wait',
    'send "Summarise this" --attach report.pdf --wait --timeout 600 --json',
  ])
    .option("--topic <topic>", "topic to publish to (default: the command topic)")
    .option("--reply-topic <topic>", "topic the reply comes on (default: the result topic)")
    .option("--conversation <key>", "requests with the same key share a conversation")
    .option("--request-id <id>", "repeated, a request never runs twice (default: a new one)")
    .option(
      "--attach <file>",
      "attach a file; may be repeated",
      (file: string, before: readonly string[]) => [...before, file],
      [],
    )
    .option("--wait", "stay until the reply is there")
    .option("--timeout <seconds>", "how long to stay", String(DEFAULT_WAIT_S))
    .action((text: string, options: SendFlags) =>
      run(config, options, (invocation) => sendText(invocation, text, options)),
    );
  command(root, "tail", "Show a topic's events as they come; nobody's read position moves", [
    "tail",
    "tail --topic results --last 10 --no-follow",
    "tail --count 1 --json",
  ])
    .option("--topic <topic>", "commands, results, a name from messagingTopics, or a topic id", "commands")
    .option("--last <n>", "events to show first, 0 to 100", "10")
    .option("--count <n>", "end after so many events")
    .option("--type <type>", "only events of this type")
    .option("--no-follow", "end when what is there has been shown")
    .action((options: TailFlags) => run(config, options, (invocation) => tailTopic(invocation, options)));
}

async function sendText(invocation: Invocation, text: string, flags: SendFlags): Promise<CommandResult> {
  const seconds = integer(flags.timeout, "--timeout", 1, 86_400);
  const topicId = flags.topic === undefined ? undefined : topicIn(invocation, flags.topic, "--topic");
  const replyTopicId =
    flags.replyTopic === undefined ? undefined : topicIn(invocation, flags.replyTopic, "--reply-topic");
  return await send(invocation, {
    text,
    attach: flags.attach ?? [],
    requestId: flags.requestId ?? `cli-${randomUUID()}`,
    contentTypeOf: mimeTypeFromFilePath,
    ...(topicId === undefined ? {} : { topicId }),
    ...(replyTopicId === undefined ? {} : { replyTopicId }),
    ...(flags.conversation === undefined ? {} : { conversationKey: flags.conversation }),
    ...(flags.wait === true && seconds !== undefined ? { waitMs: seconds * 1_000 } : {}),
  });
}

async function tailTopic(invocation: Invocation, flags: TailFlags): Promise<CommandResult> {
  const { terminal, asJson } = invocation;
  const count = integer(flags.count, "--count", 1, Number.MAX_SAFE_INTEGER);
  return await tail(invocation, {
    topicId: topicIn(invocation, flags.topic ?? "commands", "--topic"),
    last: integer(flags.last, "--last", 0, 100) ?? 0,
    follow: flags.follow,
    ...(count === undefined ? {} : { count }),
    ...(flags.type === undefined ? {} : { type: flags.type }),
    show: (event) => terminal.out(asJson ? jsonLine(event) : eventLine(event, terminal.paint)),
  });
}

/** A topic as a person names it: a name from `messagingTopics`, what the account uses it for, or its id in either form. */
function topicIn({ account }: Invocation, name: string, option: string): string {
  const named = account.messagingTopics.find((topic) => topic.name === name);
  if (named !== undefined) return named.topicId;
  const used = { commands: account.commandTopicId, results: account.resultTopicId }[name];
  if (used !== undefined && used !== "") return used;
  const parsed = accountKeys.commandTopicId.safeParse(name);
  if (parsed.success) return parsed.data;
  const why =
    used === ""
      ? `the account has no topic for ${name}`
      : "must be commands, results, a name from messagingTopics, or a topic id";
  throw new AgentruxError("invalid", `${option}: ${why}`);
}

function integer(text: string | undefined, option: string, min: number, max: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw new AgentruxError("invalid", `${option} must be a whole number from ${min} to ${max}`);
}

function addWork(root: Program, config: HostConfig): void {
  command(root, "inbox", "Commands taken over and not yet answered").action((options: Common) =>
    run(config, options, ({ paths, now }) => inbox(paths, now())),
  );

  const letters = root
    .command("dead-letters")
    .description("Commands that failed for good, and replies that could not be sent");
  command(letters, "list", "The newest dead letters").action((options: Common) =>
    run(config, options, ({ paths, now }) => listDeadLetters(paths, now())),
  );
  command(letters, "show <id>", "One dead letter with its command").action((id: string, options: Common) =>
    run(config, options, ({ paths }) => withId(id, (number) => showDeadLetter(paths, number))),
  );
  command(letters, "replay <id>", "Run the command once more, or send the reply once more").action(
    (id: string, options: Common) =>
      run(config, options, ({ paths }) => withId(id, (number) => actOnDeadLetter(paths, "replay", number))),
  );
  command(letters, "drop <id>", "Forget a dead letter").action((id: string, options: Common) =>
    run(config, options, ({ paths }) => withId(id, (number) => actOnDeadLetter(paths, "drop", number))),
  );

  const waterline = root.command("waterline").description("How far the command topic has been read");
  command(waterline, "show", "The read position").action((options: Common) =>
    run(config, options, (invocation) => withCommandTopic(invocation, (id) => showWaterline(invocation.paths, id))),
  );
  command(waterline, "set <position>", "Move the read position, of a running gateway too").action(
    (position: string, options: Common) =>
      run(config, options, (invocation) =>
        withCommandTopic(invocation, (id) => setWaterline(invocation.paths, id, position)),
      ),
  );
}

function withId(text: string, use: (id: number) => Promise<CommandResult>): Promise<CommandResult> {
  const id = Number(text);
  if (Number.isSafeInteger(id) && id > 0) return use(id);
  return Promise.resolve(
    failed("invalid", `"${text.slice(0, 40)}" is not a dead letter's id; see: dead-letters list`, 2),
  );
}

function withCommandTopic({ account }: Invocation, use: (topicId: string) => Promise<CommandResult>) {
  return account.commandTopicId === ""
    ? Promise.resolve(failed("not_configured", `The account ${account.accountId} has no commandTopicId.`))
    : use(account.commandTopicId);
}
