/**
 * Owns the sending of one part of a reply, and what follows from how it went.
 *
 *   pending -> sending       written down before the request leaves
 *   sending -> acknowledged  the server has stored it, or turned it away as stored before
 *           -> pending       the server said no, and may say yes later
 *           -> sending       nobody knows; after a pause it is looked up or sent again under the same key
 *
 * Where the server recognises the key a repeat is harmless. Where it does not (generation A), or may have forgotten the
 * key by now, a part whose outcome is unknown is first looked for on the result topic, after it had time to arrive. A reply the server will never take is
 * replaced by a short failed one. A spilled reply is uploaded before it is sent, and sent as numbered parts where the
 * service takes no objects. A reply that cannot be delivered within its age limit goes to the dead letters, but
 * only when it has also been tried a good number of times: a clock that jumps, or a day without power, gives nothing up.
 */

import { errorText, isAgentruxError } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import type { Journal, UnsentReply } from "../journal/types.ts";
import { type BackoffLimits, fullJitter, slowJitter } from "../service/backoff.ts";
import type { ReplyChannel } from "./channel.ts";
import { type OutgoingEvent, replacementFor } from "./compose.ts";
import { type Clock, type Log, type Random, withLimit } from "./ports.ts";
import { fileNeedsUpload, type ReplyFile, whyGivenUp, withFile, withFilesInPlace } from "./files.ts";
import type { Publishing } from "./publishing.ts";
import { judgeSend } from "./send-verdict.ts";
import { asParts, needsUpload, type Spill, withObject } from "./spill.ts";

export interface SenderOptions {
  /** A steady journal: what is asked of it here is already owed. */
  readonly journal: Journal;
  readonly channel: ReplyChannel;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly publishing: Publishing;
  readonly maxAgeMs: () => number;
}

type Spilled = OutgoingEvent & { readonly spill: Spill };

const isSpilled = (event: OutgoingEvent): event is Spilled => event.spill !== undefined;

/** What to do next with the command. */
export type Step =
  | { readonly kind: "next" }
  | { readonly kind: "wait"; readonly delayMs: number; readonly attempts: number; readonly quietMs: number }
  | { readonly kind: "done"; readonly end: "published" | "expired" };

const SEND_LIMIT_MS = 60_000;
/** The service client ends an upload sooner, by its size. */
const UPLOAD_LIMIT_MS = 1_800_000;
/** A service whose object store is out of order for longer gets the reply as parts. */
const UPLOAD_ATTEMPTS = 5;
const BACKOFF: BackoffLimits = { baseMs: 1_000, capMs: 60_000 };
/** How long a request that was broken off may still be under way: to look for it earlier would prove nothing. */
const ARRIVAL_MS = 5_000;
/** How long a server can be trusted to know a key; the specification does not say. */
const KEY_KEPT_MS = 3_600_000;
/** Between two attempts where only an operator can help. */
export const SLOW_MS = 120_000;
/** A reply that was tried less often than this over its age was not really tried. */
const RARE_MS = 10 * SLOW_MS;

/**
 * Sends one part. `signal` aborts at the end of a stop: the part is then left as it is, and the next start finds out.
 *
 * @throws AgentruxError only when the journal can not be used any more.
 */
export function createSender(options: SenderOptions): (reply: UnsentReply, signal: AbortSignal) => Promise<Step> {
  const { journal, channel, clock, random, log } = options;
  const arrivalMs = channel.recognisesRepeats ? 0 : ARRIVAL_MS;

  const acknowledge = async (reply: UnsentReply, event: OutgoingEvent): Promise<Step> => {
    const last = await journal.acknowledge(reply.id);
    failpoint("reply.acknowledged");
    options.publishing.succeeded();
    log.info(publishedLine(event));
    if (event.files !== undefined) await channel.files?.discard(event.files);
    return last ? { kind: "done", end: "published" } : { kind: "next" };
  };

  const expire = async (reply: UnsentReply, reason: string): Promise<Step> => {
    log.error(`[agentrux] Reply ${reply.replyId} given up and put with the dead letters: ${reason}`);
    await journal.expireReply(reply.command, reason, clock.now());
    return { kind: "done", end: "expired" };
  };

  const sendAsParts = async (reply: UnsentReply, event: Spilled, code: string): Promise<Step> => {
    const parts = asParts(event, reply.replyId);
    log.warn(`[agentrux] Reply ${reply.replyId} cannot be an object (${code}); sending it in ${parts.length} parts.`);
    await journal.replaceReplies(reply.command, parts, reply.createdAt);
    failpoint("reply.unspilled");
    return { kind: "next" };
  };

  const refuse = async (reply: UnsentReply, event: OutgoingEvent, code: string): Promise<Step> => {
    if (isSpilled(event)) return await sendAsParts(reply, event, code);
    const replacement = replacementFor(reply, code);
    if (replacement === undefined) return expire(reply, `reply_refused: ${code}`);
    log.error(`[agentrux] The service refused reply ${reply.replyId} (${code}); telling the requester so instead.`);
    await journal.replaceReplies(reply.command, [replacement], clock.now());
    return { kind: "next" };
  };

  /** @param sent Whether it was the event itself that failed. */
  const postpone = async (reply: UnsentReply, error: unknown, uncertain: boolean, sent = true): Promise<Step> => {
    const verdict = judgeSend(error);
    const now = clock.now();
    const attempts = reply.attempts + 1;
    const maxAgeMs = options.maxAgeMs();
    if (now - reply.createdAt > maxAgeMs && attempts >= maxAgeMs / RARE_MS)
      return expire(reply, `reply_expired: ${errorText(error)}`);
    const jitter = verdict.slow ? slowJitter(SLOW_MS, random) : fullJitter(reply.attempts, BACKOFF, random);
    const mayHaveArrived = (sent && verdict.uncertain) || uncertain;
    const delayMs = Math.max(verdict.retryAfterMs, jitter, mayHaveArrived ? arrivalMs : 0);
    const reason = errorText(error);
    options.publishing.failed(
      `[agentrux] Reply ${reply.replyId} not published (attempt ${attempts}): ${reason}`,
      reason,
    );
    await journal.deferReply(reply.id, now + delayMs, mayHaveArrived);
    failpoint("reply.deferred");
    return { kind: "wait", delayMs, attempts, quietMs: verdict.everyone ? verdict.retryAfterMs : 0 };
  };

  /** Whether an earlier send may have arrived without our knowing, once the result topic has been asked. */
  const lookUp = async (reply: UnsentReply, signal: AbortSignal): Promise<"found" | "absent" | "unknown"> => {
    if (reply.state !== "sending") return "absent";
    const ageMs = clock.now() - reply.createdAt;
    if (channel.recognisesRepeats && ageMs < KEY_KEPT_MS) return "unknown";
    const found = await withLimit(clock, SEND_LIMIT_MS, signal, (limited) =>
      channel.find(reply.replyId, ageMs, limited),
    );
    if (found === "unknown") {
      log.warn(`[agentrux] Cannot tell whether reply ${reply.replyId} is published; sending it again.`);
    }
    return found;
  };

  /** The event with its text in an object; the reference is written down before anybody can see it. */
  const upload = async (reply: UnsentReply, event: Spilled, signal: AbortSignal): Promise<OutgoingEvent> => {
    const { generation } = channel;
    if (!needsUpload(event.spill, generation, clock.now())) return event;
    failpoint("reply.uploading");
    const reference = await withLimit(clock, UPLOAD_LIMIT_MS, signal, (limited) =>
      channel.upload(event.spill.text, limited),
    );
    failpoint("reply.uploaded");
    const uploaded = withObject(event, { reference, generation, uploadedAt: clock.now() });
    await journal.rewriteReply(reply.id, JSON.stringify(uploaded));
    failpoint("reply.referenced");
    return uploaded;
  };

  /** The event with its files uploaded, or the reason why one is not. @throws AgentruxError for what may yet succeed. */
  const uploadFiles = async (reply: UnsentReply, event: OutgoingEvent, signal: AbortSignal): Promise<OutgoingEvent> => {
    let uploaded = event;
    for (const [index, file] of (event.files ?? []).entries()) {
      if (!fileNeedsUpload(file, channel.generation, clock.now())) continue;
      failpoint("reply.uploading");
      const sent = await uploadFile(file, reply.attempts + 1, signal);
      failpoint("reply.uploaded");
      uploaded = withFile(uploaded, index, sent);
      await journal.rewriteReply(reply.id, JSON.stringify(uploaded));
      failpoint("reply.referenced");
    }
    return uploaded;
  };

  const uploadFile = async (file: ReplyFile, attempts: number, signal: AbortSignal): Promise<ReplyFile> => {
    const { files, generation } = channel;
    if (files === undefined) return { ...file, missing: "config" };
    try {
      const reference = await withLimit(clock, UPLOAD_LIMIT_MS, signal, (limited) => files.upload(file, limited));
      return { ...file, object: { reference, generation, uploadedAt: clock.now() } };
    } catch (error) {
      const missing = signal.aborted ? undefined : whyGivenUp(error, attempts);
      if (missing === undefined) throw error;
      log.error(`[agentrux] The file ${JSON.stringify(file.name)} of a reply is not sent: ${errorText(error)}`);
      return { ...file, missing };
    }
  };

  /** What follows from an upload that failed: nothing of this send has been published. */
  const notUploaded = async (reply: UnsentReply, event: Spilled, error: unknown, uncertain: boolean): Promise<Step> => {
    const refused = isAgentruxError(error) && error.kind === "refused" && !error.retryable;
    // An earlier send may have arrived: parts beside it would answer twice.
    if (!uncertain && (refused || reply.attempts + 1 >= UPLOAD_ATTEMPTS)) {
      return await sendAsParts(reply, event, isAgentruxError(error) ? error.code : "unexpected");
    }
    return await postpone(reply, error, uncertain, false);
  };

  return async (reply, signal) => {
    let event = JSON.parse(reply.body) as OutgoingEvent;
    let found: "found" | "absent" | "unknown";
    try {
      found = await lookUp(reply, signal);
    } catch (error) {
      if (signal.aborted) return { kind: "wait", delayMs: 0, attempts: reply.attempts, quietMs: 0 };
      // What cannot be read back says nothing of what may be written.
      return await postpone(reply, error, true, false);
    }
    const uncertain = found === "unknown";
    try {
      if (found === "found") {
        failpoint("reply.found");
        return await acknowledge(reply, event);
      }
      failpoint("reply.marking");
      await journal.markSending(reply.id, clock.now() + arrivalMs);
      failpoint("reply.marked");
      const spilled = isSpilled(event) ? event : undefined;
      if (spilled !== undefined) {
        try {
          event = await upload(reply, spilled, signal);
        } catch (error) {
          if (signal.aborted) throw error;
          return await notUploaded(reply, spilled, error, uncertain);
        }
      }
      try {
        event = await uploadFiles(reply, event, signal);
      } catch (error) {
        if (signal.aborted) throw error;
        return await postpone(reply, error, uncertain, false);
      }
      const outgoing = event;
      await withLimit(clock, SEND_LIMIT_MS, signal, (limited) => channel.publish(outgoing, reply.replyId, limited));
    } catch (error) {
      if (signal.aborted) return { kind: "wait", delayMs: 0, attempts: reply.attempts, quietMs: 0 };
      const verdict = judgeSend(error);
      if (verdict.end === "stored") return acknowledge(reply, event);
      if (verdict.end === "refused") return refuse(reply, event, verdict.code);
      return postpone(reply, error, uncertain);
    }
    failpoint("reply.published");
    return acknowledge(reply, event);
  };
}

function publishedLine(event: OutgoingEvent): string {
  const { payload, metadata } = withFilesInPlace(event);
  const { request_id: request = metadata?.["request_id"], message = payload["content"], attachments } = payload;
  const chars = typeof message === "string" ? message.length : 0;
  const files = Array.isArray(attachments) ? attachments.length : 0;
  return `[agentrux] Published ${event.type} req=${String(request)} text=${chars}c attachments=${files}`;
}
