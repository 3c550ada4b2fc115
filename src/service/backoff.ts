/**
 * Owns the waits between attempts: full-jitter exponential backoff, pure.
 *
 * Full jitter (a uniform pick between nothing and the exponential ceiling) spreads clients that failed together better
 * than any other simple rule; see "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */

import { AgentruxError } from "../errors.ts";
import type { Random } from "./clock.ts";

export interface BackoffLimits {
  /** Ceiling of the first wait, in milliseconds. */
  readonly baseMs: number;
  /** Ceiling of every wait, in milliseconds. */
  readonly capMs: number;
}

/** Doubling further than this overflows nothing and changes nothing: every cap in use is reached long before. */
const MAX_DOUBLINGS = 30;

/**
 * The wait before attempt `attempt + 1`, where `attempt` counts the failures before this one (0 after the first).
 *
 * @example fullJitter(0, { baseMs: 1000, capMs: 60_000 }, Math.random) // between 0 and 1000
 */
export function fullJitter(attempt: number, limits: BackoffLimits, random: Random): number {
  const doublings = Math.min(Math.max(attempt, 0), MAX_DOUBLINGS);
  return Math.floor(random() * Math.min(limits.capMs, limits.baseMs * 2 ** doublings));
}

/** A wait near `capMs`, for troubles that only a person ends: between half of it and all of it. */
export function slowJitter(capMs: number, random: Random): number {
  return Math.floor(capMs / 2 + (random() * capMs) / 2);
}

/** {@link fullJitter}, but never sooner than the service asked for in `error`. */
export function retryDelayMs(error: unknown, attempt: number, limits: BackoffLimits, random: Random): number {
  const asked = error instanceof AgentruxError ? (error.retryAfterMs ?? 0) : 0;
  return Math.max(asked, fullJitter(attempt, limits, random));
}
