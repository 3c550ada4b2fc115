/**
 * Owns going over from one wire generation to the other: where in the one a topic was read up to in the other.
 *
 * Cursors mean nothing across generations, but the events are the same: an id differs by its prefix only, a server that
 * numbers events in both numbers them alike, and each has the time it was stored. So the topic is read back from its
 * newest event until the one that was read last, or, where the service does not show it any more, one stored no later.
 * What is read again because of that is recognised by the journal.
 */

import { bareEventId } from "agentrux-wire";
import type { Cursor, EventPage, Generation, TopicEvent } from "../service/types.ts";

/** What is known of the last event that was read. */
export interface ReadMark {
  readonly eventId?: string;
  readonly sequence?: number;
  /** ISO-8601. */
  readonly storedAt?: string;
}

/** A page read back from a position; from the newest event where `before` is undefined. */
export type ReadBack = (before: Cursor | undefined, limit: number) => Promise<EventPage>;

const PAGE_EVENTS = 100;
/** So far is read back: 200,000 events. */
const PAGES_MAX = 2_000;
/** Servers keep events of the same moment in an order of their own: so far beyond its time the event itself is looked for. */
const SLACK_MS = 120_000;

/**
 * The position of `generation` after the marked event. Undefined where it cannot be told.
 *
 * @param end Where the topic ends now, in `generation`.
 */
export async function findMark(
  mark: ReadMark,
  generation: Generation,
  end: Cursor,
  readBack: ReadBack,
): Promise<Cursor | undefined> {
  if (end === "") return "";
  const isMark = (event: TopicEvent): boolean =>
    (mark.eventId !== undefined && bareEventId(event.eventId) === bareEventId(mark.eventId)) ||
    (mark.sequence !== undefined && event.sequence !== undefined && event.sequence <= mark.sequence);
  const markedAt = Date.parse(mark.storedAt ?? "");
  let notLater: Cursor | undefined;
  /** Whether the oldest event seen so far is known to come after the mark. */
  let isSince: boolean | undefined;
  let before: Cursor | undefined = generation === "a" ? String(Number(end) + 1) : undefined;
  for (let pages = 0; pages < PAGES_MAX; pages += 1) {
    const page = await readBack(before, PAGE_EVENTS);
    for (const event of page.events) {
      if (isMark(event)) return event.cursor;
      const at = Date.parse(event.storedAt ?? "");
      if (at <= markedAt) notLater ??= event.cursor;
      if (at < markedAt - SLACK_MS) return notLater;
      isSince = at > markedAt || (mark.sequence !== undefined && event.sequence !== undefined);
    }
    before = earlier(generation, before, page);
    if (before !== undefined) continue;
    if (notLater !== undefined || page.malformed > 0) return notLater;
    if (isSince === undefined) return end;
    // That the mark was not found proves nothing: the beginning is right only where everything is known to be newer.
    return isSince ? "" : undefined;
  }
  return notLater;
}

/** Where to read back from next; undefined at the beginning of the topic. */
function earlier(generation: Generation, before: Cursor | undefined, page: EventPage): Cursor | undefined {
  if (generation === "b") return page.events.at(-1)?.cursor;
  // A page covers so many numbers, whether there are events under them or not.
  const next = Number(before) - PAGE_EVENTS;
  return next > 1 ? String(next) : undefined;
}
