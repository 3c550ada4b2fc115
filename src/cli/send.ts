/** `openclaw agentrux send`: publishes a request, and with `--wait` stays until its reply is there. */

import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import { OPENCLAW_REQUEST_TYPE } from "agentrux-wire";
import { listAccountIds } from "../config/places.ts";
import { AgentruxError, errorText, isAgentruxError } from "../errors.ts";
import { cleanText } from "../guard/text.ts";
import { awaitReply, type AwaitedReply } from "../replies/await-reply.ts";
import { newestPosition } from "../service/follow.ts";
import type { ServiceClient } from "../service/types.ts";
import { type CliContext, withService } from "./account.ts";
import { type CommandResult, done, duration, failed } from "./output.ts";

export interface SendOptions {
  readonly text: string;
  /** In place of the account's command topic. */
  readonly topicId?: string;
  /** Where the reply is looked for, in place of the account's result topic. */
  readonly replyTopicId?: string;
  readonly conversationKey?: string;
  /** Files of this machine, any the operator can read. */
  readonly attach: readonly string[];
  readonly requestId: string;
  /** How long to wait for the reply, milliseconds; absent: not at all. */
  readonly waitMs?: number;
  readonly contentTypeOf: (path: string) => string | undefined;
}

interface Topics {
  readonly command: string;
  readonly reply: string;
}

/** Held in memory while it is sent. */
const MAX_ATTACHMENT_BYTES = 64 * 1024 * 1024;
const REPLY_SHOWN_CHARS = 1_000_000;

export async function send(context: CliContext, options: SendOptions): Promise<CommandResult> {
  const { commandTopicId, resultTopicId } = context.account;
  const topics = { command: options.topicId ?? commandTopicId, reply: options.replyTopicId ?? resultTopicId };
  const wrong = whyUnusable(context, topics, options);
  if (wrong !== undefined) return wrong;
  return await withService(context, async (client) => {
    const { signal, progress } = context;
    const waiting = options.waitMs !== undefined;
    const after = waiting ? await newestPosition(client, topics.reply, signal) : "";
    const attachments = await upload(context, client, topics.command, options);
    let eventId: string | null;
    try {
      ({ eventId } = await publish(client, topics, options, attachments, signal));
    } catch (error) {
      // It may have arrived all the same; then the reply comes, and waiting for it settles the question.
      if (!isAgentruxError(error) || error.kind !== "unknown") throw error;
      if (options.waitMs === undefined) return inDoubt(options.requestId, error);
      eventId = null;
    }
    progress(undefined);
    const sent = { requestId: options.requestId, eventId, topicId: topics.command };
    if (options.waitMs === undefined) return done(sent, [`Sent as ${options.requestId}.`]);
    const reply = await waitFor(context, client, { ...options, waitMs: options.waitMs }, topics.reply, after);
    if (reply !== undefined) return answered(sent, reply);
    return unanswered(sent, signal.aborted ? "waiting was stopped" : `no reply within ${duration(options.waitMs)}`);
  });
}

function whyUnusable(context: CliContext, topics: Topics, options: SendOptions): CommandResult | undefined {
  const { account } = context;
  if (topics.command === "") {
    return failed(
      "not_configured",
      `The account ${account.accountId} has no commandTopicId; give one with --topic.`,
      2,
    );
  }
  if (options.waitMs !== undefined && topics.reply === "") {
    return failed("not_configured", "Nothing says where the reply comes; give the topic with --reply-topic.", 2);
  }
  const listens = listAccountIds(context.config).includes(account.accountId);
  if (listens && topics.command === account.commandTopicId && account.excludeOwnEvents) {
    return failed(
      "own_topic",
      `The account ${account.accountId} takes commands from this topic and passes over its own events. ` +
        "Send as another account (--account), or set excludeOwnEvents to false.",
      2,
    );
  }
  return undefined;
}

interface Attachment {
  readonly name: string;
  readonly object_id: string;
  readonly content_type: string;
  readonly size: number;
}

async function upload(
  { progress, signal }: CliContext,
  client: ServiceClient,
  topicId: string,
  { attach, contentTypeOf }: SendOptions,
): Promise<Attachment[]> {
  const files = await Promise.all(attach.map(readAttachment));
  const attachments: Attachment[] = [];
  for (const { path, bytes } of files) {
    const name = basename(path);
    const contentType = contentTypeOf(path) ?? "application/octet-stream";
    progress(`uploading ${name} (${bytes.byteLength} bytes)`);
    const { objectId } = await client.createObject({ topicId, bytes, contentType, filename: name, signal });
    attachments.push({ name, object_id: objectId, content_type: contentType, size: bytes.byteLength });
  }
  return attachments;
}

/** All files are read before the first byte is sent, so that a wrong name sends nothing. */
async function readAttachment(path: string): Promise<{ readonly path: string; readonly bytes: Uint8Array }> {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new AgentruxError("invalid", `${path} is not a regular file`);
    if (found.size > MAX_ATTACHMENT_BYTES) {
      throw new AgentruxError("invalid", `${path} is larger than ${MAX_ATTACHMENT_BYTES} bytes`);
    }
    return { path, bytes: await readFile(path) };
  } catch (cause) {
    if (cause instanceof AgentruxError) throw cause;
    throw new AgentruxError("invalid", `${path} cannot be read: ${errorText(cause)}`, { cause });
  }
}

function publish(
  client: ServiceClient,
  topics: Topics,
  { text, requestId, conversationKey }: SendOptions,
  attachments: readonly Attachment[],
  signal: AbortSignal,
) {
  const payload = {
    request_id: requestId,
    message: text,
    ...(conversationKey === undefined ? {} : { conversation_key: conversationKey }),
    ...(attachments.length === 0 ? {} : { attachments }),
  };
  return client.publish({
    topicId: topics.command,
    type: OPENCLAW_REQUEST_TYPE,
    payload,
    correlationId: requestId,
    ...(topics.reply === "" ? {} : { replyTopic: topics.reply }),
    idempotencyKey: createHash("sha256").update(`send\0${topics.command}\0${requestId}`).digest("hex").slice(0, 32),
    signal,
  });
}

async function waitFor(
  { signal, progress, now }: CliContext,
  client: ServiceClient,
  { requestId, waitMs }: SendOptions & { readonly waitMs: number },
  topicId: string,
  after: string,
): Promise<AwaitedReply | undefined> {
  const begun = now();
  let parts = 0;
  let trouble = "";
  const show = () =>
    progress(`waiting for the reply, ${duration(now() - begun)}${parts > 0 ? `, ${parts} parts` : ""}${trouble}`);
  const timer = setInterval(show, 1_000);
  show();
  try {
    return await awaitReply(client, {
      topicId,
      after,
      requestId,
      signal: AbortSignal.any([signal, AbortSignal.timeout(waitMs)]),
      onPart: (count) => {
        parts = count;
        trouble = "";
      },
      onTrouble: (reason) => {
        trouble = `: ${errorText(reason)}`;
      },
    });
  } finally {
    clearInterval(timer);
    progress(undefined);
  }
}

/** Sent again under the same id it runs once, whether the first one arrived or not. */
function inDoubt(requestId: string, error: unknown): CommandResult {
  const message = `${errorText(error)}. It may have arrived; sent again with --request-id ${requestId} it runs once.`;
  return { json: { requestId, error: { code: "in_doubt", message } }, lines: [message], exitCode: 3 };
}

type Sent = { readonly requestId: string; readonly eventId: string | null; readonly topicId: string };

function unanswered(sent: Sent, why: string): CommandResult {
  const message = `Sent as ${sent.requestId}; ${why}. The reply may still come: openclaw agentrux tail --topic results`;
  return { json: { ...sent, error: { code: "no_reply", message } }, lines: [message], exitCode: 3 };
}

function answered(sent: Sent, reply: AwaitedReply): CommandResult {
  const { status, message, complete, payload } = reply;
  const attachments = Array.isArray(payload["attachments"]) ? payload["attachments"] : [];
  const { error } = payload;
  const lines = [
    ...(status === "completed" ? [] : [`The request ended as ${status}.`]),
    ...(message === "" ? [] : [cleanText(message, REPLY_SHOWN_CHARS)]),
    ...(complete ? [] : ["A part of the reply is missing."]),
    ...(attachments.length === 0 ? [] : [`${attachments.length} attachments; see --json.`]),
  ];
  const json = {
    ...sent,
    status,
    message,
    complete,
    attachments,
    ...(error === undefined ? {} : { replyError: error }),
  };
  return { json, lines, exitCode: status === "completed" ? 0 : 1 };
}
