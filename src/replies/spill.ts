/**
 * Owns replies too long for a handful of events: the text goes into a payload object, and one terminal event carries its
 * beginning and the reference.
 *
 *     journaled with its whole text -> uploaded -> the reference written down -> published
 *                                   -> refused ------> numbered parts, as for any long reply
 *
 * The text stays in the journal until the event is acknowledged, so that a crash at any step uploads once more: an
 * object that nobody refers to expires by itself. The reply id is the same throughout, and what is published twice is
 * recognised by it. Pure but for what it is given.
 */

import { createHash } from "node:crypto";
import type { NewReply } from "../journal/types.ts";
import type { Generation, UploadedObject } from "../service/types.ts";
import type { OutgoingEvent } from "./compose.ts";
import { replyIdOf } from "./reply-id.ts";
import { splitForJson } from "./split.ts";

/** A reply's text as an object; its name and type as readers see them among the attachments. */
export const SPILL_NAME = "reply.txt";
export const SPILL_CONTENT_TYPE = "text/plain; charset=utf-8";

/**
 * More parts than this are spilled: the vendor's waiting tools look only at the newest 20 events of a result topic, so a
 * reply of more would push its own beginning out of their sight. This leaves room for the replies of others.
 */
export const MAX_PARTS = 8;
const PREVIEW_CHARS = 4_000;
/** Services drop an object that no event refers to after a while; one as old as this is uploaded again. */
const FRESH_MS = 3_600_000;

/** What of a spilled reply waits in the journal beside its event. Never published. */
export interface Spill {
  readonly text: string;
  /** Bytes a part's message may have, should it come to parts. */
  readonly partBytes: number;
  readonly object?: SpilledObject;
}

interface SpilledObject {
  readonly reference: UploadedObject;
  readonly generation: Generation;
  /** Epoch milliseconds. */
  readonly uploadedAt: number;
}

/** The beginning of a long text, and that it is cut. */
export function previewOf(text: string): string {
  const last = text.charCodeAt(PREVIEW_CHARS - 1);
  const end = last >= 0xd800 && last <= 0xdbff ? PREVIEW_CHARS - 1 : PREVIEW_CHARS;
  return `${text.slice(0, end)}\n[cut: the whole reply, ${text.length} characters, is in the attached ${SPILL_NAME}]`;
}

/** Whether the text has to be uploaded before the event can go out. */
export function needsUpload({ object }: Spill, generation: Generation, now: number): boolean {
  if (object === undefined || object.generation !== generation) return true;
  return Math.abs(now - object.uploadedAt) > FRESH_MS;
}

/** The event once its text is uploaded, as it is journaled and published. */
export function withObject(event: OutgoingEvent & { readonly spill: Spill }, object: SpilledObject): OutgoingEvent {
  const { objectId, downloadUrl } = object.reference;
  const bytes = Buffer.from(event.spill.text);
  const reference = {
    ...(object.generation === "a" ? { object_id: objectId } : { payload_object_id: objectId }),
    content_type: SPILL_CONTENT_TYPE,
    size: bytes.byteLength,
  };
  const file = {
    name: SPILL_NAME,
    ...reference,
    ...(downloadUrl === undefined ? {} : { download_url: downloadUrl }),
  };
  const others = Array.isArray(event.payload["attachments"]) ? event.payload["attachments"] : [];
  return {
    ...event,
    payload: {
      ...event.payload,
      message_object: { ...reference, sha256: createHash("sha256").update(bytes).digest("hex") },
      attachments: [file, ...others.filter((one) => !isSpillFile(one))],
    },
    spill: { ...event.spill, object },
  };
}

/** A file that an earlier upload of the same text has left in the event. */
function isSpillFile(attachment: unknown): boolean {
  return (
    typeof attachment === "object" && attachment !== null && "name" in attachment && attachment.name === SPILL_NAME
  );
}

/** The same reply as numbered parts, for a service that takes no objects. The first keeps the reply's id. */
export function asParts(event: OutgoingEvent & { readonly spill: Spill }, replyId: string): readonly NewReply[] {
  const { text, partBytes } = event.spill;
  const {
    status,
    message: _message,
    message_object: _object,
    attachments,
    error,
    final: _final,
    ...common
  } = event.payload;
  const others = Array.isArray(attachments) ? attachments.filter((one) => !isSpillFile(one)) : [];
  const pieces = splitForJson(text, partBytes);
  return pieces.map((message, index) => {
    const part = index + 1;
    const final = part === pieces.length;
    const id = part === 1 ? replyId : replyIdOf(replyId, 0, part);
    const payload = {
      ...common,
      reply_id: id,
      status: final ? status : "partial",
      message,
      part,
      parts: pieces.length,
      final,
      ...(final && others.length > 0 ? { attachments: others } : {}),
      ...(final && error !== undefined ? { error } : {}),
    };
    const { type, correlationId, files } = event;
    const body = {
      type,
      payload,
      ...(correlationId === undefined ? {} : { correlationId }),
      ...(final && files !== undefined ? { files } : {}),
    } satisfies OutgoingEvent;
    return { replyId: id, part, body: JSON.stringify(body) };
  });
}
