/**
 * `openclaw agentrux doctor`: looks at everything that can be wrong with an account, changes nothing, and says what to do
 * about each. The checks that need no network are the host's `openclaw doctor` as well.
 */

import type { HostConfig } from "../../config/places.ts";
import { cleanText } from "../../guard/text.ts";
import type { AccountPaths } from "../../credentials/home.ts";
import type { StoredCredentials } from "../../credentials/schema.ts";
import { peekCredentials } from "../../credentials/store.ts";
import type { CliContext } from "../account.ts";
import type { CommandResult, ExitCode } from "../output.ts";
import { type Paint, plain, type Tone } from "../paint.ts";
import { checkAccess } from "./access.ts";
import { checkAddress } from "./address.ts";
import { checkConfig, checkReleases, checkSettings } from "./config.ts";
import { checkCredentials } from "./credentials.ts";
import { checkFiles } from "./files.ts";
import { type CheckReport, type Finding, type Severity, worstOf } from "./finding.ts";
import { checkJournal } from "./journal.ts";
import { network, type NetworkPorts } from "./network.ts";
import { checkWaterline } from "./waterline.ts";
import { checkWorldKeys, checkWorldServer } from "./world.ts";

export interface DoctorOptions {
  /** The host's release, where it is known. */
  readonly hostVersion?: string;
  readonly nodeVersion: string;
  /** Whether the service may be asked. */
  readonly online: boolean;
  readonly network?: NetworkPorts;
}

const EXIT_CODES: Readonly<Record<Severity, ExitCode>> = { error: 1, warning: 4, info: 0 };
const WORDS: Readonly<Record<Severity, string>> = { error: "error", warning: "warning", info: "note" };
const LABEL_WIDTH = "warning".length;
const INDENT = " ".repeat(LABEL_WIDTH + 2);
const TONES: Readonly<Record<Severity, Tone>> = { error: "bad", warning: "warning", info: "muted" };

/** One context for each account to look at. */
export async function doctor(contexts: readonly CliContext[], options: DoctorOptions): Promise<CommandResult> {
  const reports = [checkReleases(options.hostVersion, options.nodeVersion)];
  const [first] = contexts;
  if (first !== undefined) reports.push(checkConfig(first.config, idsOf(contexts)));
  for (const context of contexts) {
    context.progress(`looking at ${context.account.accountId}`);
    reports.push(...(await offlineChecks(context.config, context)));
    if (options.online) reports.push(...(await onlineChecks(context, options.network ?? network)));
    context.progress(undefined);
  }
  const findings = reports.flatMap(findingsOf);
  const worst = worstOf(findings);
  const checks = reports.map(({ check, accountId, seen, findings: found }) => ({
    check,
    ...(accountId === undefined ? {} : { accountId }),
    ok: worstOf(found) === undefined,
    seen,
  }));
  const lines = [...reportLines(reports, contexts.length > 1, first?.paint ?? plain), summary(findings)];
  return { json: { worst: worst ?? null, findings, checks }, lines, exitCode: EXIT_CODES[worst ?? "info"] };
}

type OnDisk = Pick<CliContext, "paths" | "account" | "now">;

/** What the checks find that ask nobody over the network. */
export async function offlineFindings(config: HostConfig, accounts: readonly OnDisk[]): Promise<OriginedFinding[]> {
  const reports = [checkConfig(config, idsOf(accounts))];
  for (const account of accounts) reports.push(...(await offlineChecks(config, account)));
  return reports.flatMap(findingsOf);
}

function idsOf(accounts: readonly Pick<CliContext, "account">[]): string[] {
  return accounts.map(({ account }) => account.accountId);
}

async function offlineChecks(config: HostConfig, { paths, account, now }: OnDisk): Promise<CheckReport[]> {
  const at = now();
  const reports = [
    checkSettings(account),
    await checkFiles(paths, at),
    await checkCredentials(paths, at),
    checkJournal(paths, at),
    await checkWaterline(paths, account),
    checkWorldKeys(config, account, await storedCredentials(paths)),
  ];
  return reports
    .filter((report) => report !== undefined)
    .map((report) => ({ ...report, accountId: account.accountId }));
}

async function onlineChecks(context: CliContext, ports: NetworkPorts): Promise<CheckReport[]> {
  const { account, paths, now, signal } = context;
  const stored = await storedCredentials(paths);
  const baseUrl = account.baseUrlIsSet || stored === undefined ? account.baseUrl : stored.baseUrl;
  const address = { ...(await checkAddress(baseUrl, ports, now, signal)), accountId: account.accountId };
  const isDown = worstOf(address.findings) === "error";
  const access = isDown || stored === undefined ? undefined : await checkAccess(context);
  const world = await checkWorldServer(context, stored);
  const further = [access, world].filter((report) => report !== undefined);
  return [address, ...further.map((report) => ({ ...report, accountId: account.accountId }))];
}

async function storedCredentials(paths: AccountPaths): Promise<StoredCredentials | undefined> {
  const peeked = await peekCredentials(paths).catch(() => undefined);
  return peeked?.kind === "ok" ? peeked.credentials : undefined;
}

type OriginedFinding = Finding & Pick<CheckReport, "check" | "accountId">;

function findingsOf({ check, accountId, findings }: CheckReport): OriginedFinding[] {
  return findings.map((finding) => ({ ...finding, check, ...(accountId === undefined ? {} : { accountId }) }));
}

function reportLines(reports: readonly CheckReport[], several: boolean, paint: Paint): string[] {
  const nameOf = ({ check, accountId }: CheckReport) =>
    several && accountId !== undefined ? `${accountId}: ${check}` : check;
  const width = Math.max(...reports.map((report) => nameOf(report).length));
  const line = (tone: Tone, label: string, name: string, text: string) =>
    `${paint(tone, label.padEnd(LABEL_WIDTH))}  ${name.padEnd(width)}  ${cleanText(text, 500)}`;
  return reports.flatMap((report) =>
    report.findings.length === 0
      ? [line("good", "ok", nameOf(report), report.seen)]
      : report.findings.flatMap(({ severity, what, where, cure }) => [
          line(TONES[severity], WORDS[severity], nameOf(report), what),
          `${INDENT}${paint("muted", cleanText(where, 300))}`,
          `${INDENT}${cleanText(cure, 500)}`,
        ]),
  );
}

function summary(findings: readonly Finding[]): string {
  const counts = (["error", "warning", "info"] as const)
    .map((severity) => [findings.filter((finding) => finding.severity === severity).length, WORDS[severity]] as const)
    .filter(([count]) => count > 0)
    .map(([count, word]) => `${count} ${word}${count === 1 ? "" : "s"}`);
  return counts.length === 0 ? "Nothing is wrong." : `${counts.join(", ")}.`;
}
