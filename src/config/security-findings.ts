/**
 * Owns what there is to say about how safe a configuration is: for `openclaw security audit` and for `doctor`. Pure.
 * Open senders and a switched-on exec policy are choices, so either alone is a note; both together are a warning.
 */

import { serviceUrlProblem } from "../credentials/schema.ts";
import { decideExec } from "../guard/exec.ts";
import { patternFault } from "../guard/patterns.ts";
import type { SenderPolicy } from "../guard/senders.ts";
import type { AccountConfig } from "./account.ts";
import { type FluxFinding, fluxFindings } from "./flux-findings.ts";
import { execHost, filesHeldInWorkspace } from "./host-tools.ts";
import {
  accountPlace,
  channelPlace,
  countingPlace,
  DEFAULT_ACCOUNT_ID,
  type HostConfig,
  listAccountIds,
} from "./places.ts";
import { resolveAccountConfig } from "./resolve.ts";
import { type AccountKey, accountKeys } from "./schema.ts";

export interface SecurityFinding {
  readonly id:
    | "security.senders-open"
    | "security.exec-on"
    | "security.exec-elsewhere"
    | "security.pattern-broken"
    | "security.pattern-wide"
    | "security.plain-http"
    | "security.files-open"
    | "security.not-audited"
    | FluxFinding["id"];
  readonly severity: "error" | "warning" | "info";
  readonly accountId: string;
  /** The key, as `openclaw config get` takes it. */
  readonly where: string;
  /** One plain sentence. */
  readonly what: string;
  readonly cure: string;
}

type Told = Omit<SecurityFinding, "accountId" | "where"> & { readonly key: string };

/** What no pattern for a topic should cover: each of them is as good as any command, or reads any file. */
const PROBES = [
  "sh -c id",
  "bash x.sh",
  "env id",
  "sudo id",
  "xargs id",
  "python3 -c x",
  "node -e x",
  "perl -e x",
  "find . -delete",
  "rm -rf x",
  "curl -o x http://x.example/",
  "cat /etc/passwd",
  "cp a /b",
  "git -c core.pager=x log",
  "tar --checkpoint-action=exec=x -cf a b",
  "ssh x.example id",
];

/** The findings of every enabled account, in the order of the accounts. The same configuration gives the same findings. */
export function securityFindings(cfg: HostConfig): SecurityFinding[] {
  return listAccountIds(cfg).flatMap((accountId) => {
    const account = resolveAccountConfig(cfg, accountId);
    if (!account.enabled) return [];
    const told = [
      ...senders(account),
      ...exec(account, cfg),
      ...service(account),
      ...files(account, cfg),
      ...audit(account, cfg),
    ].map(({ key, ...finding }) => ({ ...finding, where: whereIs(cfg, accountId, key) }));
    const ofFlux = fluxFindings(account, whereIs(cfg, accountId, "flux"), isOpen(account.senders));
    return [...told, ...ofFlux].map((finding) => ({ ...finding, accountId }));
  });
}

/** The place where the key stands; where nobody wrote it, the one where it belongs. */
function whereIs(cfg: HostConfig, accountId: string, key: string): string {
  const [root = ""] = key.split(".");
  if (!(root in accountKeys)) return key;
  const own = accountId === DEFAULT_ACCOUNT_ID ? channelPlace(cfg) : accountPlace(cfg, accountId);
  return `${(countingPlace(cfg, accountId, root as AccountKey) ?? own).path}.${key}`;
}

function isOpen({ dmPolicy, allowFrom }: SenderPolicy): boolean {
  return dmPolicy === "open" || (dmPolicy === "allowlist" && allowFrom.includes("*"));
}

function senders({ senders: policy, execPolicy, accountId }: AccountConfig): Told[] {
  if (!isOpen(policy)) return [];
  return [
    {
      id: "security.senders-open",
      severity: execPolicy.enabled ? "warning" : "info",
      key: "dmPolicy",
      what: `the account ${accountId} takes commands from everybody whom the service lets publish on its command topic`,
      cure: "list the senders' script ids in allowFrom",
    },
  ];
}

function exec({ execPolicy, accountId, agentId }: AccountConfig, cfg: HostConfig): Told[] {
  if (!execPolicy.enabled) return [];
  const told: Told[] = [
    {
      id: "security.exec-on",
      severity: "info",
      key: "execPolicy.enabled",
      what: `requests to the account ${accountId} may run ${execPolicy.allowedCommands.length} kinds of commands here`,
      cure: "keep the list as short as the work allows, or set execPolicy.enabled to false",
    },
  ];
  if (execHost(cfg, agentId) === "node") {
    told.push({
      id: "security.exec-elsewhere",
      severity: "warning",
      key: "tools.exec.host",
      what: `commands of the agent ${agentId} run on another machine, so requests from a topic may run none`,
      cure: "let the agent run its commands on the gateway, or set execPolicy.enabled to false",
    });
  }
  for (const [index, pattern] of execPolicy.allowedCommands.entries()) {
    const key = `execPolicy.allowedCommands.${index}`;
    const fault = patternFault(pattern);
    const probe = PROBES.find((line) => decideExec({ enabled: true, allowedCommands: [pattern] }, line).allowed);
    if (fault !== undefined) {
      const what = `the pattern ${JSON.stringify(pattern)} matches nothing: ${fault}`;
      told.push({ id: "security.pattern-broken", severity: "warning", key, what, cure: "correct the pattern" });
    } else if (probe !== undefined) {
      const what = `the pattern ${JSON.stringify(pattern)} lets a request run ${JSON.stringify(probe)}`;
      const cure = "spell out the command and the arguments it may have";
      told.push({ id: "security.pattern-wide", severity: "error", key, what, cure });
    }
  }
  return told;
}

function service({ baseUrl }: AccountConfig): Told[] {
  if (!baseUrl.startsWith("http:") || serviceUrlProblem(baseUrl) === undefined) return [];
  return [
    {
      id: "security.plain-http",
      severity: "error",
      key: "baseUrl",
      what: `${baseUrl} would carry credentials in the clear; the account does not connect`,
      cure: "use https; plain http is for this machine only",
    },
  ];
}

function files({ agentId }: AccountConfig, cfg: HostConfig): Told[] {
  if (filesHeldInWorkspace(cfg, agentId)) return [];
  return [
    {
      id: "security.files-open",
      severity: "info",
      key: "tools.fs.workspaceOnly",
      what: `the agent ${agentId || "of this account"} can read files outside its workspace, and a request may talk it into telling`,
      cure: "openclaw config set tools.fs.workspaceOnly true",
    },
  ];
}

/**
 * OpenClaw asks a channel only where its own section says something: any key but `enabled`, or `enabled` itself as true.
 * A collector of the plugin's own would not be asked either: the audit loads plugins without registering them.
 */
function audit({ accountId }: AccountConfig, cfg: HostConfig): Told[] {
  const { path, section } = channelPlace(cfg);
  if (section["enabled"] === true || Object.keys(section).some((key) => key !== "enabled")) return [];
  return [
    {
      id: "security.not-audited",
      severity: "info",
      key: `${path}.enabled`,
      what: `nothing stands under ${path}, so neither "openclaw security audit" nor "openclaw doctor" looks at the account ${accountId}`,
      cure: `openclaw config set ${path}.enabled true`,
    },
  ];
}
