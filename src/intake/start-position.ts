/**
 * Owns where reading a topic begins.
 *
 *     saved position ------------------------------> resume there
 *     none (first start, or the file was deleted) --> the newest event (default), or the oldest retained
 *     unknown (the file could not be read) ---------> what the caller still remembers, else the newest event
 *     read last in the other generation ------------> the place that is the same event (crossing.ts), else the newest
 *
 * Skipping is bounded in cost and counted. Until a position is known and on disk nothing is read, however long the
 * service is away: starting from the beginning instead would run the topic's whole history as commands (W10).
 */

import { bareEventId, UUID_PATTERN } from "agentrux-wire";
import { AgentruxError, errorText } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import { retryDelayMs, slowJitter } from "../service/backoff.ts";
import type { Random, Sleep } from "../service/clock.ts";
import type { Cursor, EventPage, Generation, ServiceClient, TopicEvent } from "../service/types.ts";
import type { TroubleLog } from "../trouble-log.ts";
import { findMark, type ReadMark } from "./crossing.ts";
import { type IntakeTrouble, isPassing } from "./trouble.ts";
import { withWatchdog } from "./watchdog.ts";
import type { Waterline } from "./waterline.ts";

/** Where lines go; the host's logger fits. */
export interface Log {
  info(line: string): void;
  warn(line: string): void;
  error(line: string): void;
}

/** A wish to begin at the newest event although a position is saved; it is granted once. */
export interface Skip {
  pending: boolean;
}

export interface StartOptions {
  readonly topicId: string;
  readonly client: Pick<ServiceClient, "pull">;
  readonly waterline: Waterline;
  /** Where a first start begins. */
  readonly startFrom: "latest" | "earliest";
  readonly skip?: Skip;
  /** How far the caller knows the topic to have been read; undefined where it knows nothing. */
  readonly recall?: (topicId: string) => Promise<Remembered | undefined>;
  readonly watchdogMs: number;
  readonly log: Log;
  readonly troubles: TroubleLog;
  readonly sleep: Sleep;
  readonly random: Random;
  readonly onTrouble: (trouble: IntakeTrouble) => void;
  readonly signal: AbortSignal;
}

/** What the caller remembers of the last page of a topic. */
export interface Remembered extends ReadMark {
  readonly generation: Generation;
  readonly cursor: Cursor;
}

/** How many events a skip has left behind. */
export interface Skipped {
  readonly count: number;
  /** `at-most`: counted by sequence numbers, which may have gaps. `at-least`: counting ended before the events did. */
  readonly bound: "exact" | "at-most" | "at-least";
}

export type StartPosition =
  | { readonly kind: "resumed" | "recalled" | "crossed" | "earliest"; readonly cursor: Cursor }
  /** `skipped` is absent when the count could not be had. */
  | { readonly kind: "skipped"; readonly cursor: Cursor; readonly skipped?: Skipped };

const START_BACKOFF = { baseMs: 1_000, capMs: 30_000 } as const;
/** Longest wait between tries of what only a person can mend. */
export const SLOW_RETRY_MS = 60_000;
const COUNT_PAGE = 1_000;
const COUNT_PAGES_MAX = 5;

/**
 * Finds a topic's position and puts it into the waterline, trying until that works.
 *
 * @throws only the reason of `signal`.
 */
export async function settleStartPosition(options: StartOptions): Promise<StartPosition> {
  const { signal, sleep, troubles } = options;
  let found: StartPosition | undefined;
  for (let failures = 0; ; failures++) {
    signal.throwIfAborted();
    try {
      found ??= await find(options);
      failpoint("intake.position-found");
      await options.waterline.flush();
      troubles.over("start", "[agentrux] The read position is known now");
      return found;
    } catch (error) {
      signal.throwIfAborted();
      const retryInMs = isPassing(error)
        ? retryDelayMs(error, failures, START_BACKOFF, options.random)
        : slowJitter(SLOW_RETRY_MS, options.random);
      const waiting = `Nothing is read before it is known; trying again in ${Math.ceil(retryInMs / 1_000)} s.`;
      troubles.again("start", `[agentrux] Failed to fetch initial waterline: ${errorText(error)}. ${waiting}`);
      const kind = isPassing(error) ? "passing" : "fatal";
      options.onTrouble({ kind, error, failures: failures + 1, retryInMs });
      await sleep(retryInMs, signal);
    }
  }
}

async function find(options: StartOptions): Promise<StartPosition> {
  const { topicId, waterline, log } = options;
  const saved = waterline.position(topicId);
  if (saved.kind === "none") {
    return options.startFrom === "earliest" ? beginAtOldest(options) : await skipToNewest(options);
  }
  if (saved.kind === "saved" && options.skip?.pending) return await skipSaved(options, options.skip);
  const remembered = await options.recall?.(topicId);
  const isForeign = remembered !== undefined && remembered.generation !== waterline.generation;
  if (saved.kind === "saved" && !isForeign) {
    log.info(resumeLine(options, saved.cursor));
    return { kind: "resumed", cursor: saved.cursor };
  }
  if (remembered !== undefined && !isForeign) {
    waterline.reset(topicId, remembered.cursor);
    log.warn(`[agentrux] The read position was lost; going on where the journal ends topic=${topicId}`);
    return { kind: "recalled", cursor: remembered.cursor };
  }
  const mark = remembered ?? markIn(options);
  const found = mark === undefined ? undefined : await crossOver(options, mark);
  return found ?? (await giveUpPosition(options, saved.kind === "unknown" ? saved.reason : "it is an old one"));
}

/** What the other generation's position in the file tells, as the vendor's plugin has left it. */
function markIn({ waterline, topicId }: StartOptions): ReadMark | undefined {
  const other = waterline.otherPosition(topicId);
  if (other === undefined || other === "") return undefined;
  if (waterline.generation === "b") return { sequence: Number(other) };
  return UUID_PATTERN.test(bareEventId(other)) ? { eventId: other } : undefined;
}

async function crossOver(options: StartOptions, mark: ReadMark): Promise<StartPosition | undefined> {
  const { topicId, waterline, log } = options;
  const end = await findEnd(options);
  const cursor = await findMark(mark, waterline.generation, end.cursor, (before, limit) =>
    pull(options, { order: "desc", limit, ...(before === undefined ? {} : { after: before }) }),
  );
  if (cursor === undefined) return undefined;
  waterline.reset(topicId, cursor);
  log.warn(
    `[agentrux] The credentials are of generation ${waterline.generation} now: going on after the last event that was read in the other one topic=${topicId}`,
  );
  return { kind: "crossed", cursor };
}

/** Not the oldest event, whatever `startFrom` says: the topic was read before, and none of that may run again. */
async function giveUpPosition(options: StartOptions, reason: string): Promise<StartPosition> {
  const { topicId, log, onTrouble } = options;
  const position = await skipToNewest(options);
  log.error(`[agentrux] The read position was lost (${reason}); events since it were skipped topic=${topicId}`);
  onTrouble({ kind: "position-unknown", reason });
  return position;
}

function beginAtOldest({ topicId, waterline, log }: StartOptions): StartPosition {
  waterline.reset(topicId, "");
  log.info(`[agentrux] First startup: beginning with the oldest retained event topic=${topicId}`);
  return { kind: "earliest", cursor: "" };
}

async function skipToNewest(options: StartOptions): Promise<StartPosition> {
  const { topicId, waterline, log } = options;
  const end = await findEnd(options);
  waterline.reset(topicId, end.cursor);
  const skipped = await countOrNothing(options, end);
  log.info(skipLine(waterline.generation, end));
  if (skipped === undefined) {
    log.info(`[agentrux] Events before that were skipped; how many could not be counted topic=${topicId}`);
    return { kind: "skipped", cursor: end.cursor };
  }
  const qualifier = { exact: "", "at-most": "at most ", "at-least": "at least " }[skipped.bound];
  log.info(
    `[agentrux] Skipped ${qualifier}${skipped.count} event(s) published before the first start topic=${topicId}`,
  );
  return { kind: "skipped", cursor: end.cursor, skipped };
}

/** What the vendor's 1.x did at each start (`resumeFromLastSeq: false`). */
async function skipSaved(options: StartOptions, skip: Skip): Promise<StartPosition> {
  const { topicId, waterline, log } = options;
  const end = await findEnd(options);
  waterline.reset(topicId, end.cursor);
  skip.pending = false;
  log.info(skipLine(waterline.generation, end));
  log.warn(`[agentrux] resumeFromLastSeq is false: what was published since the last stop is not run topic=${topicId}`);
  return { kind: "skipped", cursor: end.cursor };
}

interface End {
  readonly cursor: Cursor;
  /** The newest readable event; absent in an empty topic. */
  readonly newest?: TopicEvent;
  /** Present in generation A: the topic's oldest event was looked at on the way. */
  readonly oldestSequence?: number;
}

async function findEnd(options: StartOptions): Promise<End> {
  const page = await pull(options, { order: "desc", limit: 2 });
  const newest = page.events[0];
  const cursor = page.next ?? newest?.cursor;
  if (cursor === undefined) {
    if (page.malformed === 0) return { cursor: "" };
    throw new AgentruxError("malformed_response", "the newest events cannot be read", { retryable: true });
  }
  if (options.waterline.generation === "b") return { cursor, ...(newest && { newest }) };
  return await checkedEnd(options, { cursor, ...(newest && { newest }) });
}

/**
 * Generation A does not say that it answers newest first (wire spec A8). When its answer looks like the beginning of the
 * topic, either the topic is that short or the server answers oldest first; then the end is found by walking there.
 */
async function checkedEnd(options: StartOptions, end: End): Promise<End> {
  const beginning = await pull(options, { after: "", limit: 2 });
  const oldest = beginning.events[0]?.sequence;
  let checked: End = { ...end, ...(oldest !== undefined && { oldestSequence: oldest }) };
  if (Number(beginning.next ?? beginning.events.at(-1)?.cursor ?? 0) < Number(end.cursor)) return checked;
  for (;;) {
    const page = await pull(options, { after: checked.cursor, limit: COUNT_PAGE });
    const cursor = page.next ?? page.events.at(-1)?.cursor;
    if (cursor === undefined || Number(cursor) <= Number(checked.cursor)) return checked;
    const newest = page.events.at(-1) ?? checked.newest;
    checked = { ...checked, cursor, ...(newest && { newest }) };
  }
}

async function countOrNothing(options: StartOptions, end: End): Promise<Skipped | undefined> {
  try {
    return await count(options, end);
  } catch {
    options.signal.throwIfAborted();
    // The position is what matters; a count that cannot be had must not hold up the start.
    return undefined;
  }
}

async function count(options: StartOptions, { newest, oldestSequence }: End): Promise<Skipped> {
  if (newest === undefined) return { count: 0, bound: "exact" };
  if (newest.sequence === undefined) return await countByWalking(options, newest);
  const oldest = oldestSequence ?? (await pull(options, { after: "", limit: 1 })).events[0]?.sequence;
  if (oldest === undefined || oldest > newest.sequence) return { count: 1, bound: "at-least" };
  const span = newest.sequence - oldest + 1;
  return { count: span, bound: span <= 2 ? "exact" : "at-most" };
}

async function countByWalking(options: StartOptions, newest: TopicEvent): Promise<Skipped> {
  let seen = 0;
  let after: Cursor = "";
  for (let pages = 0; pages < COUNT_PAGES_MAX; pages++) {
    const page = await pull(options, { after, limit: COUNT_PAGE });
    const index = page.events.findIndex((event) => event.eventId === newest.eventId);
    if (index >= 0) return { count: seen + index + 1, bound: "exact" };
    seen += page.events.length;
    const next = page.next ?? page.events.at(-1)?.cursor;
    if (page.events.length === 0 || next === undefined || next === after) break;
    after = next;
  }
  return { count: seen, bound: "at-least" };
}

async function pull(
  { client, topicId, watchdogMs, sleep, signal }: StartOptions,
  request: { readonly after?: Cursor; readonly order?: "desc"; readonly limit: number },
): Promise<EventPage> {
  return await withWatchdog((cut) => client.pull({ topicId, ...request, signal: cut }), watchdogMs, { sleep, signal });
}

function skipLine(generation: "a" | "b", end: End): string {
  if (generation === "a") return `[agentrux] First startup: skipped to waterline=${end.cursor === "" ? 0 : end.cursor}`;
  return end.newest === undefined
    ? "[agentrux] Startup: topic is empty, waterline initialized empty"
    : `[agentrux] Startup: skipped to latest evt=${end.newest.eventId}`;
}

function resumeLine({ waterline, topicId }: StartOptions, cursor: Cursor): string {
  return waterline.generation === "a"
    ? `[agentrux] Resuming from saved waterline=${cursor === "" ? 0 : cursor} topic=${topicId}`
    : `[agentrux] Resuming from saved waterline evt=${cursor} topic=${topicId}`;
}
