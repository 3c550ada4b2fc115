/** Owns reading an answer's body as JSON of a known shape. */

import type { ZodType } from "zod";
import { AgentruxError } from "../errors.ts";
import type { HttpAnswer } from "./http.ts";

/**
 * The answer's document, unchecked.
 *
 * @throws AgentruxError `malformed_response`, of kind `unknown`: the service may have done what was asked.
 */
export function readJson(answer: HttpAnswer, label: string): unknown {
  try {
    return JSON.parse(answer.text);
  } catch {
    // The parser's own error quotes the text, which may hold a token.
    const cause = new SyntaxError(`no JSON in ${answer.text.length} characters of ${answer.contentType ?? "no type"}`);
    throw malformed(`${label}: the answer is not JSON`, cause);
  }
}

/**
 * `document` as `schema` describes it.
 *
 * @throws AgentruxError `malformed_response` naming the places at fault, never the values.
 */
export function checkShape<T>(schema: ZodType<T>, document: unknown): T {
  const parsed = schema.safeParse(document);
  if (parsed.success) return parsed.data;
  const places = parsed.error.issues.map((issue) => issue.path.join(".") || "the document");
  const named = [...new Set(places)].slice(0, 5).join(", ");
  throw malformed(`The service's answer lacks or misstates ${named}`, parsed.error);
}

function malformed(message: string, cause: Error): AgentruxError {
  return new AgentruxError("malformed_response", message, { kind: "unknown", retryable: true, cause });
}
