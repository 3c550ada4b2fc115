/**
 * Owns the shape of the terminal reply: from a command and how it ended to the events to publish. Pure.
 *
 * Every reply ends with exactly one event whose `final` is true and whose `status` is terminal. A long message is cut
 * into numbered parts of which the earlier ones have status `partial`, so that a reader who looks only for a terminal
 * status never takes a piece for the whole. What would take more than a handful of parts is spilled (spill.ts).
 */

import type { NewReply, UnsentReply } from "../journal/types.ts";
import type { ReplyFile } from "./files.ts";
import { replyIdOf } from "./reply-id.ts";
import { MAX_PARTS, previewOf, type Spill } from "./spill.ts";
import { splitForJson } from "./split.ts";
import type { Command } from "./turn.ts";

export type TerminalStatus = "completed" | "failed" | "timeout" | "rejected";

/** A file that goes with a reply, as its reader is told. */
export interface ReplyAttachment {
  readonly name: string;
  readonly object_id?: string;
  readonly payload_object_id?: string;
  readonly content_type: string;
  readonly size?: number;
  /** Hex. */
  readonly sha256?: string;
  readonly download_url?: string;
  /** Present where the file itself is not. */
  readonly error?: { readonly code: string; readonly message: string };
}

/** How a command ended. Every text here is read by strangers. */
export interface Ending {
  readonly status: TerminalStatus;
  readonly message: string;
  /** What is told of files as it stands. */
  readonly attachments?: readonly ReplyAttachment[];
  /** What is still to be uploaded. */
  readonly files?: readonly ReplyFile[];
  readonly error?: { readonly code: string; readonly message: string };
}

/** An event to publish on the result topic. */
export interface OutgoingEvent {
  readonly type: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly correlationId?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Files that go with it. Stays in the journal. */
  readonly files?: readonly ReplyFile[];
  /** Its text is still to be put into an object, or is in one. Stays in the journal. */
  readonly spill?: Spill;
}

/** Writes a command's ending as events. The dialect of a command's type is chosen here. */
export type Composer = (command: Command, ending: Ending, replays: number) => readonly NewReply[];

/** One part's JSON stays below this; the service takes 256 KiB (wire spec, B7). */
export const MAX_PART_BYTES = 192 * 1024;

function eventOf(command: Command, payload: Readonly<Record<string, unknown>>): OutgoingEvent {
  return {
    type: "openclaw.response",
    payload,
    ...(command.correlationId === undefined ? {} : { correlationId: command.correlationId }),
  };
}

/**
 * The reply as `openclaw.response` events; none for an event nobody wants an answer to.
 *
 * @example
 * const parts = composeReply(command, { status: "completed", message: "pong" }, 0);
 */
export function composeReply(command: Command, ending: Ending, replays: number): readonly NewReply[] {
  if (command.isNotice === true) return [];
  const common = {
    request_id: command.requestId,
    conversation_key: command.conversationKey,
    trace: { id: command.traceId, hops: command.hops + 1 },
  };
  const attachments = ending.attachments ?? [];
  const files = ending.files === undefined || ending.files.length === 0 ? {} : { files: ending.files };
  const finalFields = {
    ...(attachments.length === 0 ? {} : { attachments }),
    ...(ending.error === undefined ? {} : { error: ending.error }),
  };
  // The widest frame a message can stand in; what is left of the limit is for the message.
  const frame = { ...common, reply_id: replyIdOf(command.commandId, replays, 1), status: "completed", message: "" };
  const widest = eventOf(command, { ...frame, part: 1_000_000, parts: 1_000_000, final: false, ...finalFields });
  const room = MAX_PART_BYTES - Buffer.byteLength(JSON.stringify(widest));
  const partBytes = Math.max(room, MAX_PART_BYTES / 4);
  const pieces = splitForJson(ending.message, partBytes);
  if (pieces.length > MAX_PARTS) {
    const replyId = replyIdOf(command.commandId, replays, 1);
    const message = previewOf(ending.message);
    const payload = { ...common, reply_id: replyId, status: ending.status, message, final: true, ...finalFields };
    const spill = { text: ending.message, partBytes };
    const event = { ...eventOf(command, payload), ...files, spill } satisfies OutgoingEvent;
    return [{ replyId, part: 1, body: JSON.stringify(event) }];
  }

  return pieces.map((message, index) => {
    const part = index + 1;
    const final = part === pieces.length;
    const replyId = replyIdOf(command.commandId, replays, part);
    const event = eventOf(command, {
      ...common,
      reply_id: replyId,
      status: final ? ending.status : "partial",
      message,
      ...(pieces.length === 1 ? {} : { part, parts: pieces.length }),
      final,
      ...(final ? finalFields : {}),
    });
    return { replyId, part, body: JSON.stringify({ ...event, ...(final ? files : {}) } satisfies OutgoingEvent) };
  });
}

const REFUSED = "reply_refused";

/** The short failed reply that takes the place of one the service refuses; undefined when it was one already. */
export function replacementFor(refused: UnsentReply, code: string): NewReply | undefined {
  const event = JSON.parse(refused.body) as OutgoingEvent;
  const composer = event.type.startsWith("composer.");
  const { request_id, conversation_key, group_id, trace, error } = composer ? (event.metadata ?? {}) : event.payload;
  if (typeof error === "object" && error !== null && "code" in error && error.code === REFUSED) return undefined;
  const message = `The agent answered, but the service refused the reply (${code}).`;
  const replyId = replyIdOf(refused.replyId, 0, refused.part);
  const ending = {
    request_id,
    conversation_key,
    trace,
    reply_id: replyId,
    status: "failed",
    final: true,
    error: { code: REFUSED, message },
  };
  const correlation = event.correlationId === undefined ? {} : { correlationId: event.correlationId };
  const body: OutgoingEvent = composer
    ? {
        type: "composer.text",
        payload: { content: message, format: "markdown" },
        metadata: { ...ending, group_id },
        ...correlation,
      }
    : { type: event.type, payload: { ...ending, message }, ...correlation };
  return { replyId, part: refused.part, body: JSON.stringify(body) };
}
