/** Owns the reading of an activation answer: activated, refused for good, or worth another try (wire spec, section 7). */

import {
  activateResponseASchema,
  parseErrorBody,
  redeemActivationResponseBSchema,
  type WireGeneration,
} from "agentrux-wire";
import type { StoredCredentials } from "../credentials/schema.ts";
import { AgentruxError, type ErrorCode } from "../errors.ts";
import { redact } from "../service/redact.ts";

/** What is read of an answer. Any status is an answer. */
export interface RedeemAnswer {
  readonly status: number;
  readonly contentType: string | undefined;
  readonly text: string;
  readonly retryAfterMs: number | undefined;
}

/** A topic the code's script may use, as generation A tells it. */
export interface Grant {
  readonly grantId?: string;
  readonly topicId: string;
  readonly action: string;
}

export type Redeemed =
  | { readonly kind: "activated"; readonly credentials: StoredCredentials; readonly grants: readonly Grant[] }
  | {
      readonly kind: "refused";
      readonly httpStatus: number;
      readonly errorCode: string;
      readonly errorMessage: string;
      /** The service itself said so, in one of its error shapes: the code is dead. Otherwise it may still be live. */
      readonly byService: boolean;
    };

const QUOTED_BODY_MAX_LENGTH = 200;
/** "Come again" in the words of the service or of what stands before it; the code was not looked at. */
const COME_AGAIN = new Set([408, 425, 429]);

/** Codes for statuses whose body names none; generation B's client maps them, generation A's says UNKNOWN. */
const CODE_OF_STATUS: Readonly<Record<number, string>> = {
  400: "INVALID",
  401: "UNAUTHORIZED",
  403: "FORBIDDEN",
  404: "NOT_FOUND",
  409: "CONFLICT",
  422: "INVALID",
  429: "RATE_LIMITED",
};

/** The request an answer belongs to. */
export interface RedeemRequest {
  readonly generation: WireGeneration;
  readonly code: string;
  readonly baseUrl: string;
  readonly path: string;
}

/**
 * What an answer means.
 *
 * @throws AgentruxError retryable. Its `kind` says whether the code may have been consumed (`unknown`) or surely was
 * not (`refused`).
 */
export function readAnswer(request: RedeemRequest, answer: RedeemAnswer): Redeemed {
  if (answer.status >= 200 && answer.status < 300) return activated(request, answer);
  if (isTransient(answer)) throw comeAgain(request, answer);
  return refused(request, answer);
}

function activated({ generation, baseUrl, path }: RedeemRequest, answer: RedeemAnswer): Redeemed {
  const document = parseJson(answer.text);
  const result =
    generation === "a"
      ? activateResponseASchema.transform(fromA).safeParse(document)
      : redeemActivationResponseBSchema.transform(fromB).safeParse(document);
  // The body may hold the secret: only the names of the missing fields are told.
  if (result.success) return result.data;
  const fields = result.error.issues.map((issue) => issue.path.join(".") || "body").join(", ");
  const message = `unexpected response from ${path}: HTTP ${answer.status}, missing or malformed: ${fields}`;
  throw new AgentruxError("malformed_response", message, { kind: "unknown", retryable: true, status: answer.status });

  function fromA(body: ReturnType<typeof activateResponseASchema.parse>): Redeemed {
    const credentials: StoredCredentials = {
      generation: "a",
      baseUrl,
      clientId: body.script_id,
      clientSecret: body.client_secret,
      scriptId: body.script_id,
    };
    const grants = (body.grants ?? []).map(({ grant_id, topic_id, action }) => ({
      ...(grant_id !== undefined && { grantId: grant_id }),
      topicId: topic_id,
      action,
    }));
    return { kind: "activated", credentials, grants };
  }

  function fromB(body: ReturnType<typeof redeemActivationResponseBSchema.parse>): Redeemed {
    const credentials: StoredCredentials = {
      generation: "b",
      baseUrl,
      clientId: body.client_id,
      clientSecret: body.client_secret,
      ...(body.script_id && { scriptId: body.script_id }),
    };
    return { kind: "activated", credentials, grants: [] };
  }
}

function isTransient(answer: RedeemAnswer): boolean {
  const { status } = answer;
  if (status < 400 || status >= 500 || COME_AGAIN.has(status)) return true;
  // A load balancer answers 403 with a page of its own, for instance while a rule is wrong; the service never does.
  return status === 403 && !isServiceError(answer);
}

function comeAgain({ path, code }: RedeemRequest, answer: RedeemAnswer): AgentruxError {
  const { status, retryAfterMs } = answer;
  const body = redact(oneLine(answer.text), [code]).slice(0, QUOTED_BODY_MAX_LENGTH);
  const parsed = parseErrorBody(status, answer.contentType, answer.text);
  const message = `unexpected response from ${path}: HTTP ${status} ${parsed.html ? parsed.message : body}`.trimEnd();
  const settled = status < 500;
  return new AgentruxError(transientCode(status), message, {
    kind: settled ? "refused" : "unknown",
    retryable: true,
    status,
    ...(parsed.code !== undefined && { serviceCode: redact(parsed.code, [code]) }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

function transientCode(status: number): ErrorCode {
  if (status === 429) return "rate_limited";
  return status === 403 || status < 400 ? "gateway_page" : "server_error";
}

function refused({ generation, code }: RedeemRequest, answer: RedeemAnswer): Redeemed {
  const { status } = answer;
  const parsed = parseErrorBody(status, answer.contentType, answer.text);
  const unnamed = generation === "b" ? (CODE_OF_STATUS[status] ?? "UNKNOWN") : "UNKNOWN";
  return {
    kind: "refused",
    httpStatus: status,
    errorCode: redact(parsed.code ?? unnamed, [code]),
    errorMessage: redact(parsed.message, [code]),
    byService: isServiceError(answer),
  };
}

/** Whether the body has one of the service's own error shapes (wire spec, section 7, 1 to 4). */
function isServiceError(answer: RedeemAnswer): boolean {
  const document = parseJson(answer.text);
  return typeof document === "object" && document !== null && ("error" in document || "detail" in document);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, " ").trim();
}
