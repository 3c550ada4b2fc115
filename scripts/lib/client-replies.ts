/** Owns reading replies out of the events of a result topic. */

import { isRecord, numberField, stringField } from "./client-http.ts";

const REPLY_TYPE = "openclaw.response";
const TERMINAL = ["completed", "failed", "timeout", "rejected"] as const;
const MAX_PARTS = 10_000;

/** An event of a topic, as generation A shows it. */
export interface ClientEvent {
  readonly sequence: number;
  readonly eventId: string;
  readonly type: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** The reply to a command. */
export interface Reply {
  readonly requestId: string;
  readonly status: (typeof TERMINAL)[number];
  readonly message: string;
  /** Payload of the event that ended it. */
  readonly payload: Readonly<Record<string, unknown>>;
}

/** @throws when the item is no event. */
export function readEvent(item: unknown): ClientEvent {
  return {
    sequence: numberField(item, "sequence_no"),
    eventId: stringField(item, "event_id"),
    type: stringField(item, "type"),
    payload: isRecord(item) && isRecord(item["payload"]) ? item["payload"] : {},
  };
}

/** Puts replies together: a long one comes in numbered parts, of which only the last has a terminal status. */
export class ReplyReader {
  readonly #parts = new Map<string, string[]>();

  /** Takes the next event of the topic. Gives a reply when this event ends one. */
  take({ type, payload }: ClientEvent): Reply | undefined {
    const { request_id: requestId, status } = payload;
    if (type !== REPLY_TYPE || typeof requestId !== "string") return undefined;
    const parts = this.#parts.get(requestId) ?? [];
    const part = typeof payload["part"] === "number" ? payload["part"] : 1;
    if (!(part >= 1 && part <= MAX_PARTS)) return undefined;
    parts[part - 1] = typeof payload["message"] === "string" ? payload["message"] : "";
    this.#parts.set(requestId, parts);
    const terminal = TERMINAL.find((known) => known === status);
    if (terminal === undefined) return undefined;
    this.#parts.delete(requestId);
    return { requestId, status: terminal, message: parts.join(""), payload };
  }
}
