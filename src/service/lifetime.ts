/**
 * Owns how long an access token lives: a duration, never an instant. The local wall clock has no part in it, so that a
 * clock set wrong neither renews on every call nor trusts a dead token (W21).
 */

import { expiresAtMs } from "agentrux-wire";
import { readClaims } from "./jwt.ts";

/** What an answer of a token endpoint says about time. */
export interface LifetimeHints {
  readonly accessToken: string;
  /** Seconds. */
  readonly expiresIn?: number | null | undefined;
  readonly expiresAt?: string | number | null | undefined;
  /** The answer's `Date` header, epoch milliseconds. */
  readonly serverTimeMs?: number | undefined;
}

/**
 * Assumed when the service tells nothing usable. Generation B's usual lifetime; in generation A, whose tokens live an
 * hour, six renewals an hour stay far below the limit of twenty.
 */
export const DEFAULT_LIFETIME_MS = 600_000;
/** Longest lifetime believed: a wrong unit must not make a token immortal. */
export const MAX_LIFETIME_MS = 86_400_000;

/** The lifetime of an access token in milliseconds, by the first of the sources that yields a positive one. */
export function accessLifetimeMs(hints: LifetimeHints): number {
  const { issuedAt, expiresAt: exp } = readClaims(hints.accessToken);
  const expiry = expiresAtMs(hints.expiresAt);
  const issuedMs = issuedAt === undefined ? undefined : issuedAt * 1000;
  const candidates = [
    times1000(hints.expiresIn),
    minus(times1000(exp), issuedMs),
    minus(expiry, hints.serverTimeMs),
    minus(times1000(exp), hints.serverTimeMs),
    minus(expiry, issuedMs),
  ];
  const lifetime = candidates.find((ms) => ms !== undefined && ms > 0) ?? DEFAULT_LIFETIME_MS;
  return Math.min(lifetime, MAX_LIFETIME_MS);
}

function times1000(seconds: number | null | undefined): number | undefined {
  return typeof seconds === "number" && Number.isFinite(seconds) ? seconds * 1000 : undefined;
}

function minus(later: number | undefined, earlier: number | undefined): number | undefined {
  return later === undefined || earlier === undefined ? undefined : later - earlier;
}
