/**
 * How an error looks on the wire. The path decides (wire spec 9.2 rule 8): generation A, console and everything else
 * say `{"error":{code,message}}`; generation B's data plane wraps the same in `detail`; `/oauth/*` speaks RFC 6749, and
 * `/api/*` the Flux API's `{"error":text}`.
 */
import { generationOfTopicId } from "agentrux-wire";
import type { HubContext } from "./context.ts";
import { bearerToken } from "./context.ts";
import type { HubError, HubErrorCode } from "../errors.ts";

export type ErrorShape = "a" | "b" | "oauth" | "flux";

/** The error shape a path asks for. Topic ids that are neither form get generation A's. */
export function errorShapeOf(path: string, token: string | undefined): ErrorShape {
  if (path.startsWith("/oauth/")) return "oauth";
  if (path.startsWith("/api/")) return "flux";
  if (path === "/topics") return token?.startsWith("aat_") === true ? "b" : "a";
  if (!path.startsWith("/topics/")) return "a";
  const end = path.indexOf("/", 8);
  return generationOfTopicId(path.slice(8, end === -1 ? undefined : end)) === "b" ? "b" : "a";
}

const OAUTH_CODE: Partial<Record<HubErrorCode, string>> = {
  UNAUTHORIZED: "invalid_client",
  FORBIDDEN: "access_denied",
  SUSPENDED: "access_denied",
  RATE_LIMITED: "temporarily_unavailable",
  UNAVAILABLE: "temporarily_unavailable",
  STORAGE_FULL: "temporarily_unavailable",
  INTERNAL: "server_error",
  INVALID_CLIENT: "invalid_client",
  INVALID_GRANT: "invalid_grant",
  INVALID_SCOPE: "invalid_scope",
  UNSUPPORTED_GRANT_TYPE: "unsupported_grant_type",
  AUTHORIZATION_PENDING: "authorization_pending",
  SLOW_DOWN: "slow_down",
  ACCESS_DENIED: "access_denied",
  EXPIRED_TOKEN: "expired_token",
  UNSUPPORTED_AUTHORIZATION_DETAILS: "unsupported_authorization_details",
};

/** The document for an error in one shape. */
export function errorBody(error: HubError, shape: ErrorShape): object {
  if (shape === "oauth") {
    return { error: OAUTH_CODE[error.code] ?? "invalid_request", error_description: error.message };
  }
  if (shape === "flux") return { error: error.message, code: error.code, ...error.details };
  const extra = {
    ...(error.details === undefined ? {} : { details: error.details }),
    ...(error.nextAction === undefined ? {} : { next_action: error.nextAction }),
  };
  return shape === "b"
    ? { detail: { error: error.code, message: error.message, ...extra } }
    : { error: { code: error.code, message: error.message, ...extra } };
}

/** Answers a request with an error, in the shape its path asks for. */
export function errorResponse(c: HubContext, error: HubError): Response {
  const headers: Record<string, string> = { "Content-Type": "application/json", "Cache-Control": "no-store" };
  if (error.retryAfterS !== undefined) headers["Retry-After"] = String(Math.max(1, Math.ceil(error.retryAfterS)));
  if (error.status === 401) headers["WWW-Authenticate"] = "Bearer";
  // The rest of the body will not be read, and must not be taken for the next request.
  if (error.status === 413 || error.status === 408) headers["Connection"] = "close";
  const body = JSON.stringify(errorBody(error, errorShapeOf(c.req.path, bearerToken(c))));
  return new Response(body, { status: error.status, headers });
}
