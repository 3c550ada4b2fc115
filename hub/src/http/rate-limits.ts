/**
 * Token buckets by key: `perPeriod` requests in a period of time, refilled evenly, with a burst. Keys that have been
 * quiet long enough to be full again are forgotten, so memory is bounded by the keys active within one period.
 */
import { HubError } from "../errors.ts";
import type { HubLimits } from "../config.ts";
import type { Clock } from "../runtime.ts";

/** Above this many keys the full buckets are cleared out; a flood of new keys beyond it is refused. */
const MAX_KEYS = 100_000;

interface Bucket {
  tokens: number;
  updatedAt: number;
}

export class RateLimiter {
  readonly #clock: Clock;
  readonly #burst: number;
  readonly #perMs: number;
  readonly #buckets = new Map<string, Bucket>();

  /** @param burst how many may come at once; at least one */
  constructor(clock: Clock, perPeriod: number, periodMs: number, burst: number = perPeriod) {
    this.#clock = clock;
    this.#perMs = perPeriod / periodMs;
    this.#burst = Math.max(1, burst);
  }

  /** Seconds until one will be there, 0 when one is; takes nothing. */
  waitS(key: string): number {
    const bucket = this.#bucket(key, this.#clock.now());
    return bucket === undefined ? 1 : this.#waitS(bucket);
  }

  /** Takes one, or tells after how many seconds one will be there. */
  take(key: string): { readonly ok: true } | { readonly ok: false; readonly retryAfterS: number } {
    const now = this.#clock.now();
    const bucket = this.#bucket(key, now);
    if (bucket === undefined) return { ok: false, retryAfterS: 1 };
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1;
      return { ok: true };
    }
    return { ok: false, retryAfterS: this.#waitS(bucket) };
  }

  #waitS(bucket: Bucket): number {
    return bucket.tokens >= 1 ? 0 : Math.max(1, Math.ceil((1 - bucket.tokens) / this.#perMs / 1000));
  }

  #bucket(key: string, now: number): Bucket | undefined {
    const known = this.#buckets.get(key);
    if (known !== undefined) {
      // A clock that was set back must not freeze a bucket.
      const elapsedMs = Math.max(0, now - known.updatedAt);
      known.tokens = Math.min(this.#burst, known.tokens + elapsedMs * this.#perMs);
      known.updatedAt = now;
      return known;
    }
    if (this.#buckets.size >= MAX_KEYS) this.#forgetFull(now);
    if (this.#buckets.size >= MAX_KEYS) return undefined;
    const fresh = { tokens: this.#burst, updatedAt: now };
    this.#buckets.set(key, fresh);
    return fresh;
  }

  #forgetFull(now: number): void {
    for (const [key, bucket] of this.#buckets) {
      if (bucket.tokens + (now - bucket.updatedAt) * this.#perMs >= this.#burst) this.#buckets.delete(key);
    }
  }
}

/** The limits of one hub. */
export interface RateLimits {
  /** Per script. */
  readonly token: RateLimiter;
  /** Per script. */
  readonly refresh: RateLimiter;
  /** Failures per remote address, on endpoints that take a code or secret. */
  readonly authAttempt: RateLimiter;
  /** Per credential. */
  readonly request: RateLimiter;
}

export function createRateLimits(clock: Clock, limits: HubLimits): RateLimits {
  return {
    token: new RateLimiter(clock, limits.tokensPerHour, 3_600_000),
    refresh: new RateLimiter(clock, limits.refreshesPerHour, 3_600_000),
    authAttempt: new RateLimiter(clock, limits.authAttemptsPerMinute, 60_000),
    request: new RateLimiter(clock, limits.requestsPerSecond, 1000, limits.requestsPerSecond * 2),
  };
}

/** @throws HubError RATE_LIMITED with `Retry-After` */
export function enforce(limiter: RateLimiter, key: string, what: string): void {
  const taken = limiter.take(key);
  if (!taken.ok) throw new HubError("RATE_LIMITED", `Too many ${what}`, { retryAfterS: taken.retryAfterS });
}
