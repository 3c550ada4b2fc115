/** Owns how attachments read in a prompt. Everything here is somebody else's words: the caller sets it apart. Pure. */

import { cleanText } from "../guard/text.ts";
import type { InboundAttachment } from "../replies/turn.ts";

/** Longer than any text that is inlined: its own limit is in bytes, and was applied before. */
const NO_CUT = Number.MAX_SAFE_INTEGER;

/** One text for each attachment, to be quoted as data. */
export function describeAttachments(attachments: readonly InboundAttachment[]): readonly string[] {
  return attachments.map(({ summary, text, file }, index) => {
    const number = attachments.length === 1 ? "" : ` ${index + 1} of ${attachments.length}`;
    // Of other files the host says itself where they lie.
    const where = text !== undefined && file !== undefined ? ` at ${file.path}` : "";
    const heading = `Attachment${number}: ${summary}${where}`;
    return text === undefined ? heading : `${heading}\n\n${cleanText(text, NO_CUT)}`;
  });
}
