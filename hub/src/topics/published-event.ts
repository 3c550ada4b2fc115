/** From a publish request in either dialect to the event the store keeps. */
import { createHash } from "node:crypto";
import {
  bareObjectId,
  bareTopicId,
  publishRequestASchema,
  publishRequestBSchema,
  type PublishRequestA,
  type PublishRequestB,
} from "agentrux-wire";
import type { HubLimits } from "../config.ts";
import { HubError } from "../errors.ts";
import { checked } from "../http/body.ts";
import type { Generation, NewEvent } from "../store/port.ts";
import { memberTexts } from "../json-text.ts";

/** What a publisher says of an event; the hub adds the id. */
export type PublishedEvent = Omit<NewEvent, "eventId">;

/**
 * @param text the event's JSON text, already known to be valid JSON
 * @param value the same, parsed
 * @throws HubError INVALID naming the field; PAYLOAD_TOO_LARGE
 */
export function publishedEvent(
  dialect: Generation,
  text: string,
  value: unknown,
  limits: Pick<HubLimits, "maxInlinePayloadABytes" | "maxInlinePayloadBBytes">,
): PublishedEvent {
  if (dialect === "a") {
    const request = checked(publishRequestASchema, value);
    return eventOfA(request, inlineA(memberTexts(text), limits.maxInlinePayloadABytes));
  }
  const request = checked(publishRequestBSchema, value);
  return eventOfB(request, inlineB(memberTexts(text), limits.maxInlinePayloadBBytes));
}

function eventOfA(request: PublishRequestA, payloadJson: string | null): PublishedEvent {
  const objectId = objectReference(request.payload_ref);
  return {
    type: plainType(request.type),
    payloadJson,
    objectId,
    correlationId: request.correlation_id ?? null,
    replyTopic: topicReference(request.reply_topic),
    metadataJson: null,
  };
}

function eventOfB(request: PublishRequestB, inline: InlineB): PublishedEvent {
  const { correlation_id: correlation, reply_topic: reply } = request.metadata ?? {};
  return {
    type: plainType(request.event_type),
    payloadJson: inline.payloadJson,
    objectId: objectReference(request.payload_object_id),
    correlationId: typeof correlation === "string" ? correlation : null,
    replyTopic: topicReference(typeof reply === "string" ? reply : null),
    metadataJson: inline.metadataJson,
  };
}

/** A digest of everything a publisher said, to tell a replay from a different request. */
export function fingerprint(event: PublishedEvent): string {
  const said = [
    event.type,
    event.payloadJson,
    event.objectId,
    event.correlationId,
    event.replyTopic,
    event.metadataJson,
  ];
  return createHash("sha256").update(JSON.stringify(said)).digest("base64url");
}

/** A digest of a batch, from those of its events; that of no single event. */
export function batchFingerprint(fingerprints: readonly string[]): string {
  return createHash("sha256").update(fingerprints.join(" ")).digest("base64url");
}

function inlineA(members: ReadonlyMap<string, string>, limitBytes: number): string | null {
  const payload = presentJson(members, "payload");
  assertInline("An inline payload", [payload], limitBytes);
  return payload;
}

type InlineB = Pick<NewEvent, "payloadJson" | "metadataJson">;

/** The two share one limit: metadata without one would be a second payload, of any size. */
function inlineB(members: ReadonlyMap<string, string>, limitBytes: number): InlineB {
  const payloadJson = presentJson(members, "payload");
  const metadataJson = presentJson(members, "metadata");
  assertInline("An inline payload with its metadata", [payloadJson, metadataJson], limitBytes);
  return { payloadJson, metadataJson };
}

function assertInline(what: string, texts: readonly (string | null)[], limitBytes: number): void {
  const bytes = texts.reduce((sum, text) => sum + (text === null ? 0 : Buffer.byteLength(text)), 0);
  if (bytes <= limitBytes) return;
  throw new HubError("PAYLOAD_TOO_LARGE", `${what} may have ${limitBytes} bytes; upload a payload object`, {
    details: { limit_bytes: limitBytes },
  });
}

/** The text of a member; null counts as absent. */
function presentJson(members: ReadonlyMap<string, string>, name: string): string | null {
  const text = members.get(name);
  return text === undefined || text === "null" ? null : text;
}

function objectReference(id: string | null | undefined): string | null {
  return id === undefined || id === null ? null : bareObjectId(id).toLowerCase();
}

function topicReference(id: string | null | undefined): string | null {
  return id === undefined || id === null ? null : bareTopicId(id);
}

/** Event types end up in stream frames, logs and metrics, where a line break would be taken for structure. */
function plainType(type: string): string {
  if (/\p{Cc}/u.test(type)) throw new HubError("INVALID", "type: must not contain control characters");
  return type;
}
