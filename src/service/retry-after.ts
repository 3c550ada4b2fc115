/** Owns the `Retry-After` and `Date` headers (RFC 9110 sections 10.2.3 and 6.6.1). */

/**
 * Longest wait a server can impose. The vendor's longest budget is an hour; a larger value is a mistake that would
 * silence the plugin.
 */
export const RETRY_AFTER_MAX_MS = 3_600_000;

/**
 * The wait a `Retry-After` header asks for, in milliseconds, at most {@link RETRY_AFTER_MAX_MS}; `undefined` when the
 * header is absent or unreadable.
 *
 * @param nowMs What the header's date is measured against: the answer's own `Date` where it has one.
 */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  const text = header?.trim();
  if (text === undefined || text === "") return undefined;
  const waitMs = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) * 1000 : httpDate(text) - nowMs;
  if (Number.isNaN(waitMs)) return undefined;
  return Math.min(Math.max(Math.ceil(waitMs), 0), RETRY_AFTER_MAX_MS);
}

/** The server's clock by its `Date` header, in epoch milliseconds. Whole seconds: that is all the header tells. */
export function serverTimeMs(header: string | undefined): number | undefined {
  const time = header === undefined ? Number.NaN : httpDate(header);
  return Number.isNaN(time) ? undefined : time;
}

function httpDate(text: string): number {
  // Date.parse takes a bare number for a year; no HTTP date is without letters.
  return /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN;
}
