/**
 * Decides whose commands are taken. Pure.
 *
 *     open       anybody whom the service lets publish on the command topic
 *     allowlist  producers whose script id is listed; an event without a verified producer is nobody's
 *     disabled   nobody
 *
 * A producer is the script id the service itself puts on an event, never a field of the payload. Both generations'
 * ways of writing an id (`scr_...` and the bare UUID) name the same script.
 */

export type DmPolicy = "open" | "allowlist" | "disabled";

export interface SenderPolicy {
  readonly dmPolicy: DmPolicy;
  /** Script ids; `*` stands for everybody. */
  readonly allowFrom: readonly string[];
}

export type SenderDecision = "allowed" | "sender_not_allowed" | "senders_disabled";

/** One form per script, however it is written. */
export function normalizeSender(id: string): string {
  return id.trim().toLowerCase().replace(/^scr_/, "");
}

/**
 * @param producer Script id from the service; absent where it names none.
 * @example decideSender({ dmPolicy: "allowlist", allowFrom: ["scr_0190..."] }, "0190...") // "allowed"
 */
export function decideSender(policy: SenderPolicy, producer: string | undefined): SenderDecision {
  if (policy.dmPolicy === "disabled") return "senders_disabled";
  if (policy.dmPolicy === "open") return "allowed";
  const sender = producer === undefined ? "" : normalizeSender(producer);
  if (sender === "") return "sender_not_allowed";
  const listed = policy.allowFrom.map(normalizeSender);
  return listed.includes("*") || listed.includes(sender) ? "allowed" : "sender_not_allowed";
}
