/**
 * Owns one drain: reading a topic from the waterline to its end.
 *
 *     pull a page -> hand it over (on disk when that resolves) -> move the waterline -> next page
 *
 * The next page is pulled while one is being handed over, never more. Pages grow from 100 to 250 while they come back
 * full. A drain ends at an empty page, unless the service says that more follows, or at a short one that reaches the
 * newest position a hint has told; a short page alone proves nothing, as a server may cut pages by size or filter them.
 * A position that has aged out of the topic's retention is set back to the oldest event there is: what was handed over
 * before is recognised there.
 */

import { AgentruxError, isAgentruxError } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import type { Sleep } from "../service/clock.ts";
import type { Cursor, EventPage, ServiceClient } from "../service/types.ts";
import { isBeyond } from "./positions.ts";
import type { AdmitPage } from "./types.ts";
import { withWatchdog } from "./watchdog.ts";
import type { Waterline } from "./waterline.ts";

export interface DrainOptions {
  readonly topicId: string;
  readonly client: Pick<ServiceClient, "pull">;
  readonly admit: AdmitPage;
  readonly waterline: Waterline;
  readonly excludeSelf: boolean;
  /** A pull that takes longer is abandoned. */
  readonly watchdogMs: number;
  readonly sleep: Sleep;
  /** Whether a hint has told that the topic ends at this position. */
  readonly isKnownEnd: (position: Cursor) => boolean;
  readonly observer: DrainObserver;
}

/** Told as a drain goes on. */
export interface DrainObserver {
  /** A page arrived, with so many items, readable or not. */
  onPage(items: number): void;
  onAdmitted(events: number): void;
  onMalformed(count: number): void;
  /** The position was too old and has been set back to the oldest event. */
  onReanchored(): void;
}

export interface DrainSignals {
  /** Ends the reading; a page that is being handed over is still settled. */
  readonly pull: AbortSignal;
  /** Ends also the handing over. */
  readonly admit: AbortSignal;
}

const PAGE_MIN = 100;
/** Pages of 1,000 are drained no faster, and 100,000 events in them take 100 MiB more of the gateway (docs/benchmarks.md). */
const PAGE_MAX = 250;
/** So many empty pages in a row are left behind: a server that says for ever that more follows must not be asked for ever. */
const EMPTY_PAGES_MAX = 100;

/**
 * Drains a topic once. Its position must be known.
 *
 * @throws whatever pulling or handing over throws; the waterline stands after the last page handed over.
 */
export async function drain(options: DrainOptions, signals: DrainSignals): Promise<void> {
  const reader = new Reader(options, signals.pull);
  try {
    await pump(options, reader, signals);
  } finally {
    reader.close();
  }
}

async function pump(options: DrainOptions, reader: Reader, signals: DrainSignals): Promise<void> {
  const { topicId, waterline, observer, admit } = options;
  let position = currentPosition(options);
  let limit = PAGE_MIN;
  let emptyPages = 0;
  let page = await reader.read(position, limit);
  for (;;) {
    const { events, malformed } = page.content;
    const items = events.length + malformed;
    const full = items >= limit;
    observer.onPage(items);
    if (malformed > 0) observer.onMalformed(malformed);
    const next = page.content.next ?? events.at(-1)?.cursor ?? page.after;
    const progress = isBeyond(waterline.generation, page.after, next);
    emptyPages = items === 0 ? emptyPages + 1 : 0;
    const goesOn = page.content.hasMore === true && progress && emptyPages < EMPTY_PAGES_MAX;
    const atEnd = items === 0 ? !goesOn : !full && options.isKnownEnd(next);
    if (full) limit = Math.min(limit * 2, PAGE_MAX);
    const ahead = atEnd || !progress ? undefined : reader.readAhead(next, limit);
    if (events.length > 0) {
      failpoint("intake.admitting");
      await admit({ topicId, events, position: next }, signals.admit);
      failpoint("intake.admitted");
      // Too late: whoever comes after us may have moved the waterline on.
      signals.admit.throwIfAborted();
      observer.onAdmitted(events.length);
    }
    waterline.advance(topicId, next);
    failpoint("intake.advanced");
    position = next;
    if (atEnd) return;
    if (ahead === undefined) throw stuck(items);
    signals.pull.throwIfAborted();
    page = await reader.take(ahead, position, limit);
  }
}

function currentPosition({ waterline, topicId }: DrainOptions): Cursor {
  const saved = waterline.position(topicId);
  if (saved.kind === "saved") return saved.cursor;
  throw new AgentruxError("invalid", "a topic cannot be drained before its position is known");
}

/** A page that does not lead on would be read for ever. */
function stuck(items: number): AgentruxError {
  const message = `the service gave a page of ${items} items that does not lead on from the position asked for`;
  return new AgentruxError("malformed_response", message, { kind: "refused", retryable: true });
}

interface Page {
  readonly content: EventPage;
  /** The position it was read after. */
  readonly after: Cursor;
}

/** Pulls pages, at most one ahead; everything it began ends with `close`. */
class Reader {
  readonly #options: DrainOptions;
  readonly #source: AbortSignal;
  readonly #ending = new AbortController();

  constructor(options: DrainOptions, signal: AbortSignal) {
    this.#options = options;
    this.#source = signal;
    if (signal.aborted) this.#follow();
    else signal.addEventListener("abort", this.#follow, { once: true });
  }

  /** Reads the page after `position`, or the topic's first page when that position has aged out. */
  async read(position: Cursor, limit: number): Promise<Page> {
    return await this.take(this.readAhead(position, limit), position, limit);
  }

  readAhead(position: Cursor, limit: number): Promise<EventPage> {
    const { client, topicId, excludeSelf, sleep, watchdogMs } = this.#options;
    const pulled = withWatchdog(
      (signal) => client.pull({ topicId, after: position, limit, excludeSelf, signal }),
      watchdogMs,
      { sleep, signal: this.#ending.signal },
    );
    // Whoever takes the page sees the error; a page that is not taken any more has none to tell.
    pulled.catch(() => {});
    return pulled;
  }

  async take(pulled: Promise<EventPage>, position: Cursor, limit: number): Promise<Page> {
    try {
      return { content: await pulled, after: position };
    } catch (error) {
      if (!isAgentruxError(error, "cursor_expired") || position === "") throw error;
      this.#options.waterline.reset(this.#options.topicId, "");
      this.#options.observer.onReanchored();
      return { content: await this.readAhead("", limit), after: "" };
    }
  }

  close(): void {
    this.#source.removeEventListener("abort", this.#follow);
    this.#ending.abort();
  }

  readonly #follow = (): void => {
    this.#ending.abort(this.#source.reason);
  };
}
