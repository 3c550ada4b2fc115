/** Publishing: A7, B7, and the batch endpoint that is this project's addition. */
import { IDEMPOTENCY_KEY_PATTERN, prefixedEventId } from "agentrux-wire";
import { authorizeTopic } from "../auth/access.ts";
import type { TopicCall } from "../auth/access.ts";
import type { HubDeps } from "../deps.ts";
import { HubError } from "../errors.ts";
import { parseJson, readText } from "../http/body.ts";
import type { HubApp, HubContext } from "../http/context.ts";
import { uuidV7 } from "../ids.ts";
import { mentionedObjectIds } from "../payloads/mentions.ts";
import type { AppendRequest, AppendResult, Generation, IdempotencyClaim } from "../store/port.ts";
import { encodeCursor } from "./cursor.ts";
import { elementTexts, memberTexts } from "../json-text.ts";
import type { PublishedEvent } from "./published-event.ts";
import { batchFingerprint, fingerprint, publishedEvent } from "./published-event.ts";

export function registerPublishRoutes(app: HubApp, deps: HubDeps): void {
  app.post("/topics/:topic_id/events", async (c) => {
    const call = await authorizeTopic(c, deps, "write");
    const key = idempotencyKey(c);
    const text = await readText(c, deps.config.limits.maxBodyBytes);
    const event = publishedEvent(call.dialect, text, parseJson(text), deps.config.limits);
    const claim = key === undefined ? undefined : { key, fingerprint: fingerprint(event) };
    const result = await deps.store.events.append(appendRequest(deps, call, event, claim));
    return published(receipt(call, result), result.replayed);
  });

  app.post("/topics/:topic_id/events/batch", async (c) => {
    const call = await authorizeTopic(c, deps, "write");
    const key = idempotencyKey(c);
    const text = await readText(c, deps.config.limits.maxBodyBytes);
    const events = batchOf(call.dialect, text, deps);
    const claims = key === undefined ? undefined : batchClaims(key, events);
    const requests = events.map((event, index) => appendRequest(deps, call, event, claims?.each[index]));
    const results = await deps.store.events.appendAll(requests, claims?.whole);
    const receipts = results.map((result) => receipt(call, result));
    return published(
      `{"events":[${receipts.join(",")}]}`,
      results.every((result) => result.replayed),
    );
  });
}

function idempotencyKey(c: HubContext): string | undefined {
  const header = c.env.incoming.headers["idempotency-key"];
  if (header === undefined) return undefined;
  if (typeof header !== "string" || !IDEMPOTENCY_KEY_PATTERN.test(header)) {
    throw new HubError("INVALID", "Idempotency-Key: must be 1 to 255 visible ASCII characters");
  }
  return header;
}

function batchOf(dialect: Generation, text: string, deps: HubDeps): PublishedEvent[] {
  const body = parseJson(text);
  const values: unknown = typeof body === "object" && body !== null && "events" in body ? body.events : undefined;
  if (!Array.isArray(values)) throw new HubError("INVALID", "events: must be a list of events");
  const { maxBatchEvents } = deps.config.limits;
  if (values.length === 0 || values.length > maxBatchEvents) {
    throw new HubError("INVALID", `events: must be 1 to ${maxBatchEvents} events`);
  }
  const texts = elementTexts(memberTexts(text).get("events") ?? "[]");
  return texts.map((eventText, index) => eventOfBatch(dialect, eventText, values[index], index, deps));
}

function eventOfBatch(dialect: Generation, text: string, value: unknown, index: number, deps: HubDeps): PublishedEvent {
  try {
    return publishedEvent(dialect, text, value, deps.config.limits);
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    const { status, details } = error;
    throw new HubError(error.code, `events.${index}: ${error.message}`, {
      status,
      ...(details === undefined ? {} : { details }),
      cause: error,
    });
  }
}

/**
 * One key covers the batch. It claims the batch as a whole, so that the key tells another request from this one, and
 * with its place in the batch each event, so that a replay finds what each became. No key of a client has a space.
 */
function batchClaims(
  key: string,
  events: readonly PublishedEvent[],
): { whole: IdempotencyClaim; each: IdempotencyClaim[] } {
  const each = events.map((event, index) => ({
    key: `${key} ${index}/${events.length}`,
    fingerprint: fingerprint(event),
  }));
  return { whole: { key, fingerprint: batchFingerprint(each.map((claim) => claim.fingerprint)) }, each };
}

function appendRequest(
  deps: HubDeps,
  call: TopicCall,
  event: PublishedEvent,
  idempotency: IdempotencyClaim | undefined,
): AppendRequest {
  const storedAt = deps.clock.now();
  return {
    topicId: call.topic.id,
    producer: call.caller.scriptId,
    storedAt,
    event: { ...event, eventId: uuidV7(deps.random, storedAt) },
    mentionedObjectIds: mentionedObjectIds(event.payloadJson),
    ...(idempotency === undefined ? {} : { idempotency }),
  };
}

function receipt({ dialect, topic }: TopicCall, { eventId, seq }: AppendResult): string {
  return dialect === "a"
    ? `{"event_id":"${eventId}","sequence_no":${seq}}`
    : `{"event_id":"${prefixedEventId(eventId)}","sequence_number":${seq},"cursor":"${encodeCursor(topic.id, seq)}"}`;
}

function published(body: string, replayed: boolean): Response {
  const headers: Record<string, string> = { "Content-Type": "application/json" };
  if (replayed) headers["Idempotent-Replayed"] = "true";
  return new Response(body, { status: 201, headers });
}
