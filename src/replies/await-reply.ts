/**
 * Owns waiting, as the one who asks, for the reply to a request. The position on the result topic is taken before the
 * request is sent, so that no reply can slip past; parts are put together by their numbers, whatever else is on the topic.
 */

import { followTopic } from "../service/follow.ts";
import type { Cursor, ServiceClient, TopicEvent } from "../service/types.ts";

export interface AwaitedReply {
  readonly status: "completed" | "failed" | "timeout" | "rejected";
  readonly message: string;
  /** False where a numbered part never came. */
  readonly complete: boolean;
  /** Payload of the event that ended it: attachments, error, trace. Written by the other side. */
  readonly payload: Readonly<Record<string, unknown>>;
}

export interface AwaitReplyOptions {
  readonly topicId: string;
  /** Taken with `newestPosition` before the request was sent. */
  readonly after: Cursor;
  /** As sent with the request; unguessable, so that only its reply can carry it. */
  readonly requestId: string;
  readonly signal: AbortSignal;
  /** Told how many parts are there when another one came. */
  readonly onPart?: (parts: number) => void;
  readonly onTrouble?: (reason: unknown) => void;
}

const TERMINAL = ["completed", "failed", "timeout", "rejected"] as const;
/** More numbered parts than any reply has. */
const MAX_PARTS = 10_000;

/**
 * Waits for the terminal reply; undefined when `signal` aborts first.
 *
 * @throws AgentruxError where the topic cannot be read at all.
 * @example
 * const after = await newestPosition(client, topicId, signal);
 * await client.publish({ topicId: commandTopicId, type: "openclaw.request", payload: { request_id: requestId, message }, signal });
 * const reply = await awaitReply(client, { topicId, after, requestId, signal });
 */
export async function awaitReply(client: ServiceClient, options: AwaitReplyOptions): Promise<AwaitedReply | undefined> {
  const parts = new Map<number, string>();
  for await (const page of followTopic(client, options)) {
    for (const event of page.events) {
      const reply = take(event, options, parts);
      if (reply !== undefined) return reply;
    }
  }
  return undefined;
}

function take(event: TopicEvent, options: AwaitReplyOptions, parts: Map<number, string>): AwaitedReply | undefined {
  const payload = fieldsOf(event.payload);
  if (payload["request_id"] !== options.requestId) return undefined;
  const status = TERMINAL.find((known) => known === payload["status"]);
  if (status === undefined && payload["status"] !== "partial") return undefined;
  const part = numberIn(payload, "part") ?? 1;
  if (part < 1 || part > MAX_PARTS) return undefined;
  parts.set(part, typeof payload["message"] === "string" ? payload["message"] : "");
  options.onPart?.(parts.size);
  if (status === undefined) return undefined;
  const inOrder = [...parts].toSorted(([one], [other]) => one - other);
  return {
    status,
    message: inOrder.map(([, text]) => text).join(""),
    complete: parts.size >= (numberIn(payload, "parts") ?? 1),
    payload,
  };
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function numberIn(payload: Readonly<Record<string, unknown>>, field: string): number | undefined {
  const value = payload[field];
  return typeof value === "number" && Number.isInteger(value) ? value : undefined;
}
