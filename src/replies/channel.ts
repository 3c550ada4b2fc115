/** The outbox's way to the result topic, over the service client. */

import { isAgentruxError } from "../errors.ts";
import type {
  Cursor,
  EventPage,
  Generation,
  ServiceClient,
  TopicEvent,
  UploadedObject,
  UploadSource,
} from "../service/types.ts";
import type { OutgoingEvent } from "./compose.ts";
import { type FileSender, type ReplyFile, withFilesInPlace } from "./files.ts";
import { SPILL_CONTENT_TYPE, SPILL_NAME } from "./spill.ts";

export interface ReplyChannel {
  readonly generation: Generation;
  /** Whether the server is known to recognise a repeated `Idempotency-Key`. */
  readonly recognisesRepeats: boolean;
  /** Resolves when the event is stored. Rejects with `AgentruxError`. */
  publish(event: OutgoingEvent, replyId: string, signal: AbortSignal): Promise<void>;
  /** How files of a reply are sent; absent where nobody can attach any. */
  readonly files?: FileSender;
  /** Stores a text as an object of the result topic. Rejects with `AgentruxError`. A repeat makes a new object. */
  upload(text: string, signal: AbortSignal): Promise<UploadedObject>;
  /**
   * Whether a reply is on the result topic already. `unknown`: the topic cannot be read, or too much has been
   * published since to tell.
   *
   * @param ageMs How long ago the reply was written down.
   */
  find(replyId: string, ageMs: number, signal: AbortSignal): Promise<"found" | "absent" | "unknown">;
}

/** The most a server of generation A gives in one page. */
const PAGE_EVENTS = 100;
/** How far back is looked: a busy topic takes that many events while a reply waits to be sent again. */
const LOOK_BACK_PAGES = 50;
/** By so much the age of a reply may be told wrong, because a clock was set in the meantime. */
const CLOCK_SLACK_MS = 120_000;

function replyIdIn(payload: unknown): unknown {
  return typeof payload === "object" && payload !== null && "reply_id" in payload ? payload.reply_id : undefined;
}

const timeOf = (event: TopicEvent | undefined): number => Date.parse(event?.storedAt ?? "");

function isAmong(page: EventPage, replyId: string): boolean {
  return page.events.some(({ payload, metadata }) => [payload, metadata].some((one) => replyIdIn(one) === replyId));
}

/** Where copies of files that wait to be sent are kept. */
export interface FileCopies {
  source(file: ReplyFile): Promise<UploadSource>;
  discard(names: readonly string[]): Promise<void>;
}

function fileSender(client: ServiceClient, topicId: string, copies: FileCopies): FileSender {
  return {
    async upload(file, signal) {
      const { name: filename, contentType } = file;
      return await client.createObject({ topicId, bytes: await copies.source(file), contentType, filename, signal });
    },
    discard: (files) => copies.discard(files.map(({ spool }) => spool)),
  };
}

/** @param copies Absent where no files are sent. */
export function createReplyChannel(client: ServiceClient, resultTopicId: string, copies?: FileCopies): ReplyChannel {
  const pullBack = (after: Cursor | undefined, signal: AbortSignal): Promise<EventPage> =>
    client.pull({
      topicId: resultTopicId,
      limit: PAGE_EVENTS,
      order: "desc",
      ...(after === undefined ? {} : { after }),
      signal,
    });

  /** Reads back, page by page, to events older than the reply can be. */
  const lookBack = async (
    replyId: string,
    ageMs: number,
    signal: AbortSignal,
  ): Promise<"found" | "absent" | "unknown"> => {
    let page = await pullBack(undefined, signal);
    if (page.events.length + page.malformed < PAGE_EVENTS) return isAmong(page, replyId) ? "found" : "absent";
    // Counted from the newest event, and so by the server's clock alone.
    const writtenAt = timeOf(page.events[0]) - Math.max(ageMs, 0) - CLOCK_SLACK_MS;
    for (let pages = 1; ; pages += 1) {
      if (isAmong(page, replyId)) return "found";
      const oldest = page.events.at(-1);
      if (oldest === undefined) return page.malformed === 0 ? "absent" : "unknown";
      if (timeOf(oldest) < writtenAt) return "absent";
      if (pages === LOOK_BACK_PAGES) return "unknown";
      page = await pullBack(oldest.cursor, signal);
    }
  };

  return {
    get generation() {
      return client.generation;
    },
    get recognisesRepeats() {
      return client.generation === "b";
    },
    ...(copies === undefined ? {} : { files: fileSender(client, resultTopicId, copies) }),
    async publish(event, replyId, signal) {
      const { type, payload, payloadRef, metadata, correlationId } = withFilesInPlace(event);
      await client.publish({
        topicId: resultTopicId,
        type,
        ...(payloadRef === undefined ? { payload } : { payloadRef }),
        ...(metadata === undefined ? {} : { metadata }),
        ...(correlationId === undefined ? {} : { correlationId }),
        idempotencyKey: replyId,
        signal,
      });
    },
    upload: (text, signal) =>
      client.createObject({
        topicId: resultTopicId,
        bytes: Buffer.from(text),
        contentType: SPILL_CONTENT_TYPE,
        filename: SPILL_NAME,
        signal,
      }),
    async find(replyId, ageMs, signal) {
      try {
        return await lookBack(replyId, ageMs, signal);
      } catch (error) {
        // A script may well be allowed to write results and not to read them.
        if (isAgentruxError(error, "forbidden") || isAgentruxError(error, "not_found")) return "unknown";
        throw error;
      }
    },
  };
}
