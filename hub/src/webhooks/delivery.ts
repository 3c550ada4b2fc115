/** Owns one delivery: the signed request of A13 and 4.3 of the wire spec, and what its outcome means. */
import { createHmac } from "node:crypto";
import { request as httpRequest } from "node:http";
import type { IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIP } from "node:net";
import type { WebhookDelivery } from "agentrux-wire";
import { prefixedEventId, prefixedTopicId } from "agentrux-wire";
import type { HintEvent } from "../store/port.ts";
import type { Webhook } from "../store/webhook-port.ts";
import { version } from "../version.ts";
import type { AddressPolicy } from "./addresses.ts";

const SIGNATURE_HEADER = "X-AgenTrux-Signature";
/** Statuses that say "later" rather than "no" (RFC 9110, RFC 6585, RFC 8470). */
const LATER: ReadonlySet<number> = new Set([408, 425, 429]);

export type DeliveryOutcome =
  | { readonly kind: "delivered" }
  /** Worth another try; the receiver may have said when. */
  | { readonly kind: "failed"; readonly reason: string; readonly retryAfterMs?: number }
  /** The receiver does not want it. */
  | { readonly kind: "refused"; readonly reason: string };

/** The body of a delivery. One body serves A13's receivers and generation B1's. */
export function deliveryBody(webhook: Webhook, event: HintEvent, now: number): string {
  const body: WebhookDelivery = {
    topic_id: webhook.generation === "a" ? webhook.topicId : prefixedTopicId(webhook.topicId),
    latest_sequence_no: event.seq,
    event_id: prefixedEventId(event.eventId),
    sequence_number: event.seq,
    timestamp: Math.floor(now / 1000),
  };
  return JSON.stringify(body);
}

/** `sha256=<hex HMAC-SHA256 of the raw body>`. */
export function signature(secret: string, body: string): string {
  return `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;
}

/** Sends a body to a receiver. Redirects are not followed: the operator registered this address and no other. */
export async function deliver(
  webhook: Webhook,
  body: string,
  policy: AddressPolicy,
  signal: AbortSignal,
): Promise<DeliveryOutcome> {
  const url = new URL(webhook.url);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (isIP(host) !== 0 && !policy.allows(host)) return { kind: "refused", reason: "the address is not allowed" };
  try {
    const response = await post(url, webhook.secret, body, policy, signal);
    return outcomeOf(response.statusCode ?? 0, response.headers["retry-after"]);
  } catch (error) {
    return { kind: "failed", reason: error instanceof Error ? error.message : String(error) };
  }
}

function post(
  url: URL,
  secret: string,
  body: string,
  policy: AddressPolicy,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const send = url.protocol === "https:" ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const request = send(
      url,
      {
        method: "POST",
        agent: false,
        lookup: policy.lookup,
        signal,
        headers: {
          "Content-Type": "application/json",
          "Content-Length": Buffer.byteLength(body),
          "User-Agent": `agentrux-hub/${version}`,
          [SIGNATURE_HEADER]: signature(secret, body),
        },
      },
      (response) => {
        // Only the status counts; a receiver cannot keep us reading.
        response.destroy();
        resolve(response);
      },
    );
    request.on("error", reject);
    // A receiver that answers 101 ends the request without an answer and without an error.
    request.on("close", () => reject(new Error("the receiver gave no answer")));
    request.end(body);
  });
}

function outcomeOf(status: number, retryAfter: string | undefined): DeliveryOutcome {
  if (status >= 200 && status < 300) return { kind: "delivered" };
  const reason = `the receiver answered ${status}`;
  if (status < 500 && !LATER.has(status)) return { kind: "refused", reason };
  const retryAfterS = /^\d{1,6}$/.test(retryAfter ?? "") ? Number(retryAfter) : undefined;
  return { kind: "failed", reason, ...(retryAfterS === undefined ? {} : { retryAfterMs: retryAfterS * 1000 }) };
}
