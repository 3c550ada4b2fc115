/** Owns error bodies: the five shapes of section 7 of the wire spec, and one parser that accepts them all. */
import { z } from "zod";

/** Most characters of a foreign body that ever leave {@link parseErrorBody}. */
export const ERROR_TEXT_MAX_LENGTH = 300;
/** Bodies are looked at only this far; a longer one is a page, not an error document. */
const BODY_MAX_LENGTH = 64 * 1024;

/** Codes of generation A's catalogue (wire spec 2.4), and the two that generation B adds. */
export const serviceErrorCodeSchema = z.enum([
  "UNAUTHORIZED",
  "FORBIDDEN",
  "SUSPENDED",
  "NOT_FOUND",
  "CONFLICT",
  "IDEMPOTENCY_CONFLICT",
  "INVALID",
  "PAYMENT_REQUIRED",
  "PAYLOAD_TOO_LARGE",
  "RATE_LIMITED",
  "RETENTION_MISS",
  "INTERNAL",
]);
export type ServiceErrorCode = z.infer<typeof serviceErrorCodeSchema>;

/** Shape 1: generation A and the console. */
export const errorBodyASchema = z.looseObject({ error: z.looseObject({ code: z.string(), message: z.string() }) });
export type ErrorBodyA = z.infer<typeof errorBodyASchema>;

/** Shape 3: generation B's data plane. */
export const errorBodyBSchema = z.looseObject({
  detail: z.looseObject({
    error: z.string(),
    message: z.string(),
    details: z.record(z.string(), z.unknown()).nullish(),
    next_action: z.string().nullish(),
  }),
});
export type ErrorBodyB = z.infer<typeof errorBodyBSchema>;

/** Shape 4: `/oauth/*` (RFC 6749 section 5.2). */
export const oauthErrorBodySchema = z.looseObject({ error: z.string(), error_description: z.string().nullish() });
export type OAuthErrorBody = z.infer<typeof oauthErrorBodySchema>;

/** What could be read of an error body. */
export interface ParsedErrorBody {
  /** The service's code, as given: `NOT_FOUND`, `invalid_client`. */
  readonly code?: string;
  /** Never empty; `HTTP <status>` when the body says nothing. At most {@link ERROR_TEXT_MAX_LENGTH} characters. */
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly nextAction?: string;
  /** `details.reason`, or `reason` beside the code. */
  readonly reason?: string;
  /** The body was an HTML page: a load balancer or proxy answered, not the service. */
  readonly html: boolean;
}

type JsonObject = Record<string, unknown>;

/**
 * Reads an error body of any of the five shapes, with any content type and for any status. Never throws.
 *
 * @example parseErrorBody(404, "application/json", '{"error":{"code":"NOT_FOUND","message":"No such topic"}}').code
 */
export function parseErrorBody(status: number, contentType: string | null | undefined, text: string): ParsedErrorBody {
  const body = text.slice(0, BODY_MAX_LENGTH).trim();
  const document = parseObject(body);
  if (document !== undefined) return fromDocument(status, document);
  const html = /^<(?:!doctype|html|head|body|\?xml|h1|center)/i.test(body) || /\bhtml\b/i.test(contentType ?? "");
  return { message: clip(html ? pageTitle(body) : body) || `HTTP ${status}`, html };
}

function parseObject(body: string): JsonObject | undefined {
  if (!body.startsWith("{")) return undefined;
  try {
    return asObject(JSON.parse(body));
  } catch {
    return undefined;
  }
}

function fromDocument(status: number, document: JsonObject): ParsedErrorBody {
  const detail = document["detail"];
  const inner = asObject(detail) ?? document;
  const nested = asObject(inner["error"]);
  const source = nested ?? inner;
  const plain = nested === undefined ? text(inner["error"]) : undefined;
  const code = text(source["code"]) ?? plain;
  const message =
    text(source["message"]) ??
    text(inner["message"]) ??
    text(inner["error_description"]) ??
    text(detail) ??
    plain ??
    code;
  const details = asObject(source["details"]) ?? asObject(inner["details"]);
  const nextAction = text(source["next_action"]) ?? text(inner["next_action"]) ?? text(details?.["next_action"]);
  const reason = text(details?.["reason"]) ?? text(source["reason"]) ?? text(inner["reason"]);
  return {
    ...(code === undefined ? {} : { code: clip(code) }),
    message: clip(message ?? "") || `HTTP ${status}`,
    ...(details === undefined ? {} : { details }),
    ...(nextAction === undefined ? {} : { nextAction: clip(nextAction) }),
    ...(reason === undefined ? {} : { reason: clip(reason) }),
    html: false,
  };
}

/**
 * Whether an error says that a read position has aged out of retention (B8). A stated reason decides alone;
 * `next_action` counts only where no reason is given.
 */
export function isCursorExpired(status: number, error: ParsedErrorBody): boolean {
  if (status !== 404) return false;
  if (error.code === "RETENTION_MISS") return true;
  if (error.reason !== undefined) return error.reason === "ttl_expired";
  return error.nextAction === "cursor_advance";
}

/** `details.oldest_available_evt_id` of an expired cursor; `undefined` when the topic is empty or it is not told. */
export function oldestAvailableEventId(error: ParsedErrorBody): string | undefined {
  return text(error.details?.["oldest_available_evt_id"]);
}

function asObject(value: unknown): JsonObject | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value.trim() !== "" ? value : undefined;
}

function pageTitle(page: string): string {
  return /<title>([^<]*)<\/title>/i.exec(page)?.[1] ?? "";
}

function clip(value: string): string {
  // Control characters would let a foreign body forge lines in our logs.
  const line = value.replace(/[\p{Cc}\u2028\u2029]+/gu, " ").trim();
  return line.length > ERROR_TEXT_MAX_LENGTH ? `${line.slice(0, ERROR_TEXT_MAX_LENGTH - 3)}...` : line;
}
