/**
 * Owns the one form in which the world keeps JSON: no white space, the members of every object sorted by name, of
 * members named twice the last. Numbers and strings stay as they were written, so that `1.0` and an integer beyond
 * 2^53 are served as they came.
 *
 * It works on text that `JSON.parse` has accepted, in one pass, and refuses nesting that the stock server refuses too.
 */
import { HubError } from "../errors.ts";

/** Levels of nesting the stock server reads (flux-wire 1.0). */
const MAX_DEPTH = 127;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const SPACE = 0x20;

/** @throws HubError INVALID (400) when the document is nested too deeply */
export function canonicalJson(text: string): string {
  return new Reader(text).value(1);
}

/** The text of an object with these members, sorted by name. Flat, so that it holds on to nothing it was made of. */
export function objectText(members: ReadonlyMap<string, string>): string {
  const names = [...members.keys()].sort();
  const parts: string[] = ["{"];
  for (const name of names) {
    if (parts.length > 1) parts.push(",");
    parts.push(JSON.stringify(name), ":", members.get(name) ?? "null");
  }
  parts.push("}");
  return parts.join("");
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#skipSpace();
  }

  /** The value that starts here, and on to what follows it. */
  value(depth: number): string {
    const first = this.#text.charCodeAt(this.#at);
    if (first === QUOTE) return this.#string();
    if (first !== OPEN_BRACE && first !== OPEN_BRACKET) return this.#scalar();
    if (depth > MAX_DEPTH) throw new HubError("INVALID", "recursion limit exceeded", { status: 400 });
    this.#at += 1;
    this.#skipSpace();
    return first === OPEN_BRACE ? this.#object(depth) : this.#array(depth);
  }

  #object(depth: number): string {
    const members = new Map<string, string>();
    while (this.#text.charCodeAt(this.#at) !== CLOSE_BRACE) {
      const name = this.#string();
      const decoded = name.includes("\\") ? String(JSON.parse(name)) : name.slice(1, -1);
      this.#skip(COLON);
      members.set(decoded, this.value(depth + 1));
      this.#skip(COMMA);
    }
    this.#at += 1;
    return objectText(members);
  }

  #array(depth: number): string {
    const elements: string[] = [];
    while (this.#text.charCodeAt(this.#at) !== CLOSE_BRACKET) {
      elements.push(this.value(depth + 1));
      this.#skip(COMMA);
    }
    this.#at += 1;
    return `[${elements.join(",")}]`;
  }

  #string(): string {
    const start = this.#at;
    let quote = this.#text.indexOf('"', start + 1);
    while (this.#isEscaped(quote)) quote = this.#text.indexOf('"', quote + 1);
    this.#at = quote + 1;
    return this.#text.slice(start, this.#at);
  }

  #isEscaped(quote: number): boolean {
    let backslashes = 0;
    while (this.#text.charCodeAt(quote - 1 - backslashes) === BACKSLASH) backslashes += 1;
    return backslashes % 2 === 1;
  }

  #scalar(): string {
    const start = this.#at;
    for (let code = this.#text.charCodeAt(this.#at); isInScalar(code);) code = this.#text.charCodeAt((this.#at += 1));
    return this.#text.slice(start, this.#at);
  }

  #skip(sign: number): void {
    this.#skipSpace();
    if (this.#text.charCodeAt(this.#at) !== sign) return;
    this.#at += 1;
    this.#skipSpace();
  }

  #skipSpace(): void {
    while (this.#text.charCodeAt(this.#at) <= SPACE) this.#at += 1;
  }
}

/** NaN stands for the end of the text, and compares false with everything. */
function isInScalar(code: number): boolean {
  return code > SPACE && code !== COMMA && code !== CLOSE_BRACE && code !== CLOSE_BRACKET;
}
