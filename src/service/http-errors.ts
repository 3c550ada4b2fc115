/** Owns the translation of HTTP answers and of transport failures into the plugin's errors. */

import { isCursorExpired, oldestAvailableEventId, parseErrorBody, type ParsedErrorBody } from "agentrux-wire";
import { errors } from "undici";
import { AgentruxError, type ErrorCode } from "../errors.ts";
import type { HttpAnswer } from "./http.ts";
import { redact } from "./redact.ts";

/** What is said of a request in messages: method and path, never a query, never a presigned path. */
export type RequestLabel = string;

interface Verdict {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  /** See {@link AgentruxError.kind}. */
  readonly kind: "refused" | "unknown";
}

/**
 * The error an answer with a status of 300 or more stands for.
 *
 * @param secrets Values sent in the request, which a server may echo.
 */
export function refusal(answer: HttpAnswer, label: RequestLabel, secrets: readonly string[] = []): AgentruxError {
  const body = parseErrorBody(answer.status, answer.contentType, answer.text);
  const verdict = judge(answer, body);
  const oldest = oldestAvailableEventId(body);
  return new AgentruxError(verdict.code, message(answer, body, verdict.code, label, secrets), {
    kind: verdict.kind,
    retryable: verdict.retryable,
    status: answer.status,
    ...(body.code === undefined ? {} : { serviceCode: redact(body.code, secrets) }),
    ...(answer.retryAfterMs === undefined ? {} : { retryAfterMs: answer.retryAfterMs }),
    ...(verdict.code === "cursor_expired" ? { details: { oldest } } : {}),
  });
}

function judge(answer: HttpAnswer, body: ParsedErrorBody): Verdict {
  const { status } = answer;
  const refused = (code: ErrorCode, retryable = false): Verdict => ({ code, retryable, kind: "refused" });
  // We follow no redirect; the service's API has none, so something in front of it answered.
  if (status < 400) return refused("gateway_page", true);
  if (status >= 500) return { code: "server_error", retryable: true, kind: outcomeOfFault(answer) };
  switch (status) {
    case 401:
      return refused("unauthorized");
    case 402:
      return refused("forbidden");
    case 403:
      return isGatewayPage(answer) ? refused("gateway_page", true) : refused("forbidden");
    case 404:
      return refused(isCursorExpired(status, body) ? "cursor_expired" : "not_found");
    case 408:
    case 425:
      return refused("server_error", true);
    case 409:
      return refused("conflict");
    case 410:
      return refused("not_found");
    case 413:
      return refused("payload_too_large");
    case 429:
      return refused("rate_limited", true);
    default:
      return refused("invalid");
  }
}

/** A load balancer's or firewall's page: the service itself answers in JSON (wire spec, section 1). */
function isGatewayPage(answer: HttpAnswer): boolean {
  return !isJsonObject(answer.text) && (answer.text.trim() !== "" || /^text\//i.test(answer.contentType ?? ""));
}

/**
 * 500, 502 and 504 may come after the work was done, and so may a proxy's own 503; a 501, 503 or 507 of the service
 * itself says that it was not.
 */
function outcomeOfFault(answer: HttpAnswer): "refused" | "unknown" {
  const certain = answer.status === 501 || answer.status === 503 || answer.status === 507;
  return certain && isJsonObject(answer.text) ? "refused" : "unknown";
}

function isJsonObject(text: string): boolean {
  if (!text.trimStart().startsWith("{")) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function message(
  answer: HttpAnswer,
  body: ParsedErrorBody,
  code: ErrorCode,
  label: RequestLabel,
  secrets: readonly string[],
): string {
  const said = redact(body.message, secrets);
  const head = `${label}: HTTP ${answer.status}`;
  if (answer.status < 400) return `${head}, a redirect, which is not followed; check baseUrl`;
  if (code === "gateway_page") return `${head} from something in front of the service, not from the service itself`;
  if (code === "cursor_expired") return `${head}, the read position is older than what the topic retains`;
  const known = body.code === undefined ? "" : ` ${redact(body.code, secrets)}`;
  return said === `HTTP ${answer.status}` || body.html ? `${head}${known}` : `${head}${known}: ${said}`;
}

/** Why a request of ours was cut off, when it was. */
export type CutOff = "caller" | "total" | "closed" | undefined;

const HEADERS_OR_BODY_TIMEOUT = new Set(["UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT", "ETIMEDOUT"]);
const BAD_ANSWER = new Set(["UND_ERR_HEADERS_OVERFLOW", "UND_ERR_RES_CONTENT_LENGTH_MISMATCH"]);

/** The error a request that got no complete answer stands for. */
export function transportError(cause: unknown, label: RequestLabel, cutOff: CutOff): AgentruxError {
  if (cause instanceof AgentruxError) return cause;
  const unknown = { kind: "unknown", retryable: true, cause } as const;
  if (cutOff === "caller") return new AgentruxError("aborted", `${label}: aborted`, { kind: "unknown", cause });
  if (cutOff === "closed")
    return new AgentruxError("stopped", `${label}: the client was closed`, { kind: "unknown", cause });
  if (cutOff === "total") return new AgentruxError("timeout", `${label}: took too long`, unknown);
  const code = errorCode(cause);
  if (code === "UND_ERR_CONNECT_TIMEOUT") {
    return new AgentruxError("timeout", `${label}: no connection in time`, { ...unknown, kind: "local" });
  }
  if (HEADERS_OR_BODY_TIMEOUT.has(code))
    return new AgentruxError("timeout", `${label}: the service fell silent`, unknown);
  if (cause instanceof errors.HTTPParserError || BAD_ANSWER.has(code)) {
    // undici's error carries the bytes it stumbled over; whoever prints the cause must not print those.
    const bare = new Error(cause instanceof Error ? cause.message : code);
    return new AgentruxError("malformed_response", `${label}: not a valid HTTP answer`, { ...unknown, cause: bare });
  }
  if (code === "UND_ERR_INVALID_ARG") {
    return new AgentruxError("invalid", `${label}: the request cannot be written as HTTP`, { cause });
  }
  const never = neverConnected(cause);
  const what = never ? "no connection" : "the connection broke";
  return new AgentruxError("network", `${label}: ${what}${code === "" ? "" : ` (${code})`}`, {
    ...unknown,
    kind: never ? "local" : "unknown",
  });
}

/** Whether a failure is known to come before a byte was sent: then the request surely took no effect. */
function neverConnected(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(neverConnected);
  const { syscall } = (error ?? {}) as NodeJS.ErrnoException;
  return (
    syscall === "connect" ||
    syscall === "getaddrinfo" ||
    /^(?:ERR_TLS_CERT|CERT_|DEPTH_ZERO|UNABLE_TO_|SELF_SIGNED)/.test(errorCode(error))
  );
}

function errorCode(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === "string" ? code : "";
}
