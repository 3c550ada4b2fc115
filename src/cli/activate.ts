/**
 * `openclaw agentrux activate`: a one-time code becomes credentials, by the ritual a dropped `BOOTSTRAP.md` goes through,
 * so that a gateway that sees the file first does the work and exactly one of the two sends the code.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { activate, type Activation, keepSaving } from "../activation/activate.ts";
import { dropCode, inflightFiles } from "../activation/claim.ts";
import { findCode } from "../activation/code.ts";
import { redeemOverHttp } from "../activation/redeem.ts";
import type { Log } from "../activation/report.ts";
import { fileExists } from "../credentials/private-files.ts";
import type { StoredCredentials } from "../credentials/schema.ts";
import { loadCredentials } from "../credentials/store.ts";
import { isAgentruxError } from "../errors.ts";
import { systemSleep } from "../service/clock.ts";
import type { CliContext } from "./account.ts";
import { type CommandResult, done, failed, failedBy } from "./output.ts";

/** Longer than any activation call lasts. */
const ELSEWHERE_TIMEOUT_MS = 45_000;
const LOOK_EVERY_MS = 200;

/**
 * @param readCode The text that holds the code, asked for only when it is needed; empty when there is none. Never an
 * argument of the process: others can read those.
 */
export async function activateAccount(context: CliContext, readCode: () => Promise<string>): Promise<CommandResult> {
  const { paths, account } = context;
  const existing = await loadCredentials(paths);
  if (existing.kind === "ok") return alreadyActive(paths.credentials);
  if (!(await fileExists(paths.bootstrap))) {
    const found = findCode(await readCode());
    if (found.kind === "none")
      return failed("no_code", "There is no activation code in what was given: ac_... or act_...", 2);
    if (found.kind === "malformed") return failed("invalid_code", `${found.reason}.`, 2);
    if (!(await dropCode(paths, found.code))) {
      return failed("code_waiting", `Another code has just been put into ${paths.bootstrap}; it is used first.`);
    }
  }
  context.progress(`activating at ${account.baseUrl}`);
  const log = new Lines();
  try {
    return await conclude(context, await ritual(context, log), log);
  } catch (error) {
    const failure = failedBy(error);
    if (!isAgentruxError(error) || !error.retryable) return failure;
    const waits = `The code waits in ${paths.bootstrap}: a running gateway tries it again, and so does this command.`;
    return { ...failure, lines: [...failure.lines, waits] };
  } finally {
    context.progress(undefined);
  }
}

function alreadyActive(path: string): CommandResult {
  return failed(
    "already_activated",
    `The account is activated already, and the code was not touched. To activate anew, remove ${path} first.`,
  );
}

function ritual({ paths, account, now, signal }: CliContext, log: Log): Promise<Activation> {
  const redeem = redeemOverHttp(account.baseUrl);
  return activate({ paths, baseUrl: account.baseUrl, redeem, now: () => new Date(now()), signal, log });
}

async function conclude(context: CliContext, activation: Activation, log: Lines): Promise<CommandResult> {
  if (activation.kind === "ready") {
    if (activation.unsaved !== undefined) {
      context.progress("the credentials cannot be stored; trying again. Do not stop this command");
      const { signal } = new AbortController();
      await keepSaving(activation.unsaved, { sleep: systemSleep, random: Math.random, log, signal });
    }
    return activated(context, activation.credentials, log);
  }
  if (activation.outcome !== "no-file") return failed("refused", log.text || activation.reason);
  return await doneElsewhere(context);
}

/** A gateway was faster: what comes of it shows in the folder. */
async function doneElsewhere(context: CliContext): Promise<CommandResult> {
  const { paths, signal } = context;
  context.progress("a gateway has taken the code; waiting for it");
  for (let waited = 0; waited < ELSEWHERE_TIMEOUT_MS && !signal.aborted; waited += LOOK_EVERY_MS) {
    const loaded = await loadCredentials(paths);
    if (loaded.kind === "ok") return activated(context, loaded.credentials, new Lines());
    const waiting = (await inflightFiles(paths)).length > 0 || (await fileExists(paths.bootstrap));
    if (!waiting) break;
    await sleep(LOOK_EVERY_MS);
  }
  // Between the end of the claim and the credentials there is nothing to see for a moment.
  const loaded = await loadCredentials(paths);
  if (loaded.kind === "ok") return activated(context, loaded.credentials, new Lines());
  return failed(
    "refused",
    "A gateway took the code and got no credentials for it; its log and the .failed-*.json say why.",
  );
}

function activated({ account, paint }: CliContext, credentials: StoredCredentials, log: Lines): CommandResult {
  const { generation, baseUrl, clientId, scriptId } = credentials;
  const id = scriptId ?? clientId;
  const lines = [
    `${paint("good", "Activated")} ${account.accountId}: ${id} at ${baseUrl} (generation ${generation.toUpperCase()}).`,
    ...log.warnings,
    "A running gateway uses the credential within a second or two.",
  ];
  return done({ accountId: account.accountId, id, clientId, generation, baseUrl, warnings: log.warnings }, lines);
}

/** The ritual's log, kept for the end: only what a person has to know is told. */
class Lines implements Log {
  readonly #lines: { readonly level: keyof Log; readonly text: string }[] = [];

  info(line: string): void {
    this.#lines.push({ level: "info", text: line });
  }
  warn(line: string): void {
    this.#lines.push({ level: "warn", text: line });
  }
  error(line: string): void {
    this.#lines.push({ level: "error", text: line });
  }

  get warnings(): readonly string[] {
    return this.#lines.filter(({ level }) => level !== "info").map(({ text }) => text.replace(/^\[agentrux\] /, ""));
  }

  get text(): string {
    return this.warnings.join(" ");
  }
}
