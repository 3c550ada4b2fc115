/** Owns the clock that processes of one machine share: the monotonic one, so that stamps of two processes compare. */

const NS_PER_MS = 1e6;

/** Milliseconds on the system's monotonic clock, with a fraction. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / NS_PER_MS;
}

/** A stamp as text of fixed width, to travel inside an event. */
export function stamp(): string {
  return process.hrtime.bigint().toString().padStart(STAMP_CHARS, "0");
}

export const STAMP_CHARS = 20;

/** Milliseconds since a text beginning with a stamp was written. */
export function msSinceStamp(text: string): number {
  return Number(process.hrtime.bigint() - BigInt(text.slice(0, STAMP_CHARS))) / NS_PER_MS;
}
