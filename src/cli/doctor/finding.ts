/** What `doctor` finds: one shape for every check, with what to do about it. Pure. */

export type Severity = "error" | "warning" | "info";

export interface Finding {
  /** Stable, `<check>.<what>`: for scripts that look for it. */
  readonly id: string;
  readonly severity: Severity;
  /** One sentence. */
  readonly what: string;
  /** A file, a configuration key, a topic or an address. */
  readonly where: string;
  /** What to do, one sentence or one command. */
  readonly cure: string;
}

/** One check's outcome: what was seen, and what is wrong with it. */
export interface CheckReport {
  readonly check: string;
  /** Absent for what concerns the machine. */
  readonly accountId?: string;
  /** What was seen where nothing is wrong. */
  readonly seen: string;
  readonly findings: readonly Finding[];
}

const ORDER: readonly Severity[] = ["info", "warning", "error"];

/** The worst severity; undefined where there is nothing. */
export function worstOf(findings: readonly Finding[]): Severity | undefined {
  return ORDER.findLast((severity) => findings.some((finding) => finding.severity === severity));
}
