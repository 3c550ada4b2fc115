/**
 * Owns waiting for the answer to one message on a topic, from whatever kind of client it comes.
 *
 * Reading starts at a position taken before the message went out, so neither a busy topic nor an answer that is faster
 * than the waiting can hide it (W43). It is known by the correlation id, wherever the other side puts it. An answer in
 * parts, as this plugin's own replies can be, is put together.
 */

import { followTopic } from "../service/follow.ts";
import type { Cursor, ServiceClient, TopicEvent } from "../service/types.ts";

/** Where and for what to wait. */
export interface Awaited {
  readonly topicId: string;
  /** The position before the message was sent. */
  readonly after: Cursor;
  readonly correlationId: string;
  /** Type of the message itself, which is no answer when it comes by on the same topic. */
  readonly requestType: string;
}

/** An answer: the last event of it, and the text of all its parts where it has parts. */
export interface Answer {
  readonly event: TopicEvent;
  readonly parts: number;
  readonly message?: string;
}

/**
 * Waits until `signal` aborts.
 *
 * @throws the reason of `signal`, or an AgentruxError that waiting cannot mend.
 */
export async function awaitAnswer(client: ServiceClient, wanted: Awaited, signal: AbortSignal): Promise<Answer> {
  const { topicId, after } = wanted;
  const parts = new Map<number, string>();
  for await (const { events } of followTopic(client, { topicId, after, signal })) {
    for (const event of events) {
      if (!isAnswer(event, wanted)) continue;
      const { part, message, final } = partOf(event.payload);
      if (message !== undefined) parts.set(part, message);
      if (final) return whole(event, parts);
    }
  }
  throw signal.reason;
}

function whole(event: TopicEvent, parts: ReadonlyMap<number, string>): Answer {
  if (parts.size === 0) return { event, parts: 1 };
  const texts = [...parts].toSorted(([one], [other]) => one - other).map(([, text]) => text);
  return { event, parts: texts.length, message: texts.join("") };
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

function isAnswer(event: TopicEvent, { correlationId, requestType }: Awaited): boolean {
  if (event.type === requestType) return false;
  const payload = fieldsOf(event.payload);
  const ids = [event.correlationId, payload["request_id"], payload["correlation_id"], event.metadata?.["request_id"]];
  return ids.includes(correlationId);
}

/** An answer without any sign of parts is the whole of it. */
function partOf(payload: unknown): { readonly part: number; readonly message?: string; readonly final: boolean } {
  const { part, message, final, status } = fieldsOf(payload);
  return {
    part: typeof part === "number" ? part : 1,
    ...(typeof message === "string" ? { message } : {}),
    final: final !== false && status !== "partial",
  };
}
