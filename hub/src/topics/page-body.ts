/**
 * Encoding a page. Each event's text is written straight into one buffer of the right size: joining a thousand texts to
 * one string first, and encoding that, takes twice as long.
 */

const COMMA = 0x2c;

/** The UTF-8 bytes of `head`, the texts with commas between them, and `tail`. */
export function pageBody(head: string, texts: readonly string[], tail: string): Uint8Array<ArrayBuffer> {
  let length = Buffer.byteLength(head) + Math.max(0, texts.length - 1) + Buffer.byteLength(tail);
  for (const text of texts) length += Buffer.byteLength(text);
  const body = Buffer.allocUnsafeSlow(length);
  let at = body.write(head);
  for (const [index, text] of texts.entries()) {
    if (index > 0) body[at++] = COMMA;
    at += body.write(text, at);
  }
  body.write(tail, at);
  return body;
}
