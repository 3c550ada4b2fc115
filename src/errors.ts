/**
 * Every error the plugin can raise, as data.
 *
 * Two kinds are never mixed up: `refused` means the other side answered and said no; `unknown` means we cannot tell
 * whether the request took effect (it timed out, or the connection broke). Only idempotent work may be repeated after
 * `unknown`. Callers decide by `code`, `kind` and `retryable`, never by the message.
 */

export type ErrorCode =
  // the service said no
  | "unauthorized"
  | "forbidden"
  | "not_found"
  | "conflict"
  | "invalid"
  | "payload_too_large"
  | "rate_limited"
  | "cursor_expired"
  | "server_error"
  | "gateway_page"
  // we could not tell
  | "timeout"
  | "network"
  | "malformed_response"
  // our own side
  | "aborted"
  | "not_allowed"
  // part of what was asked was done, and part was not
  | "partial"
  | "config"
  | "credentials_missing"
  | "credentials_malformed"
  | "insecure_url"
  | "response_too_large"
  | "path_refused"
  | "file_unreadable"
  | "disk"
  | "journal_corrupt"
  | "journal_locked"
  | "stopped";

export interface AgentruxErrorOptions {
  /** `refused`: the peer answered no. `unknown`: the outcome cannot be known. `local`: nothing was sent. */
  readonly kind?: "refused" | "unknown" | "local";
  /** Whether trying the same thing later can succeed. */
  readonly retryable?: boolean;
  /** HTTP status, where an answer came. */
  readonly status?: number;
  /** The service's own error code, such as `NOT_FOUND`. */
  readonly serviceCode?: string;
  /** How long the service asked us to wait, in milliseconds. */
  readonly retryAfterMs?: number;
  /** Machine-readable details of the service, never secrets. */
  readonly details?: unknown;
  readonly cause?: unknown;
}

/**
 * The one error class of the plugin.
 *
 * @example
 * if (error instanceof AgentruxError && error.retryable) await sleep(error.retryAfterMs ?? backoff.next());
 */
export class AgentruxError extends Error {
  /** By name: the host loads the plugin several times over, and an error may come from another copy of this class. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof Error && value.name === "AgentruxError";
  }

  override readonly name = "AgentruxError";
  readonly code: ErrorCode;
  readonly kind: "refused" | "unknown" | "local";
  readonly retryable: boolean;
  readonly status: number | undefined;
  readonly serviceCode: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly details: unknown;

  constructor(code: ErrorCode, message: string, options: AgentruxErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.kind = options.kind ?? "local";
    this.retryable = options.retryable ?? false;
    this.status = options.status;
    this.serviceCode = options.serviceCode;
    this.retryAfterMs = options.retryAfterMs;
    this.details = options.details;
  }
}

/** Whether `error` is ours and carries `code`. */
export function isAgentruxError(error: unknown, code?: ErrorCode): error is AgentruxError {
  return error instanceof AgentruxError && (code === undefined || error.code === code);
}

/** One line for a log or a status: the message of an error, bounded in length. */
export function errorText(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.length > 300 ? `${text.slice(0, 297)}...` : text;
}
