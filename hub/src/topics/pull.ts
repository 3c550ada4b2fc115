/** Reading events: A8, A9, A10 and B8. The form of the topic id on the path decides the dialect. */
import { BY_SEQUENCE_RANGE_MAX, UUID_PATTERN, bareEventId } from "agentrux-wire";
import { authorizeTopic } from "../auth/access.ts";
import type { TopicCall } from "../auth/access.ts";
import type { HubDeps } from "../deps.ts";
import { HubError } from "../errors.ts";
import type { HubApp, HubContext } from "../http/context.ts";
import type { PageQuery, StoredEvent } from "../store/port.ts";
import { decodeCursor, decodeOlderCursor, encodeCursor, encodeOlderCursor } from "./cursor.ts";
import { eventTextA, eventTextB } from "./envelope.ts";
import { pageBody } from "./page-body.ts";
import { pullPosition } from "./position.ts";
import { flagParam, limitParam, orderParam, sequenceParam, textParam } from "./query.ts";

/** A page ends early rather than outgrow this: a thousand events of ten megabytes are nobody's page. */
const MAX_PAGE_BYTES = 16 * 1024 * 1024;

/** A range cannot end early: a short one means that events were deleted. */
const MAX_RANGE_BYTES = 64 * 1024 * 1024;

export function registerPullRoutes(app: HubApp, deps: HubDeps): void {
  app.get("/topics/:topic_id/events", async (c) => {
    const call = await authorizeTopic(c, deps, "read");
    return json(await (call.dialect === "a" ? pageA(c, deps, call) : pageB(c, deps, call)));
  });

  app.get("/topics/:topic_id/events/by-sequence", async (c) => {
    const call = await authorizeTopic(c, deps, "read");
    const startSeq = sequenceParam(c, "start_seq");
    const endSeq = sequenceParam(c, "end_seq");
    if (startSeq === undefined || endSeq === undefined || endSeq < startSeq) {
      throw new HubError("INVALID", "start_seq and end_seq: both are needed, and end_seq must not be the smaller");
    }
    if (endSeq - startSeq + 1 > BY_SEQUENCE_RANGE_MAX) {
      throw new HubError("INVALID", `The range may span ${BY_SEQUENCE_RANGE_MAX} sequence numbers`);
    }
    const events = await deps.store.events.range(call.topic.id, startSeq, endSeq, MAX_RANGE_BYTES);
    return json(pageBody(call.dialect === "a" ? '{"items":[' : '{"events":[', eventTexts(call, events), "]}"));
  });
}

/** Registered after the fixed names under `/events/`, which would otherwise be taken for event ids. */
export function registerEventRoute(app: HubApp, deps: HubDeps): void {
  app.get("/topics/:topic_id/events/:event_id", async (c) => {
    const call = await authorizeTopic(c, deps, "read");
    const eventId = bareEventId(c.req.param("event_id")).toLowerCase();
    const event = UUID_PATTERN.test(eventId) ? await deps.store.events.byId(call.topic.id, eventId) : undefined;
    if (event === undefined) throw new HubError("NOT_FOUND", "No such event on this topic");
    return json(eventText(call, event));
  });
}

async function pageA(c: HubContext, deps: HubDeps, call: TopicCall): Promise<Uint8Array<ArrayBuffer>> {
  const afterSeq = sequenceParam(c, "after_sequence_no");
  const cursor = textParam(c, "cursor");
  if (afterSeq !== undefined && cursor !== undefined) {
    throw new HubError("INVALID", "after_sequence_no and cursor: give one of them");
  }
  const topicId = call.topic.id;
  const from = cursor === undefined ? undefined : positionA(topicId, cursor);
  const order = from?.order ?? orderParam(c) ?? (afterSeq === undefined ? "desc" : "asc");
  const start = afterSeq ?? (from?.order === "asc" ? from.seq : undefined);
  const before = from?.order === "desc" ? from.seq : undefined;
  const { events, hasMore } = await readPage(c, deps, call, order, start, before);
  const last = events.at(-1);
  const encode = order === "asc" ? encodeCursor : encodeOlderCursor;
  const next = hasMore && last !== undefined ? `"${encode(topicId, last.seq)}"` : "null";
  return pageBody('{"items":[', eventTexts(call, events), `],"next_cursor":${next}}`);
}

function positionA(topicId: string, cursor: string): { order: "asc" | "desc"; seq: number } {
  const newer = decodeCursor(topicId, cursor);
  if (newer !== undefined) return { order: "asc", seq: newer };
  const older = decodeOlderCursor(topicId, cursor);
  if (older !== undefined) return { order: "desc", seq: older };
  throw new HubError("INVALID", "cursor: no cursor of this topic");
}

/**
 * `next.after` and `frontier_cursor` are positions that are always safe to keep: with more to come they stand after the
 * last event served, else at the newest event there was when the page was read (past the filtered ones too).
 * With `order=desc` the listing goes back in time, and `after` continues it.
 */
async function pageB(c: HubContext, deps: HubDeps, call: TopicCall): Promise<Uint8Array<ArrayBuffer>> {
  const topicId = call.topic.id;
  const order = orderParam(c) ?? "asc";
  const after = textParam(c, "after");
  const { lastSeq } = await deps.store.events.bounds(topicId);
  const position = after === undefined ? undefined : await pullPosition(deps.store.events, topicId, after);
  const start = order === "asc" ? position : undefined;
  const before = order === "desc" ? position : undefined;
  const { events, hasMore } = await readPage(c, deps, call, order, start, before);
  const served = events.at(-1)?.seq;
  const reached = hasMore && served !== undefined ? served : Math.max(lastSeq, served ?? 0);
  const frontier = encodeCursor(topicId, order === "asc" ? reached : lastSeq);
  const next = order === "asc" ? frontier : encodeCursor(topicId, served ?? position ?? lastSeq);
  const tail = `],"next":{"after":"${next}","has_more":${hasMore},"frontier_cursor":"${frontier}"}}`;
  return pageBody('{"events":[', eventTexts(call, events), tail);
}

async function readPage(
  c: HubContext,
  deps: HubDeps,
  call: TopicCall,
  order: "asc" | "desc",
  afterSeq: number | undefined,
  beforeSeq: number | undefined,
): Promise<{ events: readonly StoredEvent[]; hasMore: boolean }> {
  const limit = limitParam(c);
  const type = textParam(c, "type");
  const query: PageQuery = {
    topicId: call.topic.id,
    order,
    // One more than asked for tells whether more is there.
    limit: limit + 1,
    maxBytes: MAX_PAGE_BYTES,
    ...(afterSeq === undefined ? {} : { afterSeq }),
    ...(beforeSeq === undefined ? {} : { beforeSeq }),
    ...(type === undefined ? {} : { type }),
    ...(flagParam(c, "exclude_self") ? { excludeProducer: call.caller.scriptId } : {}),
  };
  const page = await deps.store.events.page(query);
  const hasMore = page.truncated || page.events.length > limit;
  return { events: page.events.length > limit ? page.events.slice(0, limit) : page.events, hasMore };
}

function eventText(call: TopicCall, event: StoredEvent): string {
  return call.dialect === "a" ? eventTextA(event) : eventTextB(call.topic.id, event);
}

function eventTexts(call: TopicCall, events: readonly StoredEvent[]): string[] {
  return events.map((event) => eventText(call, event));
}

function json(body: string | Uint8Array<ArrayBuffer>): Response {
  return new Response(body, { status: 200, headers: { "Content-Type": "application/json" } });
}
