/** Owns cutting a long text so that each piece, once written as JSON, fits a byte limit. Pure. */

/** Bytes of one code point inside a JSON string (RFC 8259 section 7, as `JSON.stringify` writes it). */
function jsonBytes(codePoint: number): number {
  if (codePoint === 0x22 || codePoint === 0x5c) return 2;
  if (codePoint < 0x20) {
    const shortEscape =
      codePoint === 0x08 || codePoint === 0x09 || codePoint === 0x0a || codePoint === 0x0c || codePoint === 0x0d;
    return shortEscape ? 2 : 6;
  }
  if (codePoint < 0x80) return 1;
  if (codePoint < 0x800) return 2;
  // A surrogate on its own is written as an escape.
  if (codePoint >= 0xd800 && codePoint <= 0xdfff) return 6;
  return codePoint < 0x10000 ? 3 : 4;
}

/**
 * Cuts `text` into pieces of at most `maxBytes` bytes each as JSON string content, never inside a character. Always at
 * least one piece; joined they are the text again.
 *
 * @param maxBytes At least 6, so that any character fits.
 */
export function splitForJson(text: string, maxBytes: number): readonly string[] {
  if (maxBytes < 6) throw new RangeError("A piece must have room for one character.");
  // No character takes more than six bytes for each UTF-16 unit.
  if (text.length * 6 <= maxBytes) return [text];
  const pieces: string[] = [];
  let start = 0;
  let at = 0;
  let bytes = 0;
  while (at < text.length) {
    const codePoint = text.codePointAt(at) ?? 0;
    const size = jsonBytes(codePoint);
    if (bytes + size > maxBytes) {
      pieces.push(text.slice(start, at));
      start = at;
      bytes = 0;
    }
    bytes += size;
    at += codePoint > 0xffff ? 2 : 1;
  }
  pieces.push(text.slice(start));
  return pieces;
}
