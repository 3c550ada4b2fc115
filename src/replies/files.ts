/**
 * Owns the files of a reply on their way out. They are journaled with it as copies on disk, uploaded before the event is
 * sent, and each upload is written down before the next step, so that a crash repeats at most one:
 *
 *     journaled with its copies -> each uploaded and its reference written down -> published -> copies removed
 *                               -> one refused, or too long in coming ----------> published with the reason in its place
 *
 * An object nobody refers to expires by itself. Pure.
 */

import { type ErrorCode, isAgentruxError } from "../errors.ts";
import type { Generation, UploadedObject } from "../service/types.ts";
import type { OutgoingEvent, ReplyAttachment } from "./compose.ts";
import type { Command } from "./turn.ts";

/** A file that goes with a reply. Stays in the journal. */
export interface ReplyFile {
  readonly name: string;
  readonly contentType: string;
  /** Name of the copy. */
  readonly spool: string;
  /** Bytes. */
  readonly size: number;
  /** Hex. */
  readonly sha256: string;
  readonly object?: FileObject;
  /** Why it will never be there. */
  readonly missing?: string;
}

interface FileObject {
  readonly reference: UploadedObject;
  readonly generation: Generation;
  /** Epoch milliseconds. */
  readonly uploadedAt: number;
}

/** Where copies are and how they get to the service. */
export interface FileSender {
  /** Stores a file as an object of the result topic. Rejects with `AgentruxError`. A repeat makes a new object. */
  upload(file: ReplyFile, signal: AbortSignal): Promise<UploadedObject>;
  /** Removes copies nobody needs any more. Never rejects. */
  discard(files: readonly ReplyFile[]): Promise<void>;
}

/** The files of a reply: told as they are, or to be uploaded before it is sent. */
export interface Collected {
  readonly listed: readonly ReplyAttachment[];
  readonly files: readonly ReplyFile[];
}

/** Makes files that a turn produced part of its reply. */
export interface ReplyFiles {
  /** Also gives, once, what the turn's tools have attached. @throws only unexpectedly */
  collect(command: Command, media: readonly string[]): Promise<Collected>;
  /** What was collected is not used. Never rejects. */
  discard(files: readonly ReplyFile[]): Promise<void>;
  /** What tools attached to the command and nobody collected is not used either. Never rejects. */
  forget(commandId: string): Promise<void>;
}

/** Services drop an object that no event refers to after a while; one as old as this is uploaded again. */
const FRESH_MS = 3_600_000;
/** A file whose upload keeps failing holds up its reply for some minutes, and then goes without. */
const UPLOAD_ATTEMPTS = 12;

/** What no repetition changes. A credential that is refused is not among it: nothing goes out until it is replaced. */
const LASTING: ReadonlySet<string> = new Set<ErrorCode>([
  "invalid",
  "payload_too_large",
  "forbidden",
  "not_found",
  "conflict",
  "insecure_url",
  "file_unreadable",
]);

export function fileNeedsUpload({ object, missing }: ReplyFile, generation: Generation, now: number): boolean {
  if (missing !== undefined) return false;
  return object?.generation !== generation || Math.abs(now - object.uploadedAt) > FRESH_MS;
}

/** Why a failed upload is not tried again; undefined when it is. */
export function whyGivenUp(error: unknown, attempts: number): string | undefined {
  const code: ErrorCode | "unexpected" = isAgentruxError(error) ? error.code : "unexpected";
  return LASTING.has(code) || attempts >= UPLOAD_ATTEMPTS ? code : undefined;
}

/** The event with one of its files replaced. */
export function withFile(event: OutgoingEvent, index: number, file: ReplyFile): OutgoingEvent {
  return { ...event, files: (event.files ?? []).with(index, file) };
}

function attachmentOf({ name, contentType, size, sha256, object, missing }: ReplyFile): ReplyAttachment {
  const known = { name, content_type: contentType, size };
  if (object === undefined) return { ...known, error: { code: missing ?? "unexpected", message: NOT_SENT } };
  const { objectId, downloadUrl } = object.reference;
  return {
    ...known,
    sha256,
    ...(object.generation === "a" ? { object_id: objectId } : { payload_object_id: objectId }),
    ...(downloadUrl === undefined ? {} : { download_url: downloadUrl }),
  };
}

/** What a requester is told in place of a file. */
export const NOT_SENT = "This file could not be sent.";

/** The event as it is published: with its files where its dialect has them. */
export function withFilesInPlace(event: OutgoingEvent): OutgoingEvent & { readonly payloadRef?: string } {
  const { files = [] } = event;
  const [first] = files;
  if (first === undefined) return event;
  if (event.type !== "composer.upload") {
    const before = Array.isArray(event.payload["attachments"]) ? (event.payload["attachments"] as unknown[]) : [];
    return { ...event, payload: { ...event.payload, attachments: [...before, ...files.map(attachmentOf)] } };
  }
  const objectId = first.object?.reference.objectId;
  if (objectId !== undefined) return { ...event, payloadRef: objectId };
  // The dialect has no place for a file that is missing, so it is told in words.
  return { ...event, type: "composer.text", payload: { content: `${first.name}: ${NOT_SENT}`, format: "markdown" } };
}
