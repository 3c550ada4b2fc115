/** Owns turning a page of events into rows for the journal, and what is counted on the way. */

import { isAgentruxError } from "../errors.ts";
import type { AdmissionRow } from "../journal/types.ts";
import type { Composer } from "../replies/compose.ts";
import type { TopicEvent } from "../service/types.ts";
import { rejectedEnding } from "./attempt-policy.ts";
import {
  conversationHash,
  type ParsedEvent,
  parseEvent,
  type ParseOptions,
  refusalKeyOf,
  requestKeyOf,
} from "./command.ts";
import { type Listening, parseListened } from "./listening.ts";

type Taken = Exclude<ParsedEvent, { kind: "ignored" }>;

export interface AdmissionOptions extends ParseOptions {
  /** Topics whose events are not commands. */
  readonly listening?: Listening;
}

function parse(event: TopicEvent, options: AdmissionOptions): ParsedEvent {
  const { listening } = options;
  return listening?.topics.has(event.topicId) === true
    ? parseListened(event, listening, options)
    : parseEvent(event, options);
}

export interface PreparedPage {
  readonly rows: readonly AdmissionRow[];
  /** What each row came from, in the same order. */
  readonly taken: readonly Taken[];
  /** What leaves no row: events passed over, and commands refused without an answer. */
  readonly dropped: readonly ParsedEvent[];
  /** What no row could be made of, by a fault of ours: to be passed over, or its topic would stand still for ever. */
  readonly malformed: readonly Malformed[];
}

export interface Malformed {
  readonly eventId: string;
  readonly error: unknown;
}

/** A sender that may not send is told so once in this time. */
const REFUSAL_WINDOW_MS = 86_400_000;

/** Whether it is the sender that is refused, not the command. */
export function isRefusedSender(parsed: ParsedEvent): boolean {
  return parsed.kind === "rejected" && (parsed.reason === "sender_not_allowed" || parsed.reason === "senders_disabled");
}

function rowOf(parsed: Taken, compose: Composer, now: number): AdmissionRow {
  const { command } = parsed;
  if (parsed.kind === "rejected" && isRefusedSender(parsed)) {
    return {
      commandId: command.commandId,
      producer: command.producer ?? "",
      // Not the request's own id: the journal's memory of it is what makes the reply the only one.
      requestKey: refusalKeyOf(command, Math.floor(now / REFUSAL_WINDOW_MS)),
      lane: conversationHash(command),
      body: JSON.stringify({ ...command, message: "", attachments: [] }),
      replies: compose(command, rejectedEnding(parsed.reason), 0),
    };
  }
  return {
    commandId: command.commandId,
    producer: command.producer ?? "",
    ...(parsed.requestIdGiven ? { requestKey: requestKeyOf(command) } : {}),
    lane: conversationHash(command),
    body: JSON.stringify(command),
    ...(parsed.kind === "rejected" ? { replies: compose(command, rejectedEnding(parsed.reason), 0) } : {}),
  };
}

/** Events read in one go: more would hold up the gateway's other work. */
const SLICE = 200;

/**
 * Reads a page slice by slice, letting other work run in between.
 *
 * @param now epoch milliseconds
 */
export async function preparePage(
  events: readonly TopicEvent[],
  options: AdmissionOptions,
  compose: Composer,
  now: number,
  letOthersRun: () => Promise<void>,
): Promise<PreparedPage> {
  const page: Page = { rows: [], taken: [], dropped: [], malformed: [] };
  for (let from = 0; from < events.length; from += SLICE) {
    if (from > 0) await letOthersRun();
    for (const event of events.slice(from, from + SLICE)) prepare(event, page, options, compose, now);
  }
  return page;
}

interface Page extends PreparedPage {
  readonly rows: AdmissionRow[];
  readonly taken: Taken[];
  readonly dropped: ParsedEvent[];
  readonly malformed: Malformed[];
}

function prepare(event: TopicEvent, page: Page, options: AdmissionOptions, compose: Composer, now: number): void {
  try {
    const parsed = parse(event, options);
    if (parsed.kind === "ignored" || (parsed.kind === "rejected" && !parsed.replyable)) {
      page.dropped.push(parsed);
      return;
    }
    page.rows.push(rowOf(parsed, compose, now));
    page.taken.push(parsed);
  } catch (error) {
    if (isAgentruxError(error)) throw error;
    page.malformed.push({ eventId: event.eventId, error });
  }
}
