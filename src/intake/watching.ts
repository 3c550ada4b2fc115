/**
 * Owns the turn of a watch as a command: a notice like an event of a listening topic, of a conversation of its own for each
 * watch. Pure. Nobody sent it, so no sender policy applies: it is the watch that was allowed.
 */

import type { AdmissionRow } from "../journal/types.ts";
import type { Command } from "../replies/turn.ts";
import { type Conversation, conversationHash, watchCommandIdOf } from "./command.ts";

/** A turn that a watch starts. `born` and `sequence` name it for ever. */
export interface WatchTurn {
  readonly watch: string;
  readonly born: number;
  readonly sequence: number;
  /** The changes; text of strangers. */
  readonly text: string;
  /** Epoch milliseconds. */
  readonly at: number;
}

const EVENT_TYPE = "flux.changed";

/** The conversation of a watch. Its topic is none: topics have UUIDs. */
export function watchConversation(watch: string): Conversation {
  return { topicId: `flux:${watch}`, conversationKey: "changes" };
}

/** The lane of a watch's turns. */
export function watchLane(watch: string): string {
  return conversationHash(watchConversation(watch));
}

/** @example watchRow({ watch: "heat", born, sequence: 7, text, at }).topicId // "flux:heat" */
export function watchRow({ watch, born, sequence, text, at }: WatchTurn): {
  readonly topicId: string;
  readonly row: AdmissionRow;
} {
  const conversation = watchConversation(watch);
  const commandId = watchCommandIdOf(watch, born, sequence);
  const eventId = `${conversation.topicId}#${sequence}`;
  const command: Command = {
    ...conversation,
    commandId,
    eventId,
    requestId: eventId,
    message: text,
    attachments: [],
    eventType: EVENT_TYPE,
    hops: 0,
    traceId: commandId,
    storedAt: new Date(at).toISOString(),
    isNotice: true,
    watch,
  };
  const row = { commandId, producer: conversation.topicId, lane: watchLane(watch), body: JSON.stringify(command) };
  return { topicId: conversation.topicId, row };
}
