/** Owns turning a page of events into rows for the journal, and what is counted on the way. */

import type { AdmissionRow } from "../journal/types.ts";
import type { Composer } from "../replies/compose.ts";
import type { TopicEvent } from "../service/types.ts";
import { rejectedEnding } from "./attempt-policy.ts";
import { conversationHash, type ParsedEvent, parseEvent, type ParseOptions, requestKeyOf } from "./command.ts";

type Taken = Exclude<ParsedEvent, { kind: "ignored" }>;

export interface PreparedPage {
  readonly rows: readonly AdmissionRow[];
  /** What each row came from, in the same order. */
  readonly taken: readonly Taken[];
  /** What leaves no row: events passed over, and commands refused without an answer. */
  readonly dropped: readonly ParsedEvent[];
}

function rowOf(parsed: Taken, compose: Composer): AdmissionRow {
  const { command } = parsed;
  return {
    commandId: command.commandId,
    producer: command.producer ?? "",
    ...(parsed.requestIdGiven ? { requestKey: requestKeyOf(command) } : {}),
    lane: conversationHash(command),
    body: JSON.stringify(command),
    ...(parsed.kind === "rejected" ? { replies: compose(command, rejectedEnding(parsed.reason), 0) } : {}),
  };
}

export function preparePage(events: readonly TopicEvent[], options: ParseOptions, compose: Composer): PreparedPage {
  const parsed = events.map((event) => parseEvent(event, options));
  const leavesRow = (one: ParsedEvent): one is Taken =>
    one.kind === "command" || (one.kind === "rejected" && one.replyable);
  const taken = parsed.filter(leavesRow);
  return {
    rows: taken.map((one) => rowOf(one, compose)),
    taken,
    dropped: parsed.filter((one) => !leavesRow(one)),
  };
}
