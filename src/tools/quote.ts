/** Owns how events are shown to the model: what we know of them in plain words, what a stranger wrote inside the host's boundary. */

import { jsonText } from "../guard/json-text.ts";
import { cleanLine } from "../guard/text.ts";
import type { TopicEvent } from "../service/types.ts";
import type { ToolContext } from "./tool.ts";

/** What a program is told of an event; no text of the publisher's but identifiers, cut and cleaned. */
export function factsOf(event: TopicEvent): Record<string, string> {
  const facts = {
    event_id: event.eventId,
    type: event.type,
    producer: event.producer,
    stored_at: event.storedAt,
    correlation_id: event.correlationId,
    payload_ref: event.payloadRef,
    cursor: event.cursor,
  };
  return Object.fromEntries(
    Object.entries(facts).flatMap(([name, value]) => (value === undefined ? [] : [[name, cleanLine(value, 120)]])),
  );
}

/** An event for the model, its payload at most `maxChars` long. */
export function quoteEvent(event: TopicEvent, context: ToolContext, maxChars: number): string {
  const { event_id, producer, stored_at, type } = factsOf(event);
  const head = [`event ${event_id}`, ...(stored_at ? [stored_at] : []), `from ${producer ?? "unknown"}`].join(", ");
  const reference = event.payloadRef === undefined ? "" : `payload_ref: ${cleanLine(event.payloadRef)}\n`;
  const correlation = event.correlationId === undefined ? "" : `correlation_id: ${cleanLine(event.correlationId)}\n`;
  const body = `type: ${type}\n${correlation}${reference}payload: ${cut(jsonText(event.payload), maxChars)}`;
  return `${head}\n${context.quote(body, event.producer ?? "unknown")}`;
}

/** A payload as text, cut and declared. */
export function quotePayload(payload: unknown, sender: string, context: ToolContext, maxChars: number): string {
  return context.quote(cut(jsonText(payload), maxChars), sender);
}

function cut(text: string, maxChars: number): string {
  return text.length <= maxChars
    ? text
    : `${text.slice(0, maxChars)}… [cut: ${text.length - maxChars} more characters]`;
}
