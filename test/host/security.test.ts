import { describe, expect, it } from "vitest";
import { resolveAccountConfig } from "../../src/config/resolve.ts";
import { agentruxChannel } from "../../src/host/channel.ts";

const account = (agentrux: object) => resolveAccountConfig({ channels: { agentrux } }, "default");

describe("what the host is told", () => {
  it("names the policy and the list, and an open door by the host's own word", () => {
    const policyOf = (agentrux: object) =>
      agentruxChannel.security?.resolveDmPolicy?.({ cfg: {}, account: account(agentrux) });
    expect(policyOf({})).toMatchObject({ policy: "open", allowFrom: ["*"] });
    expect(policyOf({ allowFrom: ["scr_a"] })).toMatchObject({ policy: "allowlist", allowFrom: ["scr_a"] });
    expect(policyOf({})?.normalizeEntry?.(" SCR_A ")).toBe("a");
  });

  it("gives the audit its findings", async () => {
    const cfg = { channels: { agentrux: { agentId: "main", execPolicy: { enabled: true, allowedCommands: [".*"] } } } };
    const findings = await agentruxChannel.security?.collectAuditFindings?.({
      cfg,
      sourceConfig: cfg,
      account: resolveAccountConfig(cfg, "default"),
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
