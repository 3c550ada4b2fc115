/** Owns the mapping between the plugin's vocabulary and generation A's data plane (wire spec, section 2). */

import {
  bareObjectId,
  bareTopicId,
  createPayloadResponseASchema,
  eventASchema,
  eventPageASchema,
  hintDataASchema,
  payloadInfoASchema,
  publishResponseASchema,
  type EventA,
} from "agentrux-wire";
import { AgentruxError } from "../../errors.ts";
import { checkShape } from "../json.ts";
import type { EventPage, PullRequest, TopicEvent } from "../types.ts";
import type { Dialect } from "./dialect.ts";
import { frameData, present, segment, withQuery } from "./parts.ts";

/**
 * Generation A. It has no metadata, no self filter and no expired positions: an old one returns what is left. Positions
 * are decimal sequence numbers, 0 being before the first event.
 */
export const dialectA: Dialect = {
  generation: "a",

  publish: (request) => ({
    path: `${topicPath(request.topicId)}/events`,
    body: {
      type: request.type,
      ...present({
        payload: request.payloadRef === undefined ? request.payload : undefined,
        payload_ref: request.payloadRef === undefined ? undefined : bareObjectId(request.payloadRef),
        correlation_id: request.correlationId,
        reply_topic: request.replyTopic === undefined ? undefined : bareTopicId(request.replyTopic),
      }),
    },
  }),

  readPublished(document) {
    const body = checkShape(publishResponseASchema, document);
    return { eventId: body.event_id, ...present({ sequence: body.sequence_no }) };
  },

  // Without a cursor the service answers with the newest events, newest first. It has no way back from there: what lies
  // before a position is read forward from as many numbers earlier, so a page is short where numbers are missing.
  pull: (request) => ({
    path: withQuery(`${topicPath(request.topicId)}/events`, {
      limit: String(request.limit),
      after_sequence_no: isNewestFirst(request) ? undefined : String(windowOf(request).after),
      type: request.type,
    }),
  }),

  readPage: (document, request) => readPage(checkShape(eventPageASchema, document).items, request),

  stream({ topicId, after }) {
    const path = `${topicPath(topicId)}/events/stream`;
    const sequence = sequenceOf(after);
    if (sequence === "0") return { path };
    return { path: withQuery(path, { after_sequence_no: sequence }), lastEventId: sequence };
  },

  readFrame(name, data, lastEventId) {
    if (name === "heartbeat") return { kind: "alive" };
    const hint = hintDataASchema.safeParse(frameData(data));
    if (hint.success) return { kind: "hint", position: String(hint.data.latest_sequence_no) };
    return /^\d{1,16}$/.test(lastEventId) ? { kind: "hint", position: lastEventId } : { kind: "hint" };
  },

  createObject: (object) => ({
    path: `${topicPath(object.topicId)}/payloads`,
    body: {
      content_type: object.contentType,
      ...present({ filename: object.filename }),
      size: object.sizeBytes,
      hash: Buffer.from(object.sha256).toString("hex"),
    },
  }),

  readTicket(document, object) {
    const body = checkShape(createPayloadResponseASchema, document);
    return {
      object: { objectId: body.object_id, ...present({ downloadUrl: body.download_url }) },
      url: body.upload_url,
      headers: { "content-type": object.contentType },
    };
  },

  objectInfo: (topicId, objectId) => ({
    path: `${topicPath(topicId)}/payloads/${segment(bareObjectId(objectId), "object")}`,
  }),

  readObjectInfo(document, objectId) {
    const body = checkShape(payloadInfoASchema, document);
    return {
      objectId: body.object_id ?? objectId,
      downloadUrl: body.download_url,
      ...present({ contentType: body.content_type, size: body.size }),
    };
  },
};

function topicPath(topicId: string): string {
  return `/topics/${segment(bareTopicId(topicId), "topic")}`;
}

function isNewestFirst(request: PullRequest): boolean {
  return request.after === undefined && request.order === "desc";
}

function sequenceOf(cursor: string | undefined): string {
  if (cursor === undefined || cursor === "") return "0";
  if (/^\d{1,16}$/.test(cursor)) return cursor;
  throw new AgentruxError("invalid", "A read position of this service is a sequence number, and this one is none");
}

/** The numbers a page may hold, both ends exclusive. */
function windowOf(request: PullRequest): { readonly after: number; readonly before: number } {
  if (isNewestFirst(request)) return { after: 0, before: Number.POSITIVE_INFINITY };
  const position = Number(sequenceOf(request.after));
  if (request.order !== "desc") return { after: position, before: Number.POSITIVE_INFINITY };
  return { after: Math.max(0, position - 1 - request.limit), before: position };
}

function readPage(items: readonly unknown[], request: PullRequest): EventPage {
  const topicId = bareTopicId(request.topicId);
  const { after, before } = windowOf(request);
  const events: (TopicEvent & { readonly sequence: number })[] = [];
  let malformed = 0;
  for (const item of items) {
    const parsed = eventASchema.safeParse(item);
    if (!parsed.success || !Number.isSafeInteger(parsed.data.sequence_no)) malformed += 1;
    // A service that repeats what was asked to be left out must not keep a drain going for ever.
    else if (parsed.data.sequence_no > after && parsed.data.sequence_no < before)
      events.push(toEvent(parsed.data, topicId));
  }
  const direction = request.order === "desc" ? -1 : 1;
  events.sort((one, other) => direction * (one.sequence - other.sequence));
  if (before !== Number.POSITIVE_INFINITY) return { events, malformed };
  const next = positionAfter(items, after, isNewestFirst(request));
  return { events, malformed, ...(next > after ? { next: String(next) } : {}) };
}

/**
 * The highest number of the page. Items whose number cannot be read count too: a forward page holds the next events
 * there are, so n of them reach at least n numbers further, and the page is left behind without overtaking any event.
 */
function positionAfter(items: readonly unknown[], after: number, newestFirst: boolean): number {
  const numbers = items.map(sequenceIn);
  const known = new Set(numbers.filter((number) => number !== undefined).filter((number) => number > after));
  const unreadable = newestFirst ? 0 : numbers.filter((number) => number === undefined).length;
  let highest = after + unreadable + (newestFirst ? 0 : known.size);
  for (const number of known) highest = Math.max(highest, number);
  return highest;
}

function sequenceIn(item: unknown): number | undefined {
  const sequence = (item as { sequence_no?: unknown } | null | undefined)?.sequence_no;
  return typeof sequence === "number" && Number.isSafeInteger(sequence) ? sequence : undefined;
}

function toEvent(event: EventA, topicId: string): TopicEvent & { readonly sequence: number } {
  return {
    topicId,
    eventId: event.event_id,
    cursor: String(event.sequence_no),
    sequence: event.sequence_no,
    type: event.type,
    payload: event.payload ?? null,
    ...present({
      payloadRef: event.payload_ref,
      producer: event.producer_script,
      correlationId: event.correlation_id,
      replyTopic: event.reply_topic,
      storedAt: event.timestamp,
    }),
  };
}
