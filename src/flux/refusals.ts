/**
 * Owns what a Flux server's refusals mean (Flux wire spec, sections 1.1 to 1.8), where its words and statuses differ from
 * those of the AgenTrux service: 401 stands for a bad id and an unknown namespace too, and only the beginning of the text
 * tells them apart. Stock servers answer some of them with plain text, or with nothing.
 */

import { type FluxEntity, fluxErrorSchema } from "agentrux-wire";
import { AgentruxError, type ErrorCode } from "../errors.ts";
import type { HttpAnswer } from "../service/http.ts";
import { refusal } from "../service/http-errors.ts";

/** What is there instead of what a conditional write expected. */
export interface ConflictDetails {
  /** 0 where there is no such entity. */
  readonly version: number;
  readonly entity: FluxEntity | undefined;
}

const BAD_ID = /^(?:Missing 'entity_id'|Failed to parse entity_id|Entity ID '|Entity has no namespace)/;
const NO_NAMESPACE = /^Namespace '/;
/** What a batch's answer puts before the text of a single publish. */
const BATCH_PREFIX = /^authorization failed: (?:Invalid token|Invalid entity ID|Namespace not found|Forbidden): /;

/** Whether an answer is a Flux server's own error, not the page of something in front of it or of another server. */
export function isFluxError(answer: HttpAnswer): boolean {
  return errorOf(answer) !== undefined;
}

/** The error that an answer of 300 and more stands for. */
export function fluxRefusal(answer: HttpAnswer, label: string, secrets: readonly string[]): AgentruxError {
  const said = errorOf(answer);
  // A stock error has no code; in the service's form its text would be read as one.
  const plain = said === undefined || said.code !== undefined ? answer.text : JSON.stringify({ detail: said.error });
  const error = refusal({ ...answer, text: plain }, label, secrets);
  if (answer.status === 404 && said === undefined) return as(error, "gateway_page", "no Flux server answers there");
  if (answer.status === 401 && said !== undefined) return as(error, codeOf401(said.error));
  if (answer.status !== 409 || said?.version === undefined) return error;
  const details: ConflictDetails = { version: said.version, entity: said.entity ?? undefined };
  return new AgentruxError("conflict", error.message, { ...optionsOf(error), details });
}

/** What the text of a batch's failed event stands for. */
export function batchFailureCode(text: string): ErrorCode {
  if (text.startsWith("validation failed:")) return "invalid";
  if (text === "rate limit exceeded") return "rate_limited";
  if (text.startsWith("publish failed: version is ")) return "conflict";
  if (!text.startsWith("authorization failed: ")) return "server_error";
  if (text.startsWith("authorization failed: Forbidden: ")) return "forbidden";
  return codeOf401(text.replace(BATCH_PREFIX, ""));
}

function codeOf401(text: string): ErrorCode {
  if (BAD_ID.test(text)) return "invalid";
  return NO_NAMESPACE.test(text) ? "not_found" : "unauthorized";
}

function errorOf({ text }: HttpAnswer) {
  try {
    return fluxErrorSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function as(error: AgentruxError, code: ErrorCode, note?: string): AgentruxError {
  if (code === error.code) return error;
  const message = note === undefined ? error.message : `${error.message} (${note})`;
  return new AgentruxError(code, message, optionsOf(error));
}

function optionsOf({ kind, retryable, status, serviceCode, retryAfterMs, cause }: AgentruxError) {
  return {
    kind,
    retryable,
    ...(status === undefined ? {} : { status }),
    ...(serviceCode === undefined ? {} : { serviceCode }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(cause === undefined ? {} : { cause }),
  };
}
