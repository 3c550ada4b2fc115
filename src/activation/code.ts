/** Owns the activation code inside `BOOTSTRAP.md`: finding it among a person's notes, and blotting it out once it is spent. */

import { generationOfActivationCode, type WireGeneration } from "agentrux-wire";

export interface ActivationCode {
  readonly generation: WireGeneration;
  readonly code: string;
}

export type FoundCode =
  | ({ readonly kind: "found" } & ActivationCode)
  /** Some line begins like a code, none is one. */
  | { readonly kind: "malformed"; readonly reason: string }
  | { readonly kind: "none" };

const CODE_PREFIX = /^(ac|act)_/;

/**
 * The first line that is a valid code once trimmed. A malformed line does not hide a valid one below it (W28).
 *
 * @example findCode("# AgenTrux\nac_...43 characters...\n")
 */
export function findCode(text: string): FoundCode {
  const candidates = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => CODE_PREFIX.test(line));
  for (const code of candidates) {
    const generation = generationOfActivationCode(code);
    if (generation !== undefined) return { kind: "found", generation, code };
  }
  const [first] = candidates;
  if (first === undefined) return { kind: "none" };
  const prefix = first.startsWith("act_") ? "act" : "ac";
  const reason = `activation code must look like '${prefix}_<43 chars>' (got ${first.length} chars)`;
  return { kind: "malformed", reason };
}

/** The text of a file a person wrote: UTF-8, or the UTF-16 that Windows PowerShell's `>` writes. */
export function decodeText(bytes: Buffer): string {
  const isUtf16 = bytes[0] === 0xff && bytes[1] === 0xfe;
  return bytes.toString(isUtf16 ? "utf16le" : "utf8");
}

/** `text` with every occurrence of `code` blotted out, its prefix left standing. */
export function blot(text: string, code: string): string {
  return text.replaceAll(code, `${code.slice(0, code.indexOf("_") + 1)}[redacted]`);
}
