/**
 * Owns what an event of a listening topic means: something for the agent to know of, whatever its type and shape. Pure.
 *
 * Nobody waits for an answer, and none is published; so an event may be any JSON, and the result of another agent is as
 * good as any. Loops are cut as they are for commands: our own events are passed over always, since what a turn
 * publishes would start the next one, and a trace that has gone too far ends here. Whom the operator takes commands from
 * is also who may start a turn this way.
 */

import { jsonText } from "../guard/json-text.ts";
import { decideSender } from "../guard/senders.ts";
import type { Command } from "../replies/turn.ts";
import type { TopicEvent } from "../service/types.ts";
import {
  commandIdOf,
  DEFAULT_MAX_HOPS,
  MAX_MESSAGE_CHARS,
  type ParsedEvent,
  type ParseOptions,
  type RejectedReason,
  traceOf,
} from "./command.ts";

/** Which topics are listened to, and who we are. */
export interface Listening {
  /** Bare topic UUIDs. */
  readonly topics: ReadonlySet<string>;
  readonly ownScriptId?: string;
}

/** One conversation for each producer of a topic. */
const CONVERSATION = "events";

/**
 * Reads an event of a listening topic. Never throws.
 *
 * @example parseListened(event, { topics, ownScriptId }).kind // "command", with `command.isNotice`
 */
export function parseListened(event: TopicEvent, listening: Listening, options: ParseOptions = {}): ParsedEvent {
  if (event.producer !== undefined && event.producer === listening.ownScriptId) {
    return { kind: "ignored", reason: "own_event" };
  }
  const commandId = commandIdOf(event.topicId, event.eventId);
  const trace = traceOf(event.payload, event.metadata);
  const reason = whyDropped(event, trace.hops, options);
  const command: Command = {
    commandId,
    topicId: event.topicId,
    eventId: event.eventId,
    requestId: event.eventId,
    conversationKey: CONVERSATION,
    ...(event.producer === undefined ? {} : { producer: event.producer }),
    message: reason === undefined ? textOf(event).slice(0, MAX_MESSAGE_CHARS) : "",
    attachments: [],
    eventType: event.type,
    ...(event.correlationId === undefined ? {} : { correlationId: event.correlationId }),
    hops: trace.hops,
    traceId: trace.id ?? commandId,
    ...(event.storedAt === undefined ? {} : { storedAt: event.storedAt }),
    isNotice: true,
  };
  return reason === undefined
    ? { kind: "command", command, requestIdGiven: false }
    : { kind: "rejected", reason, command, requestIdGiven: false, replyable: false };
}

function whyDropped({ producer }: TopicEvent, hops: number, options: ParseOptions): RejectedReason | undefined {
  const sender = options.senders === undefined ? "allowed" : decideSender(options.senders, producer);
  if (sender !== "allowed") return sender;
  return hops > (options.maxHops ?? DEFAULT_MAX_HOPS) ? "too_many_hops" : undefined;
}

function textOf({ type, payload, payloadRef, correlationId }: TopicEvent): string {
  const facts = [
    `type: ${type}`,
    ...(correlationId === undefined ? [] : [`correlation_id: ${correlationId}`]),
    ...(payloadRef === undefined ? [] : [`payload_ref: ${payloadRef}`]),
  ];
  return [...facts, `payload: ${jsonText(payload)}`].join("\n");
}
