/** Every error the hub can raise, as data. The wire shapes are made of it in `http/errors.ts`. */

/** Status each code answers with when the raiser does not say otherwise. */
const STATUS_OF = {
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  SUSPENDED: 403,
  NOT_FOUND: 404,
  CONFLICT: 409,
  IDEMPOTENCY_CONFLICT: 409,
  PAYLOAD_TOO_LARGE: 413,
  INVALID: 422,
  RATE_LIMITED: 429,
  INTERNAL: 500,
  UNAVAILABLE: 503,
  STORAGE_FULL: 507,
  // OAuth (RFC 6749 section 5.2, RFC 7591, RFC 8628)
  INVALID_REQUEST: 400,
  INVALID_CLIENT: 401,
  INVALID_GRANT: 400,
  INVALID_SCOPE: 400,
  UNSUPPORTED_GRANT_TYPE: 400,
  AUTHORIZATION_PENDING: 400,
  SLOW_DOWN: 400,
  ACCESS_DENIED: 400,
  EXPIRED_TOKEN: 400,
  UNSUPPORTED_AUTHORIZATION_DETAILS: 400,
  // never sent over HTTP: the hub could not start
  DATA_FOLDER_IN_USE: 500,
  DATA_FOLDER_UNUSABLE: 500,
  CONFIG: 500,
} as const;

export type HubErrorCode = keyof typeof STATUS_OF;

export interface HubErrorOptions {
  /** HTTP status, where it differs from the code's own (malformed JSON is INVALID with 400). */
  readonly status?: number;
  /** Seconds for the `Retry-After` header. */
  readonly retryAfterS?: number;
  /** Machine-readable details, never secrets. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** Generation B's hint what to do next, such as `cursor_advance`. */
  readonly nextAction?: string;
  readonly cause?: unknown;
}

/**
 * The one error class of the hub.
 *
 * @example
 * throw new HubError("RATE_LIMITED", "Too many token requests", { retryAfterS: 60 });
 */
export class HubError extends Error {
  override readonly name = "HubError";
  readonly code: HubErrorCode;
  readonly status: number;
  readonly retryAfterS: number | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;
  readonly nextAction: string | undefined;

  constructor(code: HubErrorCode, message: string, options: HubErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = options.status ?? STATUS_OF[code];
    this.retryAfterS = options.retryAfterS;
    this.details = options.details;
    this.nextAction = options.nextAction;
  }
}

/** Whether `error` is the hub's own and carries `code`. */
export function isHubError(error: unknown, code?: HubErrorCode): error is HubError {
  return error instanceof HubError && (code === undefined || error.code === code);
}
