/** Owns reading our own access token: what it says of itself, unverified, since only the service can judge it. */

import { parseScopeClaim, type ScopeGrant } from "agentrux-wire";

/** Claims this plugin uses (RFC 7519). */
export interface TokenClaims {
  /** Seconds since the epoch, by the server's clock. */
  readonly issuedAt?: number;
  /** Seconds since the epoch, by the server's clock. */
  readonly expiresAt?: number;
  readonly topics: readonly ScopeGrant[];
}

/**
 * Decodes an access token, with or without generation B's `aat_` prefix. A token that is no JWT has no claims: access
 * tokens are opaque to clients (RFC 6749 section 1.4), so that is no error.
 */
export function readClaims(accessToken: string): TokenClaims {
  const payload = accessToken.replace(/^aat_/, "").split(".")[1];
  const claims = payload === undefined ? undefined : decode(payload);
  if (claims === undefined) return { topics: [] };
  const issuedAt = finite(claims["iat"]);
  const expiresAt = finite(claims["exp"]);
  return {
    ...(issuedAt === undefined ? {} : { issuedAt }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    topics: parseScopeClaim(claims["scope"]),
  };
}

function decode(payload: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function finite(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}
