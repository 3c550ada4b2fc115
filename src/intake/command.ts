/**
 * Owns what an event means: a command, something to pass over, or a command that is refused. Pure.
 *
 * Reading is tolerant: whatever a publisher writes, this never throws, and a field that makes no sense is left out. An
 * event without any message is passed over in silence, as every client of the service expects. Nothing here makes text
 * safe; that is the guard's work when a turn begins.
 *
 * Loops are cut here. An event of our own script, a result type, and anything that carries a reply id are never
 * commands, so equal command and result topics, and two plugins wired to each other, come to rest. Every reply carries
 * a trace with a hop count one higher than its command's; beyond `maxHops` a command is refused, and beyond that
 * refusal not even answered.
 */

import { hash } from "node:crypto";
import { decideSender, type SenderDecision, type SenderPolicy } from "../guard/senders.ts";
import type { Command, RequestedAttachment } from "../replies/turn.ts";
import { looksLikeReplyId } from "../replies/reply-id.ts";
import type { TopicEvent } from "../service/types.ts";

export type IgnoredReason = "no_message" | "own_event" | "result_type" | "reply";
export type RejectedReason = "too_large" | "bad_field" | "too_many_hops" | RefusedSender;
/** A rejection of whoever sent the command, not of the command. */
export type RefusedSender = Exclude<SenderDecision, "allowed">;

export type ParsedEvent =
  | {
      readonly kind: "command";
      readonly command: Command;
      /** Whether the requester chose the request id: then a second event with it is the same request. */
      readonly requestIdGiven: boolean;
    }
  | { readonly kind: "ignored"; readonly reason: IgnoredReason }
  | {
      readonly kind: "rejected";
      readonly reason: RejectedReason;
      readonly command: Command;
      readonly requestIdGiven: boolean;
      /** Whether the requester may be told; not so where the answer itself would feed a loop. */
      readonly replyable: boolean;
    };

export interface ParseOptions {
  /** Events of this script are passed over. Absent where it is unknown, or own events are wanted. */
  readonly ownScriptId?: string;
  readonly maxHops?: number;
  /** Whose commands are taken; absent, everybody's. */
  readonly senders?: SenderPolicy;
}

export const DEFAULT_MAX_HOPS = 8;
/** Characters of a message. The service takes 256 KiB inline; the guard cuts further for the model. */
export const MAX_MESSAGE_CHARS = 1_048_576;
const MAX_ID_CHARS = 512;
const MAX_ATTACHMENTS = 64;
const MAX_ATTACHMENT_FIELD_CHARS = 4_096;
const MAX_TRACE_ID_CHARS = 128;
const DEFAULT_CONVERSATION = "default";

const RESULT_TYPES: ReadonlySet<string> = new Set(["openclaw.response", "composer.upload"]);

type Fields = Readonly<Record<string, unknown>>;
const NO_FIELDS: Fields = {};

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : NO_FIELDS;
}

function digest(...parts: readonly string[]): string {
  return hash("sha256", parts.join("\0"), "hex").slice(0, 32);
}

/** The stable id of the command an event carries. The same in both generations, which write event ids differently. */
export function commandIdOf(topicId: string, eventId: string): string {
  return digest("event", topicId, eventId.replace(/^evt_/, ""));
}

/** The stable id of a turn that a watch of the world starts. */
export function watchCommandIdOf(watch: string, born: number, sequence: number): string {
  return digest("watch", watch, String(born), String(sequence));
}

/** What a chosen request id is known by: each producer has its own. */
export function requestKeyOf(command: Command): string {
  return digest("request", command.topicId, command.producer ?? "", command.requestId);
}

/**
 * What a refused sender is known by for one window of time: who was told so once is not told again. Senders share 65,536
 * places, so that no number of them makes more replies than that in a window.
 *
 * @param window A number that stands for the window.
 */
export function refusalKeyOf(command: Command, window: number): string {
  const place = digest("place", command.producer ?? "").slice(0, 4);
  return digest("refusal", command.topicId, String(window), place);
}

/** What tells conversations apart. */
export type Conversation = Pick<Command, "topicId" | "producer" | "conversationKey">;

/** The conversation a command belongs to, as lowercase hex: the key of its lane, and fit for a session key. */
export function conversationHash(command: Conversation): string {
  return digest("conversation", command.topicId, command.producer ?? "", command.conversationKey);
}

/** A short text, or undefined when there is none. Numbers are taken as their digits. */
function scalar(value: unknown): string | undefined {
  if (typeof value === "string") return value === "" ? undefined : value;
  return typeof value === "number" && Number.isFinite(value) ? String(value) : undefined;
}

/** What an entry says of itself. One that says nothing usable stays in its place, so that the agent hears of it. */
function attachmentOf(value: unknown): RequestedAttachment {
  const fields = fieldsOf(value);
  const pick = (...names: readonly string[]): string | undefined => {
    const text = names.map((name) => scalar(fields[name])).find((found) => found !== undefined);
    return text !== undefined && text.length <= MAX_ATTACHMENT_FIELD_CHARS ? text : undefined;
  };
  const name = pick("name", "filename");
  const objectId = pick("object_id", "payload_object_id");
  const contentType = pick("content_type");
  const downloadUrl = pick("download_url", "presigned_get_url");
  return {
    ...(name === undefined ? {} : { name }),
    ...(objectId === undefined ? {} : { objectId }),
    ...(contentType === undefined ? {} : { contentType }),
    ...(downloadUrl === undefined ? {} : { downloadUrl }),
  };
}

function attachmentsOf(value: unknown): Pick<Command, "attachments" | "attachmentsBeyond"> {
  if (!Array.isArray(value)) return { attachments: [] };
  const attachments = value.slice(0, MAX_ATTACHMENTS).map(attachmentOf);
  const beyond = value.length - attachments.length;
  return { attachments, ...(beyond === 0 ? {} : { attachmentsBeyond: beyond }) };
}

interface Trace {
  readonly id: string | undefined;
  readonly hops: number;
}

/** The trace an event carries; what cannot be read counts as none. */
export function traceOf(payload: unknown, metadata: unknown): Trace {
  const fields = { ...fieldsOf(fieldsOf(metadata)["trace"]), ...fieldsOf(fieldsOf(payload)["trace"]) };
  const id = scalar(fields["id"]);
  const hops = Number(scalar(fields["hops"]) ?? 0);
  return {
    id: id !== undefined && id.length <= MAX_TRACE_ID_CHARS ? id : undefined,
    // A count that cannot be read is as good as none: the budget per peer still holds.
    hops: Number.isFinite(hops) && hops > 0 ? Math.min(Math.floor(hops), Number.MAX_SAFE_INTEGER) : 0,
  };
}

/** The first of the three accepted fields that holds anything. */
function messageOf(payload: Fields): unknown {
  return [payload["message"], payload["text"], payload["content"]].find(
    (value) => value !== undefined && value !== null && value !== "" && value !== false,
  );
}

function whyIgnored(
  event: TopicEvent,
  payload: Fields,
  metadata: Fields,
  options: ParseOptions,
): IgnoredReason | undefined {
  if (RESULT_TYPES.has(event.type)) return "result_type";
  if (looksLikeReplyId(payload["reply_id"]) || looksLikeReplyId(metadata["reply_id"])) return "reply";
  if (event.producer !== undefined && event.producer === options.ownScriptId) return "own_event";
  return messageOf(payload) === undefined ? "no_message" : undefined;
}

/**
 * Reads an event of the command topic. Never throws.
 *
 * @example
 * const parsed = parseEvent(event, { ownScriptId: credentials.scriptId });
 * if (parsed.kind === "command") start(parsed.command);
 */
export function parseEvent(event: TopicEvent, options: ParseOptions = {}): ParsedEvent {
  const payload = fieldsOf(event.payload);
  const metadata = fieldsOf(event.metadata);
  const ignored = whyIgnored(event, payload, metadata, options);
  if (ignored !== undefined) return { kind: "ignored", reason: ignored };

  const message = scalar(messageOf(payload));
  const requestId = scalar(payload["request_id"]) ?? scalar(metadata["request_id"]);
  const conversationKey = scalar(payload["conversation_key"]) ?? scalar(metadata["conversation_key"]);
  const commandId = commandIdOf(event.topicId, event.eventId);
  const trace = traceOf(payload, metadata);
  const tooLong = (text: string | undefined): boolean => text !== undefined && text.length > MAX_ID_CHARS;
  const tooLarge = message !== undefined && message.length > MAX_MESSAGE_CHARS;
  const requestIdGiven = requestId !== undefined && !tooLong(requestId);

  const command: Command = {
    commandId,
    topicId: event.topicId,
    eventId: event.eventId,
    requestId: requestIdGiven ? requestId : event.eventId,
    conversationKey: (conversationKey ?? DEFAULT_CONVERSATION).slice(0, MAX_ID_CHARS),
    ...(event.producer === undefined ? {} : { producer: event.producer }),
    message: tooLarge ? "" : (message ?? ""),
    ...attachmentsOf(payload["attachments"]),
    eventType: event.type,
    ...(event.correlationId === undefined ? {} : { correlationId: event.correlationId }),
    hops: trace.hops,
    traceId: trace.id ?? commandId,
    ...(event.storedAt === undefined ? {} : { storedAt: event.storedAt }),
  };

  const maxHops = options.maxHops ?? DEFAULT_MAX_HOPS;
  const reject = (reason: RejectedReason, replyable = true): ParsedEvent => ({
    kind: "rejected",
    reason,
    command,
    requestIdGiven,
    replyable,
  });
  const sender = options.senders === undefined ? "allowed" : decideSender(options.senders, event.producer);
  if (sender !== "allowed") return reject(sender);
  if (trace.hops > maxHops) return reject("too_many_hops", trace.hops === maxHops + 1);
  if (tooLarge) return reject("too_large");
  if (message === undefined || tooLong(requestId) || tooLong(conversationKey)) return reject("bad_field");
  return { kind: "command", command, requestIdGiven };
}
