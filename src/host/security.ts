/**
 * What the host is told of the channel's safety: who may send, what `openclaw security audit` lists, and that a topic
 * decides no approvals. Approvals are refused by name, because a channel without the capability leaves them to whoever
 * sent the message.
 */

import type { ChannelPlugin } from "openclaw/plugin-sdk/channel-core";
import { checkFiles } from "../cli/doctor/files.ts";
import type { AccountConfig } from "../config/account.ts";
import { securityFindings } from "../config/security-findings.ts";
import { accountPaths } from "../credentials/home.ts";
import { normalizeSender } from "../guard/senders.ts";
import { CHANNEL_ID } from "../ids.ts";

const SEVERITY = { error: "critical", warning: "warn", info: "info" } as const;

interface Told {
  readonly id: string;
  readonly severity: keyof typeof SEVERITY;
  readonly what: string;
  readonly where: string;
  readonly cure: string;
}

function auditFinding({ id, severity, what, where, cure }: Told) {
  return {
    checkId: `channels.${CHANNEL_ID}.${id.replace(/^security\./, "")}`,
    severity: SEVERITY[severity],
    title: `AgenTrux: ${where}`,
    detail: what,
    remediation: cure,
  };
}

export const security: NonNullable<ChannelPlugin<AccountConfig>["security"]> = {
  resolveDmPolicy: ({ account }) => ({
    policy: account.senders.dmPolicy,
    // The host's word for an open door.
    allowFrom: account.senders.dmPolicy === "open" ? ["*"] : [...account.senders.allowFrom],
    policyPath: `channels.${CHANNEL_ID}.dmPolicy`,
    // A prefix, to which the host adds "allowFrom".
    allowFromPath: `channels.${CHANNEL_ID}.`,
    approveHint: `openclaw config set channels.${CHANNEL_ID}.allowFrom '["<script id>"]'`,
    normalizeEntry: normalizeSender,
    // The service puts the producer on an event, not the sender.
    classifyEntryAuthentication: () => "verified",
  }),
  // Every sender's conversations are its own (see session.ts).
  dmRouting: { resolveDmRoute: () => ({ kind: "isolated" }) },
  collectAuditFindings: async ({ account, sourceConfig }) => {
    const told = securityFindings(sourceConfig).filter(({ accountId }) => accountId === account.accountId);
    const files = await checkFiles(accountPaths(account.accountId), Date.now());
    const loose = files.findings.filter(({ id }) => id === "files.mode" || id === "files.owner");
    return [...told, ...loose].map(auditFinding);
  },
};

const REASON = "Approvals are given in the Control UI or another channel, never from a topic.";

export const approvals: NonNullable<ChannelPlugin<AccountConfig>["approvalCapability"]> = {
  authorizeActorAction: () => ({ authorized: false, reason: REASON }),
  getActionAvailabilityState: () => ({ kind: "unsupported" }),
  getExecInitiatingSurfaceState: () => ({ kind: "unsupported" }),
};
