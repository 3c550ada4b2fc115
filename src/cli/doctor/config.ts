/** Checks the account's settings, and whether host and Node.js are new enough. */

import manifest from "../../../package.json" with { type: "json" };
import type { AccountConfig } from "../../config/account.ts";
import { configFindings } from "../../config/findings.ts";
import { type HostConfig, listAccountIds } from "../../config/places.ts";
import { securityFindings } from "../../config/security-findings.ts";
import { serviceUrlProblem } from "../../credentials/schema.ts";
import type { CheckReport, Finding } from "./finding.ts";

/** What the whole configuration says, as far as it concerns these accounts. */
export function checkConfig(config: HostConfig, accountIds: readonly string[]): CheckReport {
  const configured = listAccountIds(config);
  const report = (seen: string, findings: readonly Finding[]): CheckReport => ({
    check: "configuration",
    seen,
    findings,
  });
  if (configured.length === 0) {
    const cure =
      "openclaw config set channels.agentrux.commandTopicId <topic id>; docs/configuration.md lists every key.";
    const what = "No account is configured: the gateway does nothing here.";
    return report("", [{ id: "config.no-account", severity: "error", what, where: "channels.agentrux", cure }]);
  }
  const findings = [...configFindings(config), ...securityFindings(config)]
    .filter(({ accountId }) => accountId === undefined || accountIds.includes(accountId))
    .map(({ id, severity, what, where, cure }) => ({
      id,
      severity,
      what: sentence(what),
      where,
      cure: sentence(cure),
    }));
  return report(configured.length === 1 ? "1 account" : `${configured.length} accounts`, findings);
}

/** Begins with a capital and ends with a stop, unless it begins with a key or is a command to copy. */
function sentence(text: string): string {
  if (text.startsWith("openclaw ")) return text;
  const isWord = /^[a-z]+ /.test(text);
  return `${isWord ? text.charAt(0).toUpperCase() : text.charAt(0)}${text.slice(1)}.`;
}

/** What one account's settings mean. */
export function checkSettings(account: AccountConfig): CheckReport {
  const findings: Finding[] = [];
  const insecure = serviceUrlProblem(account.baseUrl);
  if (insecure !== undefined) {
    const cure = "Use https; plain http is for this machine only.";
    const what = `baseUrl ${insecure}.`;
    findings.push({ id: "config.base-url", severity: "error", what, where: account.baseUrl, cure });
  }
  if (!account.enabled) {
    const cure = "openclaw config set channels.agentrux.enabled true";
    const what = "The account is switched off and takes no commands.";
    findings.push({ id: "config.disabled", severity: "info", what, where: "channels.agentrux.enabled", cure });
  }
  return { check: "settings", seen: `${account.baseUrl}, agent ${account.agentId || "none"}`, findings };
}

/** The releases this one was made for. */
export function checkReleases(hostVersion: string | undefined, nodeVersion: string): CheckReport {
  const findings: Finding[] = [];
  const wanted = manifest.openclaw.install.minHostVersion.replace(/^>=/, "");
  const wantedNode = manifest.engines.node.replace(/^>=/, "");
  if (hostVersion !== undefined && isOlder(hostVersion, wanted)) {
    const what = `OpenClaw ${hostVersion} is older than ${wanted}, which this plugin needs.`;
    findings.push({ id: "host.version", severity: "error", what, where: "openclaw", cure: "Update OpenClaw." });
  }
  if (isOlder(nodeVersion, wantedNode)) {
    const what = `Node.js ${nodeVersion} is older than ${wantedNode}, which this plugin needs.`;
    findings.push({
      id: "host.node",
      severity: "error",
      what,
      where: "node",
      cure: `Run OpenClaw with Node.js ${wantedNode} or newer.`,
    });
  }
  const host = hostVersion === undefined ? "" : `, OpenClaw ${hostVersion}`;
  return { check: "releases", seen: `plugin ${manifest.version}${host}, Node.js ${nodeVersion}`, findings };
}

/** Compares dotted numbers; what follows a hyphen (a pre-release) does not count. */
function isOlder(version: string, than: string): boolean {
  const parts = (text: string) => (text.split("-", 1)[0] ?? "").split(".").map(Number);
  const [have, want] = [parts(version), parts(than)];
  for (const [index, part] of want.entries()) {
    const difference = (have[index] ?? 0) - part;
    if (difference !== 0) return difference < 0;
  }
  return false;
}
