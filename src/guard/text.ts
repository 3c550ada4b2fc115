/** Makes text from a topic safe to show to a model or a log: no control characters, bounded length. */

/** Longest message handed to a model, in UTF-16 code units; what is beyond is cut and declared. */
export const MESSAGE_MAX_CHARS = 100_000;

// Everything below space except tab and newline, DEL, C1 controls, and the bidirectional overrides that make text read
// differently from what it says.
// eslint-disable-next-line no-control-regex
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/**
 * Removes NULs and control characters, and cuts at `maxChars` without splitting a surrogate pair. The cut is declared in
 * the text, so that a reader knows something is missing.
 *
 * @example cleanText("a\u0000b", 10) // "ab"
 */
export function cleanText(text: string, maxChars: number = MESSAGE_MAX_CHARS): string {
  const clean = text.replaceAll("\r\n", "\n").replaceAll(UNSAFE, "").trim();
  if (clean.length <= maxChars) return clean;
  const last = clean.charCodeAt(maxChars - 1);
  const end = last >= 0xd800 && last <= 0xdbff ? maxChars - 1 : maxChars;
  return `${clean.slice(0, end)}\n[cut: ${clean.length - end} more characters]`;
}

/** One line of untrusted text for a label or a log. */
export function cleanLine(text: string, maxChars = 120): string {
  return cleanText(text.replaceAll(/\s+/g, " ").slice(0, maxChars * 4), maxChars).replaceAll("\n", " ");
}
