import { describe, expect, it } from "vitest";
import type { AccountConfig } from "../../src/config/account.ts";
import { agentruxChannel } from "../../src/host/channel.ts";

/** What the host's audit and doctor pass as the account. */
const inspected = (cfg: object) => agentruxChannel.config.inspectAccount?.(cfg, "default") as AccountConfig;

describe("what the host is told", () => {
  it("names the policy and the list, and an open door by the host's own word", () => {
    const policyOf = (agentrux: object) => {
      const cfg = { channels: { agentrux } };
      return agentruxChannel.security?.resolveDmPolicy?.({ cfg, accountId: "default", account: inspected(cfg) });
    };
    expect(policyOf({})).toMatchObject({ policy: "open", allowFrom: ["*"] });
    expect(policyOf({ allowFrom: ["scr_a"] })).toMatchObject({ policy: "allowlist", allowFrom: ["scr_a"] });
    const { policyPath, allowFromPath } = policyOf({}) ?? {};
    expect([policyPath, `${allowFromPath}allowFrom`]).toEqual([
      "channels.agentrux.dmPolicy",
      "channels.agentrux.allowFrom",
    ]);
    expect(policyOf({})?.normalizeEntry?.(" SCR_A ")).toBe("a");
  });

  it("gives the audit its findings", async () => {
    const cfg = { channels: { agentrux: { agentId: "main", execPolicy: { enabled: true, allowedCommands: [".*"] } } } };
    const findings = await agentruxChannel.security?.collectAuditFindings?.({
      cfg,
      sourceConfig: cfg,
      accountId: "default",
      account: inspected(cfg),
      orderedAccountIds: ["default"],
      hasExplicitAccountPath: false,
    });
    const told = findings?.map(({ checkId, severity }) => `${severity} ${checkId}`);
    expect(told).toEqual(
      expect.arrayContaining([
        "warn channels.agentrux.senders-open",
        "info channels.agentrux.exec-on",
        "critical channels.agentrux.pattern-wide",
      ]),
    );
    expect(findings?.every(({ remediation }) => remediation !== undefined && remediation !== "")).toBe(true);
  });

  it("lets a topic decide no approval", () => {
    const approvals = agentruxChannel.approvalCapability;
    for (const approvalKind of ["exec", "plugin"] as const) {
      const asked = { cfg: {}, senderId: "scr_a", action: "approve", approvalKind } as const;
      expect(approvals?.authorizeActorAction?.(asked)).toMatchObject({ authorized: false });
      expect(approvals?.getActionAvailabilityState?.(asked)).toEqual({ kind: "unsupported" });
    }
  });
});
