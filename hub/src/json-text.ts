/**
 * Finding the text of parts of a JSON document without rewriting them. Payloads are stored and served byte for byte as
 * they were published: parsing and printing again would change large numbers and fail on deep nesting.
 *
 * Every function here takes text that `JSON.parse` has accepted; on other text the result means nothing.
 */

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const SPACE = 0x20;

/**
 * The text of each member of an object, by name; of members named twice the last, as `JSON.parse` has it.
 * @param onDuplicate called with the name of each member that was there already
 */
export function memberTexts(objectText: string, onDuplicate?: (name: string) => void): Map<string, string> {
  const members = new Map<string, string>();
  let at = afterSpace(objectText, afterSpace(objectText, 0) + 1);
  while (objectText.charCodeAt(at) !== CLOSE_BRACE) {
    const nameEnd = stringEnd(objectText, at);
    const name = objectText.slice(at + 1, nameEnd - 1);
    const start = afterSpace(objectText, afterSpace(objectText, nameEnd) + 1);
    const end = valueEnd(objectText, start);
    const decoded = name.includes("\\") ? String(JSON.parse(`"${name}"`)) : name;
    if (onDuplicate !== undefined && members.has(decoded)) onDuplicate(decoded);
    members.set(decoded, objectText.slice(start, end));
    at = afterComma(objectText, end);
  }
  return members;
}

/** The text of each element of an array. */
export function elementTexts(arrayText: string): string[] {
  const elements: string[] = [];
  let at = afterSpace(arrayText, afterSpace(arrayText, 0) + 1);
  while (arrayText.charCodeAt(at) !== CLOSE_BRACKET) {
    const end = valueEnd(arrayText, at);
    elements.push(arrayText.slice(at, end));
    at = afterComma(arrayText, end);
  }
  return elements;
}

function afterSpace(text: string, at: number): number {
  let next = at;
  // JSON's white space is space, tab, line feed and carriage return: everything up to the space that can stand here.
  while (text.charCodeAt(next) <= SPACE) next += 1;
  return next;
}

function afterComma(text: string, at: number): number {
  const next = afterSpace(text, at);
  return text.charCodeAt(next) === COMMA ? afterSpace(text, next + 1) : next;
}

/** One past the closing quote of the string that opens at `at`. */
function stringEnd(text: string, at: number): number {
  let quote = text.indexOf('"', at + 1);
  while (isEscaped(text, quote)) quote = text.indexOf('"', quote + 1);
  return quote + 1;
}

function isEscaped(text: string, quote: number): boolean {
  let backslashes = 0;
  while (text.charCodeAt(quote - 1 - backslashes) === BACKSLASH) backslashes += 1;
  return backslashes % 2 === 1;
}

function valueEnd(text: string, at: number): number {
  const first = text.charCodeAt(at);
  if (first === QUOTE) return stringEnd(text, at);
  return first === OPEN_BRACE || first === OPEN_BRACKET ? nestedEnd(text, at) : scalarEnd(text, at);
}

function nestedEnd(text: string, at: number): number {
  let depth = 0;
  let next = at;
  do {
    const code = text.charCodeAt(next);
    if (code === QUOTE) {
      next = stringEnd(text, next);
      continue;
    }
    if (code === OPEN_BRACE || code === OPEN_BRACKET) depth += 1;
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth -= 1;
    next += 1;
  } while (depth > 0);
  return next;
}

function scalarEnd(text: string, at: number): number {
  let next = at;
  for (;;) {
    const code = text.charCodeAt(next);
    if (code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET || code <= SPACE || Number.isNaN(code)) break;
    next += 1;
  }
  return next;
}
