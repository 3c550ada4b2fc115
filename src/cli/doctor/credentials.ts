/** Checks the credentials as they lie there: present, readable, and not about to end. */

import { stat } from "node:fs/promises";
import type { AccountPaths } from "../../credentials/home.ts";
import { type PeekedCredentials, peekCredentials } from "../../credentials/store.ts";
import { errorText } from "../../errors.ts";
import { accountFlag } from "./files.ts";
import type { CheckReport, Finding } from "./finding.ts";

const DAY_MS = 86_400_000;
/** A generation A secret lives 90 days (wire spec A2); those of generation B do not end by themselves. */
const SECRET_LIFE_DAYS = 90;
const SECRET_WARN_DAYS = 80;

export async function checkCredentials(paths: AccountPaths, now: number): Promise<CheckReport> {
  const activate = `openclaw agentrux activate${accountFlag(paths)}`;
  const bad = (id: string, what: string, cure: string): CheckReport => ({
    check: "credentials",
    seen: "",
    findings: [{ id, severity: "error", what, where: paths.credentials, cure }],
  });
  let peeked: PeekedCredentials;
  try {
    peeked = await peekCredentials(paths);
  } catch (error) {
    return bad("credentials.unreadable", `${errorText(error)}.`, "Make it readable for the user who runs the gateway.");
  }
  if (peeked.kind === "missing") return bad("credentials.missing", "The account is not activated.", activate);
  if (peeked.kind === "malformed") {
    return bad("credentials.malformed", `${peeked.reason}.`, `Move the file away, then: ${activate}`);
  }
  const { generation, clientId, scriptId } = peeked.credentials;
  const ageDays = Math.floor((now - (await stat(paths.credentials)).mtimeMs) / DAY_MS);
  const findings = generation === "a" ? tooOld(paths, ageDays) : [];
  const id = scriptId ?? clientId;
  return { check: "credentials", seen: `${id}, generation ${generation.toUpperCase()}, ${ageDays} days old`, findings };
}

function tooOld(paths: AccountPaths, ageDays: number): Finding[] {
  if (ageDays < SECRET_WARN_DAYS) return [];
  const left = SECRET_LIFE_DAYS - ageDays;
  const what =
    left > 0
      ? `The client secret is ${ageDays} days old and ends in ${left}.`
      : `The client secret is ${ageDays} days old and has ended by now, unless the service keeps it longer.`;
  const cure = `openclaw agentrux rotate${accountFlag(paths)}`;
  return [{ id: "credentials.age", severity: left > 0 ? "warning" : "error", what, where: paths.credentials, cure }];
}
