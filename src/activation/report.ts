/** Owns what a ritual says in the log. The lines of behaviour spec 1.2 are part of the observable contract, to the letter. */

import type { AccountPaths } from "../credentials/home.ts";
import type { RitualOutcome } from "./ritual.ts";

/** Where lines go; the host's logger fits. */
export interface Log {
  info(line: string): void;
  warn(line: string): void;
  error(line: string): void;
}

export interface LogLine {
  readonly level: keyof Log;
  readonly text: string;
}

/** The lines for an outcome other than `no-file`, which says nothing by itself. */
export function outcomeLines(outcome: RitualOutcome, paths: AccountPaths): LogLine[] {
  if (outcome.kind === "no-file") return [];
  const lines = linesOf(outcome, paths);
  if (outcome.replacedOrphan) {
    lines.push(warn(`An older ${paths.inflight} of an interrupted activation was replaced by the newer BOOTSTRAP.md.`));
  }
  if ("quarantined" in outcome && outcome.quarantined.problem !== undefined) {
    lines.push(warn(`${outcome.quarantined.problem}.`));
  }
  return lines;
}

/** The lines for an account without credentials and without a code. */
export function noCredentialsLines(paths: AccountPaths): LogLine[] {
  const shown = paths.accountId === "default" ? "~/.agentrux/credentials.json" : paths.credentials;
  return [
    warn(`No credentials at ${shown} — channel disabled.`),
    warn(`To activate: write your one-time activation code to ${paths.bootstrap} and restart the gateway.`),
  ];
}

/** The line for an in-flight file that nobody seems to hold. */
export function orphanLine(orphan: string, paths: AccountPaths, activated: boolean): LogLine {
  const found = `Found ${orphan}, left by an interrupted activation`;
  return warn(
    activated
      ? `${found}. Credentials exist, so it is not needed any more: rm ${shellQuote(orphan)}`
      : `${found}. It is not taken up by itself, as its code may have been sent. If no other gateway is activating ` +
          `just now, try it again with: mv ${shellQuote(orphan)} ${shellQuote(paths.bootstrap)}`,
  );
}

function linesOf(outcome: Exclude<RitualOutcome, { kind: "no-file" }>, paths: AccountPaths): LogLine[] {
  switch (outcome.kind) {
    case "ok":
      return okLines(outcome, paths);
    case "permanent-failure": {
      const { httpStatus, errorCode, errorMessage, quarantined } = outcome;
      return [
        error(`BOOTSTRAP.md activation rejected (HTTP ${httpStatus} ${errorCode}): ${errorMessage}`),
        error(`Quarantined to ${quarantined.path}. Issue a new activation code and write it to ${paths.bootstrap}.`),
        ...(outcome.possiblyConsumed
          ? [warn("The code was possibly already consumed: an earlier attempt with it was not answered.")]
          : []),
      ];
    }
    case "validation-failure":
      return [error(`BOOTSTRAP.md is malformed: ${outcome.reason}. Quarantined to ${outcome.quarantined.path}.`)];
    case "creds-already-present":
      return [
        warn(
          `BOOTSTRAP.md found alongside existing credentials.json — quarantined to ${outcome.quarantined.path} ` +
            "without calling /auth/activate (would burn the single-use code).",
        ),
      ];
  }
}

function okLines(outcome: Extract<RitualOutcome, { kind: "ok" }>, paths: AccountPaths): LogLine[] {
  const { credentials, saved } = outcome;
  const id = credentials.scriptId ?? credentials.clientId;
  const lines = [info(`Activated via ${paths.bootstrap}: script_id=${id}`)];
  if (saved.kind === "saved") return [...lines, ...saved.findings.map((finding) => warn(`${finding.text}.`))];
  const copy = saved.emergencyFile === undefined ? "it is only in memory" : `a copy is in ${saved.emergencyFile}`;
  return [...lines, error(`The new secret could not be stored (${saved.cause.message}); ${copy}. Trying again.`)];
}

function shellQuote(path: string): string {
  return /^[\w./~-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}

const info = (text: string): LogLine => ({ level: "info", text: `[agentrux] ${text}` });
const warn = (text: string): LogLine => ({ level: "warn", text: `[agentrux] ${text}` });
const error = (text: string): LogLine => ({ level: "error", text: `[agentrux] ${text}` });
