/** Runs one command: its account, its terminal, Ctrl-C, and the exit code. */

import { type CliContext, cliAccount } from "../cli/account.ts";
import { type CommandResult, failedBy, print } from "../cli/output.ts";
import { type CliTerminal, terminalOf } from "../cli/terminal.ts";
import { DEFAULT_ACCOUNT_ID, type HostConfig, listAccountIds } from "../config/places.ts";
import { accountPaths } from "../credentials/home.ts";

/** The options every command has. */
export interface Common {
  readonly account?: string;
  readonly json?: boolean;
}

/** What a command of one account is given. */
export interface Invocation extends CliContext {
  readonly terminal: CliTerminal;
  readonly asJson: boolean;
}

/** Runs a command of one account, `default` unless another is named. */
export function run(
  config: HostConfig,
  options: Common,
  use: (invocation: Invocation) => Promise<CommandResult>,
): Promise<void> {
  return perform(options, (terminal, signal) => use(invocationOf(config, options, terminal, signal)));
}

/** Runs a command of the account that is named, otherwise of all that are configured. */
export function runForAll(
  config: HostConfig,
  options: Common,
  use: (invocations: readonly Invocation[]) => Promise<CommandResult>,
): Promise<void> {
  return perform(options, (terminal, signal) => {
    const configured = listAccountIds(config);
    const ids = options.account !== undefined ? [options.account] : configured.length > 0 ? configured : [undefined];
    return use(
      ids.map((account) =>
        invocationOf(config, { ...options, ...(account === undefined ? {} : { account }) }, terminal, signal),
      ),
    );
  });
}

function invocationOf(config: HostConfig, options: Common, terminal: CliTerminal, signal: AbortSignal): Invocation {
  const accountId = options.account ?? DEFAULT_ACCOUNT_ID;
  return {
    config,
    paths: accountPaths(accountId),
    account: cliAccount(config, accountId),
    now: () => Date.now(),
    paint: terminal.paint,
    progress: terminal.progress,
    signal,
    terminal,
    asJson: options.json === true,
  };
}

async function perform(
  options: Common,
  use: (terminal: CliTerminal, signal: AbortSignal) => Promise<CommandResult>,
): Promise<void> {
  const asJson = options.json === true;
  const terminal = terminalOf(process, asJson);
  const stop = new AbortController();
  const onStop = (): void => stop.abort();
  process.on("SIGINT", onStop).on("SIGTERM", onStop);
  endWhenNobodyReads(onStop);
  let result: CommandResult;
  try {
    result = await use(terminal, stop.signal);
  } catch (error) {
    result = failedBy(error);
  } finally {
    process.off("SIGINT", onStop).off("SIGTERM", onStop);
    terminal.progress(undefined);
  }
  print(result, asJson, terminal);
  process.exitCode = result.exitCode;
}

let onNobodyReads = (): void => {};

/** Whoever reads the output may have had enough, as in `tail | head -1`. Also what is still on its way then is no error. */
function endWhenNobodyReads(stop: () => void): void {
  onNobodyReads = stop;
  if (!process.stdout.listeners("error").includes(outputClosed)) process.stdout.on("error", outputClosed);
}

function outputClosed(): void {
  onNobodyReads();
}
