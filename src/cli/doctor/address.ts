/** Checks the way to the service: DNS, certificate, reachability, and how far the two clocks are apart. */

import type { CheckReport, Finding } from "./finding.ts";
import type { NetworkPorts } from "./network.ts";

const DAY_MS = 86_400_000;
const CERTIFICATE_WARN_DAYS = 14;
/** `Date` tells whole seconds, and an answer takes its time. */
const SKEW_NOTE_MS = 30_000;

export async function checkAddress(
  baseUrl: string,
  ports: NetworkPorts,
  now: () => number,
  signal: AbortSignal,
): Promise<CheckReport> {
  const url = new URL(baseUrl);
  const report = (seen: string, findings: readonly Finding[]): CheckReport => ({ check: "service", seen, findings });
  const fault = (id: string, severity: Finding["severity"], what: string, cure: string): Finding => ({
    id,
    severity,
    what,
    where: url.origin,
    cure,
  });

  const named = await ports.resolve(url.hostname);
  if (!named.ok) {
    const cure = "Check the spelling of baseUrl, and this machine's DNS.";
    return report("", [fault("service.dns", "error", `${url.hostname} has no address: ${named.problem}.`, cure)]);
  }
  const findings: Finding[] = [];
  let days: number | undefined;
  if (url.protocol === "https:") {
    const shown = await ports.certificate(url.hostname, Number(url.port || 443));
    if (!shown.ok) {
      const what = `No TLS connection: ${shown.problem}.`;
      return report("", [
        fault("service.tls", "error", what, "Check that the service runs and that no firewall is between."),
      ]);
    }
    days = Math.floor((shown.validTo - now()) / DAY_MS);
    findings.push(...certificateFindings(shown, days, fault));
  }
  const answer = await ports.answer(baseUrl, signal);
  if (!answer.ok) {
    // A certificate that is not trusted is what broke the connection; it has been told already.
    if (findings.some(({ severity }) => severity === "error")) return report("", findings);
    const what = `It does not answer: ${answer.problem}.`;
    const cure = "Check that the service runs; commands and replies wait on disk until it is back.";
    return report("", [...findings, fault("service.unreachable", "error", what, cure)]);
  }
  if (answer.status >= 500) {
    const what = `It answers with HTTP ${answer.status}.`;
    findings.push(
      fault("service.faulty", "warning", what, "Wait, or look at the service; the gateway tries again by itself."),
    );
  }
  const skewMs = answer.serverTimeMs === undefined ? undefined : now() - answer.serverTimeMs;
  if (skewMs !== undefined && Math.abs(skewMs) > SKEW_NOTE_MS) {
    const seconds = Math.round(Math.abs(skewMs) / 1000);
    const what = `This machine's clock is ${seconds} s ${skewMs > 0 ? "ahead of" : "behind"} the service's.`;
    findings.push(fault("service.clock-skew", "warning", what, "Switch on time synchronisation (NTP)."));
  }
  const certificate = days === undefined ? "" : `, certificate good for ${days} days`;
  return report(`${url.origin} answers in ${Math.round(answer.tookMs)} ms${certificate}`, findings);
}

function certificateFindings(
  { distrust }: { readonly distrust?: string },
  days: number,
  fault: (id: string, severity: Finding["severity"], what: string, cure: string) => Finding,
): Finding[] {
  if (days < 0) {
    return [
      fault("service.tls-expired", "error", `Its certificate ended ${-days} days ago.`, "Renew the certificate."),
    ];
  }
  if (distrust !== undefined) {
    const cure = "Install a certificate that this machine trusts, or name its authority in NODE_EXTRA_CA_CERTS.";
    return [fault("service.tls-untrusted", "error", `Its certificate is not trusted (${distrust}).`, cure)];
  }
  if (days >= CERTIFICATE_WARN_DAYS) return [];
  return [fault("service.tls-expires", "warning", `Its certificate ends in ${days} days.`, "Renew the certificate.")];
}
