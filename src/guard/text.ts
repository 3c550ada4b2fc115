/**
 * Makes text from a topic safe to show to a model or a log: bounded, and free of what a reader cannot see.
 *
 * Line breaks, tabs and every script of the world stay. What goes: NULs and other controls, the characters that make
 * text read in another direction than it is stored, and those without a shape of their own (tags, variation selectors,
 * fillers), by which instructions can be smuggled past a person's eyes or a marker past a filter. Joiners stay, because
 * several scripts and emoji need them, and the host's filter looks through them.
 */

/** Longest message handed to a model, in UTF-16 code units; what is beyond is cut and declared. */
export const MESSAGE_MAX_CHARS = 100_000;

// Everything below space except tab and newline, DEL, C1, the bidirectional controls, invisible operators and
// deprecated format characters, annotation anchors, musical and shorthand controls, fillers, and plane 14 (tags).
const UNSAFE =
  // eslint-disable-next-line no-control-regex, no-misleading-character-class
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]/gu;
/** The selector that makes a sign an emoji has its place behind one, and nowhere else. */
const STRAY_SELECTOR = /(?<![\p{Extended_Pictographic}#*0-9])\ufe0f/gu;

/** Greek, Cyrillic, Cherokee and Armenian letters that look like the Latin ones below them and survive NFKD. */
const LOOK_ALIKES = "ΑΒΕΗΙΚΜΝΟΡΤΥΧΖАВСЕНІКМОРЅТХԀᎠᎡᎢᎬᏞᏟᎪᏒᏆՑՍ";
const LATIN = "ABEHIKMNOPTYXZABCEHIKMOPSTXDDRIELCARISU";
const MARKER_WORDS = /EXTERNALUNTRUSTEDCONTENT/;
const ANGLES = /[<>‹›«»〈〉《》⟨⟩⟪⟫❮❯❬❭❰❱＜＞﹤﹥˂˃⧼⧽ᐸᐳ≪≫⋘⋙]{2,}/gu;
/** Folding is work for each character, and a marker needs at least one of these. */
const MAY_HOLD_MARKER = /[<>‹›«»〈〉《》⟨⟩⟪⟫❮❯❬❭❰❱＜＞﹤﹥˂˃⧼⧽ᐸᐳ≪≫⋘⋙]{2}/u;

/** The letters of a text as a person reads them: one alphabet, one case, nothing between. */
function fold(text: string): string {
  return text
    .normalize("NFKD")
    .toUpperCase()
    .replaceAll(/[^\p{Lu}]/gu, "")
    .replaceAll(/[^A-Z]/gu, (letter) => LATIN[LOOK_ALIKES.indexOf(letter)] ?? "");
}

/**
 * Takes the brackets from a text that spells the host's boundary in any alphabet. The host replaces its markers itself,
 * in Latin letters and a few look-alikes; a boundary's id cannot be guessed in any case.
 */
function defuse(text: string): string {
  return MAY_HOLD_MARKER.test(text) && MARKER_WORDS.test(fold(text)) ? text.replaceAll(ANGLES, "[[") : text;
}

/**
 * Removes what is unsafe, and cuts at `maxChars` without splitting a surrogate pair. The cut is declared in the text, so
 * that a reader knows something is missing. Half a surrogate pair becomes U+FFFD.
 *
 * @param maxChars UTF-16 code units
 * @example cleanText("a\u0000b", 10) // "ab"
 */
export function cleanText(text: string, maxChars: number = MESSAGE_MAX_CHARS): string {
  const plain = text.toWellFormed().replaceAll(/\r\n?|\u2028|\u2029/g, "\n");
  const clean = defuse(plain.replaceAll(UNSAFE, "").replaceAll(STRAY_SELECTOR, "")).trim();
  if (clean.length <= maxChars) return clean;
  const last = clean.charCodeAt(maxChars - 1);
  const end = last >= 0xd800 && last <= 0xdbff ? maxChars - 1 : maxChars;
  return `${clean.slice(0, end)}\n[cut: ${clean.length - end} more characters]`;
}

/** One line of untrusted text for a label or a log. */
export function cleanLine(text: string, maxChars = 120): string {
  return cleanText(text.slice(0, maxChars * 4).replaceAll(/\s+/g, " "), maxChars).replaceAll("\n", " ");
}
