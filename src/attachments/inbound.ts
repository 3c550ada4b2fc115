/**
 * Owns what becomes of the attachments of a request before its turn begins.
 *
 *     object id, or a URL of the service's own storage -> fetched, within limits
 *       text            -> shown; from 50 KB on its beginning is shown and the whole of it staged
 *       anything else   -> staged as a file, with the type its bytes tell
 *     everything else, and whatever goes wrong   -> a reference: the agent is told what there is and why it has it not
 *
 * An attachment never fails a request: the agent can say what it misses better than we can. Nothing a sender wrote is
 * believed: ids are checked before they stand in a path, names are made safe, types come from the bytes, and sizes are
 * counted as the bytes arrive.
 */

import { AgentruxError, type ErrorCode, errorText, isAgentruxError } from "../errors.ts";
import { safeFileName } from "../guard/file-name.ts";
import { cleanLine } from "../guard/text.ts";
import { type Clock, type Log, pause, type Random, withLimit } from "../replies/ports.ts";
import type { Command, InboundAttachment, RequestedAttachment } from "../replies/turn.ts";
import { fullJitter } from "../service/backoff.ts";
import type { Download, Downloads } from "../service/download.ts";
import type { ServiceClient } from "../service/types.ts";
import { type Headed, isTextType, readHead, textIn } from "./content.ts";
import type { MediaStore } from "./media-store.ts";

export interface InboundLimits {
  /** Bytes of one file's text that are shown. */
  readonly inlineBytes: number;
  /** Bytes of text shown in one request. */
  readonly inlineTotalBytes: number;
  /** Bytes of one file. */
  readonly fileBytes: number;
  /** Bytes fetched for one request. */
  readonly requestBytes: number;
  /** Files fetched for one request. */
  readonly files: number;
  /** Bytes of staged files on disk, of all requests. */
  readonly storedBytes: number;
  /** Longest that a request waits for its files, in milliseconds; never more than half of its turn's time. */
  readonly waitMs: number;
}

export const INBOUND_LIMITS: InboundLimits = {
  inlineBytes: 50 * 1024,
  inlineTotalBytes: 200 * 1024,
  fileBytes: 25 * 1024 * 1024,
  requestBytes: 50 * 1024 * 1024,
  files: 16,
  storedBytes: 1024 * 1024 * 1024,
  waitMs: 60_000,
};

export interface InboundOptions {
  readonly client: Pick<ServiceClient, "objectInfo">;
  readonly downloads: Downloads;
  readonly store: MediaStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly limits?: Partial<InboundLimits>;
}

/** Fetches the attachments of a command, in their order. Never rejects. */
export type FetchAttachments = (
  command: Command,
  turnMs: number,
  signal: AbortSignal,
) => Promise<readonly InboundAttachment[]>;

const PARALLEL = 3;
const TRIES = 3;
const BACKOFF = { baseMs: 500, capMs: 4_000 };
const UNKNOWN_TYPE = "application/octet-stream";
/** A URL that is shown instead of being followed. */
const SHOWN_URL_CHARS = 1_000;

/** What is left of a request's limits while its files are fetched. */
interface Budget {
  bytes: number;
  text: number;
}

/** @example const attachments = await createInbound(options)(command, 120_000, signal); */
export function createInbound(options: InboundOptions): FetchAttachments {
  const limits = { ...INBOUND_LIMITS, ...options.limits };
  const { clock, log, store } = options;

  return async (command, turnMs, signal) => {
    const wanted = command.attachments;
    if (wanted.length === 0) return [];
    const budget: Budget = { bytes: limits.requestBytes, text: limits.inlineTotalBytes };
    const stored = await store.sweep().catch(() => 0);
    if (stored >= limits.storedBytes) budget.bytes = 0;
    const over = new AbortController();
    const cancel = clock.after(Math.min(limits.waitMs, turnMs / 2), () => over.abort());
    const until = AbortSignal.any([signal, over.signal]);
    try {
      const found = await inOrder(wanted, (one, index) =>
        index < limits.files ? take(one, command, budget, until) : Promise.resolve(reference(one, "too many files")),
      );
      const { attachmentsBeyond: beyond } = command;
      if (beyond !== undefined) found.push({ name: "others", summary: `${beyond} more; not here: too many files` });
      log.info(`[agentrux] Attachments of ${command.eventId}: ${summaryOf(found)}`);
      return found;
    } finally {
      cancel();
    }
  };

  async function take(
    wanted: RequestedAttachment,
    command: Command,
    budget: Budget,
    signal: AbortSignal,
  ): Promise<InboundAttachment> {
    if (wanted.objectId === undefined && wanted.downloadUrl === undefined) {
      return reference(wanted, "the request gives neither its object_id nor its download_url");
    }
    if (budget.bytes <= 0) return reference(wanted, "no room for it");
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await withLimit(clock, limits.waitMs, signal, (limited) => receive(wanted, command, budget, limited));
      } catch (error) {
        const again = isAgentruxError(error) && error.retryable && attempt < TRIES && !signal.aborted;
        if (!again) {
          log.warn(`[agentrux] An attachment of ${command.eventId} is left as a reference: ${errorText(error)}`);
          return reference(wanted, reasonFor(error));
        }
        await pause(clock, fullJitter(attempt - 1, BACKOFF, options.random), signal);
      }
    }
  }

  async function receive(
    wanted: RequestedAttachment,
    command: Command,
    budget: Budget,
    signal: AbortSignal,
  ): Promise<InboundAttachment> {
    const { download, size } = await open(wanted, command, signal);
    const metered = meter(download.bytes, budget, size ?? download.size);
    const headed = await readHead(metered, limits.inlineBytes);
    try {
      return await keep(wanted, headed, size ?? download.size, budget);
    } finally {
      await headed.discard();
    }
  }

  /** The service is asked for the object wherever there is an id: a URL beside it may be old, or anybody's. */
  async function open(
    wanted: RequestedAttachment,
    command: Command,
    signal: AbortSignal,
  ): Promise<{ readonly download: Download; readonly size: number | undefined }> {
    const maxBytes = limits.fileBytes;
    if (wanted.objectId === undefined) {
      const url = wanted.downloadUrl ?? "";
      const download = await options.downloads.open({ url, given: "by_request", maxBytes, signal });
      return { download, size: download.size };
    }
    const { topicId } = command;
    const info = await options.client.objectInfo({ topicId, objectId: wanted.objectId, signal });
    if ((info.size ?? 0) > maxBytes) throw tooLarge("The file");
    const url = info.downloadUrl;
    return { download: await options.downloads.open({ url, given: "by_service", maxBytes, signal }), size: info.size };
  }

  async function keep(
    wanted: RequestedAttachment,
    headed: Headed,
    size: number | undefined,
    budget: Budget,
  ): Promise<InboundAttachment> {
    const name = safeFileName(wanted.name);
    const sniffed = await store.detect(headed.head);
    const text =
      sniffed === undefined || isTextType(sniffed)
        ? textIn(headed.head, headed.complete, limits.inlineBytes)
        : undefined;
    if (text !== undefined && headed.complete && headed.head.byteLength <= limits.inlineBytes && spend(budget, text)) {
      const type = textTypeOf(wanted.contentType);
      return { name, text, summary: line(name, type, headed.head.byteLength, "the whole text follows") };
    }
    const contentType = text === undefined ? (sniffed ?? UNKNOWN_TYPE) : textTypeOf(wanted.contentType);
    const counted = { size: 0 };
    const path = await store.save(count(headed.all(), counted), name, contentType);
    const file = { path, contentType, size: counted.size };
    const declared = wanted.contentType;
    const differs =
      text === undefined && declared !== undefined && sniffed !== undefined && !sameType(declared, sniffed);
    const note = differs ? `declared as ${cleanLine(declared, 100)}, which its bytes are not` : "";
    if (text === undefined || !spend(budget, text)) {
      return { name, file, summary: line(name, contentType, size ?? file.size, note) };
    }
    const shown = `cut: the first ${Buffer.byteLength(text)} bytes follow, the whole file is staged`;
    return { name, file, text, summary: line(name, contentType, file.size, shown) };
  }
}

/** Runs `work` on each, a few at a time; the results in order. */
async function inOrder<T, R>(items: readonly T[], work: (item: T, index: number) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await work(item, index);
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return results;
}

/**
 * Takes the bytes off the request's budget, those that are announced before they come, and insists that they all come.
 * A file that is not kept gives back what it took.
 */
async function* meter(
  source: AsyncIterable<Uint8Array>,
  budget: Budget,
  expected: number | undefined,
): AsyncGenerator<Uint8Array> {
  let size = 0;
  let taken = 0;
  let kept = false;
  try {
    for await (const chunk of source) {
      size += chunk.byteLength;
      const more = Math.max(size, expected ?? 0) - taken;
      if (more > budget.bytes) throw tooLarge("The files of this request");
      taken += more;
      budget.bytes -= more;
      yield chunk;
    }
    if (expected !== undefined && expected !== size) {
      const message = `${size} bytes came where ${expected} were announced`;
      throw new AgentruxError("malformed_response", message, { kind: "unknown", retryable: true });
    }
    kept = true;
  } finally {
    if (!kept) budget.bytes += taken;
  }
}

async function* count(source: AsyncIterable<Uint8Array>, counted: { size: number }): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    counted.size += chunk.byteLength;
    yield chunk;
  }
}

function spend(budget: Budget, text: string): boolean {
  const bytes = Buffer.byteLength(text);
  if (bytes > budget.text) return false;
  budget.text -= bytes;
  return true;
}

function tooLarge(what: string): AgentruxError {
  return new AgentruxError("payload_too_large", `${what} would take more bytes than are allowed`, { kind: "refused" });
}

function line(name: string, type: string, size: number, note: string): string {
  return `${JSON.stringify(name)}, ${type}, ${size} bytes${note === "" ? "" : `; ${note}`}`;
}

/** What a sender calls a text; only when it is the name of a text type. */
function textTypeOf(declared: string | undefined): string {
  const type = declared?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  return /^[a-z0-9.+/-]{3,60}$/.test(type) && isTextType(type) ? type : "text/plain";
}

function sameType(declared: string, sniffed: string): boolean {
  return declared.split(";", 1)[0]?.trim().toLowerCase() === sniffed;
}

function reference(wanted: RequestedAttachment, reason: string): InboundAttachment {
  const name = safeFileName(wanted.name);
  const type = wanted.contentType === undefined ? "" : `, declared as ${cleanLine(wanted.contentType, 100)}`;
  return { name, summary: `${JSON.stringify(name)}${type}; not here: ${reason}${whereOf(wanted)}` };
}

function whereOf({ objectId, downloadUrl }: RequestedAttachment): string {
  if (objectId !== undefined) return `; object: ${cleanLine(objectId, 100)}`;
  return downloadUrl === undefined ? "" : `; link: ${cleanLine(downloadUrl, SHOWN_URL_CHARS)}`;
}

const REASONS: Partial<Record<ErrorCode, string>> = {
  invalid: "its id is not valid",
  not_found: "the service does not have it",
  forbidden: "the service does not give it out",
  unauthorized: "the service does not give it out",
  insecure_url: "its address is not one that is fetched",
  payload_too_large: "it is larger than what is taken",
  timeout: "fetching it took too long",
  aborted: "fetching it took too long",
};

/** For the agent, in words it can pass on. */
function reasonFor(error: unknown): string {
  if (!isAgentruxError(error)) return "it could not be written to disk";
  return REASONS[error.code] ?? "it could not be fetched";
}

function summaryOf(found: readonly InboundAttachment[]): string {
  const staged = found.filter(({ file }) => file !== undefined).length;
  const shown = found.filter(({ text }) => text !== undefined).length;
  const missing = found.filter(({ file, text }) => file === undefined && text === undefined).length;
  return `${shown} shown, ${staged} staged, ${missing} as references`;
}
