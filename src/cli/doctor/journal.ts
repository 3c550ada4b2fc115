/** Checks the journal as it lies there: whole, of this release, not too large, and nothing in it that waits for a person. */

import type { AccountPaths } from "../../credentials/home.ts";
import { errorText } from "../../errors.ts";
import { inspectJournal, type JournalReport } from "../../journal/inspect.ts";
import { duration } from "../output.ts";
import { accountFlag } from "./files.ts";
import type { CheckReport, Finding } from "./finding.ts";

/** An open command this old waits for something. */
const BACKLOG_AGE_MS = 600_000;
/** Half of what stops the intake. */
const LARGE_JOURNAL_BYTES = 512 * 1024 * 1024;

export function checkJournal(paths: AccountPaths, now: number): CheckReport {
  let report: JournalReport | undefined;
  try {
    report = inspectJournal(paths.dir, paths.accountId);
  } catch (error) {
    const cure = "Make the folder readable and writable for the user who runs the gateway.";
    const finding = { id: "journal.unreadable", severity: "error", what: `${errorText(error)}.`, cure } as const;
    return { check: "journal", seen: "", findings: [{ ...finding, where: paths.journal }] };
  }
  if (report === undefined) return { check: "journal", seen: "none yet: no gateway has run", findings: [] };
  const owner = report.owned ? `in use by pid ${report.ownerPid ?? "unknown"}` : "no gateway runs";
  const { numbers } = report;
  const open = numbers === undefined ? 0 : numbers.received + numbers.running + numbers.replied;
  const seen = `${(report.bytes / 1024 / 1024).toFixed(1)} MiB, ${open} open, ${numbers?.deadLetters ?? 0} dead letters, ${owner}`;
  return { check: "journal", seen, findings: [...conditionFindings(report), ...workFindings(report, paths, now)] };
}

function conditionFindings({ condition, path, bytes, owned }: JournalReport): Finding[] {
  const where = path;
  const large: Finding[] =
    bytes < LARGE_JOURNAL_BYTES
      ? []
      : [
          {
            id: "journal.large",
            severity: "warning",
            what: `It has ${Math.round(bytes / 1024 / 1024)} MiB; at 1024 MiB of open work no more commands are taken.`,
            where,
            cure: "openclaw agentrux inbox shows what waits.",
          },
        ];
  switch (condition.kind) {
    case "sound":
    case "unchecked":
      return large;
    case "damaged": {
      const cure = owned
        ? "Restart the gateway: it sets the file aside and carries over what can be read."
        : "Start the gateway: it sets the file aside and carries over what can be read.";
      return [{ id: "journal.damaged", severity: "error", what: `It is damaged: ${condition.what}.`, where, cure }];
    }
    case "other-release": {
      const what = `It was written by another release (schema ${condition.version}).`;
      const cure =
        "Run the gateway and this command from the same release; an older journal is brought up to date at the start.";
      return [{ id: "journal.release", severity: "warning", what, where, cure }];
    }
    case "unreadable":
      return [
        {
          id: "journal.unreadable",
          severity: "error",
          what: `It cannot be read: ${condition.what}.`,
          where,
          cure: "Check the disk, and whose the file is.",
        },
      ];
  }
}

function workFindings({ numbers, path, owned }: JournalReport, paths: AccountPaths, now: number): Finding[] {
  if (numbers === undefined) return [];
  const findings: Finding[] = [];
  const where = path;
  const flag = accountFlag(paths);
  if (numbers.deadLetters > 0) {
    const what = `${numbers.deadLetters} commands or replies failed for good.`;
    const cure = `openclaw agentrux dead-letters list${flag}`;
    findings.push({ id: "journal.dead-letters", severity: "warning", what, where, cure });
  }
  const age = numbers.oldestReceivedAt === undefined ? 0 : now - numbers.oldestReceivedAt;
  if (age > BACKLOG_AGE_MS) {
    const what = `The oldest open command has waited for ${duration(age)}.`;
    const cure = owned ? `openclaw agentrux inbox${flag}` : "Start the gateway: openclaw gateway run";
    findings.push({ id: "journal.backlog", severity: "warning", what, where, cure });
  }
  return findings;
}
