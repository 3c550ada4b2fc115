/** Makes a name that came from outside safe as a file's name on any system, and safe to show. Pure. */

import { cleanLine } from "./text.ts";

const FALLBACK = "attachment";
/** Leaves room for what a store adds; common file systems allow 255 bytes. */
const MAX_NAME_BYTES = 120;
const MAX_EXTENSION_CHARS = 12;
/** Device names of Windows, with any extension. */
const RESERVED = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)/i;

/** The longest start of `text` within `maxBytes` of UTF-8 that ends with a whole character. */
function startWithin(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.byteLength <= maxBytes) return text;
  return new TextDecoder().decode(bytes.subarray(0, maxBytes)).replace(/\ufffd+$/, "");
}

/**
 * The last part of `name` as a file name: no folders, no control or reserved characters, no leading dots or dashes, no
 * device name, at most 120 bytes with its extension kept.
 *
 * @example safeFileName("../../.ssh/id_rsa") // "id_rsa"
 */
export function safeFileName(name: string | undefined): string {
  const base =
    cleanLine(name ?? "", 1_000)
      .split(/[/\\]/)
      .at(-1) ?? "";
  const plain = base
    .toWellFormed()
    .normalize("NFC")
    .replaceAll(/[<>:"|?*\u2028\u2029\ufeff\u200b-\u200d]/g, "_")
    .replace(/^[.\s-]+/, "")
    .replace(/[.\s]+$/, "");
  if (plain === "") return FALLBACK;
  const dot = plain.lastIndexOf(".");
  const extension = dot > 0 && plain.length - dot <= MAX_EXTENSION_CHARS ? plain.slice(dot) : "";
  const stem = startWithin(
    plain.slice(0, plain.length - extension.length),
    MAX_NAME_BYTES - Buffer.byteLength(extension),
  );
  const whole = `${stem}${extension}`;
  return RESERVED.test(whole) ? `_${whole}` : whole;
}
