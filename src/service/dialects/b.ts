/** Owns the mapping between the plugin's vocabulary and generation B's data plane (wire spec, section 4). */

import {
  bareTopicId,
  createPayloadResponseBSchema,
  eventBSchema,
  eventPageBSchema,
  hintDataBSchema,
  payloadInfoBSchema,
  prefixedObjectId,
  prefixedTopicId,
  publishResponseBSchema,
  streamErrorDataBSchema,
  type EventB,
  type EventPageB,
} from "agentrux-wire";
import { checkShape } from "../json.ts";
import type { EventPage, PublishRequest, PullRequest, TopicEvent } from "../types.ts";
import type { Dialect } from "./dialect.ts";
import { frameData, present, segment, withQuery } from "./parts.ts";

/**
 * Generation B. Positions are opaque per-event cursors, or `evt_` ids where a server gives no cursor. Correlation id and
 * reply topic travel inside the metadata.
 */
export const dialectB: Dialect = {
  generation: "b",

  publish: (request) => ({
    path: `${topicPath(request.topicId)}/events`,
    body: {
      event_type: request.type,
      ...present({
        payload: request.payloadRef === undefined ? request.payload : undefined,
        payload_object_id: request.payloadRef === undefined ? undefined : prefixedObjectId(request.payloadRef),
        metadata: metadataOf(request),
      }),
    },
  }),

  readPublished(document) {
    const body = checkShape(publishResponseBSchema, document);
    return { eventId: body.event_id, ...present({ sequence: body.sequence_number }) };
  },

  pull: (request) => ({
    path: withQuery(`${topicPath(request.topicId)}/events`, {
      limit: String(request.limit),
      order: request.order ?? "asc",
      after: request.after === "" ? undefined : request.after,
      type: request.type,
      exclude_self: request.excludeSelf === true ? "true" : undefined,
    }),
  }),

  readPage: (document, request) => readPage(checkShape(eventPageBSchema, document), request),

  stream: ({ topicId, after, excludeSelf }) => ({
    path: withQuery(`${topicPath(topicId)}/events/stream`, {
      exclude_self: excludeSelf === true ? "true" : undefined,
    }),
    ...(after === undefined || after === "" ? {} : { lastEventId: after }),
  }),

  readFrame(name, data, lastEventId) {
    switch (name) {
      case "heartbeat":
        return { kind: "alive" };
      case "error": {
        const told = streamErrorDataBSchema.safeParse(frameData(data));
        return { kind: "error", code: told.data?.code ?? "UNKNOWN", reason: told.data?.reason ?? "" };
      }
      case "ready":
      case "resync_required":
        return { kind: "hint" };
      default: {
        const position = hintDataBSchema.safeParse(frameData(data)).data?.cursor ?? lastEventId;
        return position === "" ? { kind: "hint" } : { kind: "hint", position };
      }
    }
  },

  createObject: (object) => ({
    path: `${topicPath(object.topicId)}/payloads`,
    body: {
      size_bytes: object.sizeBytes,
      content_type: object.contentType,
      checksum_sha256: Buffer.from(object.sha256).toString("base64"),
    },
  }),

  readTicket(document) {
    const body = checkShape(createPayloadResponseBSchema, document);
    return {
      object: { objectId: body.payload_object_id },
      url: body.presigned_put_url,
      headers: body.required_headers ?? {},
    };
  },

  objectInfo: (topicId, objectId) => ({
    path: `${topicPath(topicId)}/payloads/${segment(prefixedObjectId(objectId), "object")}`,
  }),

  readObjectInfo(document, objectId) {
    const body = checkShape(payloadInfoBSchema, document);
    return {
      objectId,
      downloadUrl: body.presigned_get_url,
      ...present({ contentType: body.content_type, size: body.size_bytes }),
    };
  },
};

function topicPath(topicId: string): string {
  return `/topics/${segment(prefixedTopicId(topicId), "topic")}`;
}

function metadataOf(request: PublishRequest): Record<string, unknown> | undefined {
  const metadata = {
    ...request.metadata,
    ...present({
      correlation_id: request.correlationId,
      reply_topic: request.replyTopic === undefined ? undefined : prefixedTopicId(request.replyTopic),
    }),
  };
  return Object.keys(metadata).length === 0 ? undefined : metadata;
}

function readPage(page: EventPageB, request: PullRequest): EventPage {
  const topicId = bareTopicId(request.topicId);
  const events: TopicEvent[] = [];
  for (const item of page.events) {
    const parsed = eventBSchema.safeParse(item);
    if (parsed.success) events.push(toEvent(parsed.data, topicId));
  }
  const next = positionAfter(page, request);
  const malformed = page.events.length - events.length;
  return { events, malformed, ...present({ next }), ...(isGap(page, request) && { hasMore: true }) };
}

/** A server may filter after it has cut the page, and then nothing of it is left. */
function isGap({ events, next }: EventPageB, { order }: PullRequest): boolean {
  return events.length === 0 && next?.has_more === true && order !== "desc";
}

/**
 * A page's `next.after` leads on from it in the direction of reading, so of a newest-first page the newest event's
 * cursor is taken instead. An empty page has only the frontier, and keeping it keeps the position inside retention; but
 * where more is to come, the frontier lies beyond that.
 */
function positionAfter(page: EventPageB, request: PullRequest): string | undefined {
  const newestFirst = request.order === "desc";
  const last = cursorIn(newestFirst ? page.events[0] : page.events.at(-1));
  const frontier = page.next?.frontier_cursor;
  const after = page.next?.after;
  const isEnd = page.events.length === 0 && !isGap(page, request);
  const candidates = isEnd ? [frontier] : newestFirst ? [last, frontier] : [after, last];
  return candidates.find((cursor) => typeof cursor === "string" && cursor !== "") ?? undefined;
}

function cursorIn(item: unknown): string | undefined {
  const { cursor, event_id: eventId } = (item ?? {}) as { cursor?: unknown; event_id?: unknown };
  if (typeof cursor === "string" && cursor !== "") return cursor;
  return typeof eventId === "string" ? eventId : undefined;
}

function toEvent(event: EventB, topicId: string): TopicEvent {
  const metadata = event.metadata ?? undefined;
  return {
    topicId,
    eventId: event.event_id,
    cursor: event.cursor || event.event_id,
    type: event.event_type,
    payload: event.payload ?? null,
    ...present({
      sequence: event.sequence_number,
      payloadRef: event.payload_object_id,
      producer: event.producer_script,
      correlationId: textIn(metadata, "correlation_id"),
      replyTopic: bareReplyTopic(metadata),
      metadata,
      storedAt: event.stored_at,
    }),
  };
}

function bareReplyTopic(metadata: Readonly<Record<string, unknown>> | undefined): string | undefined {
  const topic = textIn(metadata, "reply_topic");
  return topic === undefined ? undefined : bareTopicId(topic);
}

function textIn(metadata: Readonly<Record<string, unknown>> | undefined, key: string): string | undefined {
  const value = metadata?.[key];
  return typeof value === "string" && value !== "" ? value : undefined;
}
