/**
 * Owns the access token of one credential.
 *
 * The state is a token with two moments on the monotonic clock, `renewAt` and `usableUntil`:
 *
 *     before renewAt          served as it is
 *     renewAt .. usableUntil  served as it is, while one renewal runs in the background
 *     none, or past its use   callers wait for one renewal together
 *
 * A renewal first spends the refresh token, where there is one. A refusal clears it for good and the client secret is
 * used in the same flight; an outcome that cannot be known keeps it, because the server may never have seen the call
 * (W22). Only the third doubt in a row falls back to the secret, whose calls are rationed. Each of the two ways rests by
 * itself after a failure, so that one which is still open is tried; while both rest, callers get the same error at once,
 * with the time left in `retryAfterMs`. A call that never left this machine counts for nothing.
 *
 * A token the service rejects is cleared only by the caller that was rejected with that very token; the refresh token
 * stays (W20). When tokens are rejected as soon as they are issued, renewals slow down too.
 */

import { AgentruxError } from "../errors.ts";
import { fullJitter, slowJitter } from "./backoff.ts";
import { hourlyBudget, type Budget } from "./budget.ts";
import type { Clock, Random } from "./clock.ts";
import type { Issued, TokenEndpoints } from "./token-endpoints.ts";

/** The vendor's limit on `/auth/token`: calls per hour and script. */
export const SECRET_CALLS_PER_HOUR = 10;
/** A token is renewed this long before it ends, or a fifth of its life, whichever is less. */
const RENEW_AHEAD_MS = 60_000;
/** Spreads the renewals of clients started together. At most a tenth of the token's life. */
const RENEW_JITTER_MS = 30_000;
/** A token this close to its end may die on the way. At most a twentieth of its life. */
const DEAD_ON_ARRIVAL_MS = 5_000;
/** Doubtful refreshes in a row before the secret is tried instead. */
const MAX_REFRESH_DOUBTS = 3;
/** The gaps after those, so that an hour of doubt stays under the vendor's 20 calls to `/auth/refresh`. */
const REFRESH_GAPS = { baseMs: 15_000, capMs: 270_000 };
const RETRY_LIMITS = { baseMs: 1_000, capMs: 60_000 };
/** After a refusal only a person can help: ten minutes stay under the hourly limit. */
const REFUSED_LIMITS = { baseMs: 60_000, capMs: 600_000 };
/** Wait after a rate limit that names none. */
const RATE_LIMITED_MS = 60_000;
/** A token rejected younger than this counts as rejected at birth. At most half of its life. */
const EARLY_REJECTION_MS = 60_000;
/** JWTs tell their end in whole seconds, so a token may end this much before its stated life. */
const LIFETIME_GRAIN_MS = 1_000;
/** Rejections at birth that are answered by an immediate renewal: a server may have restarted with new keys. */
const FREE_EARLY_REJECTIONS = 1;
const EARLY_MEMORY_MS = 600_000;

/** Access tokens for one credential. Concurrent callers share every call. */
export interface TokenClient {
  /** A token that should work. @throws AgentruxError as the token endpoint's refusal or failure, `aborted`, `stopped`. */
  get(signal: AbortSignal): Promise<string>;
  /** Drops the access token if it is still `rejected`. Returns whether it was. */
  invalidate(rejected: string): boolean;
  /** Lets the next caller get a token issued from the secret, because a grant was added: scopes are fixed at issue. */
  forget(signal: AbortSignal): Promise<void>;
  /** A new client secret (generation A), to be saved by the caller before anything else. */
  rotate(signal: AbortSignal): Promise<string>;
  /** Ends what is under way. */
  close(): void;
}

export interface TokenClientOptions {
  readonly endpoints: TokenEndpoints;
  readonly clock: Clock;
  readonly random: Random;
  /** Rations calls with the secret; absent where the service sets no such limit (generation B). */
  readonly secretCallsPerHour?: number;
}

interface Access {
  readonly token: string;
  readonly renewAt: number;
  readonly usableUntil: number;
  readonly earlyUntil: number;
}

export function createTokenClient(options: TokenClientOptions): TokenClient {
  return new SharedTokens(options);
}

class SharedTokens implements TokenClient {
  readonly #endpoints: TokenEndpoints;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #budget: Budget | undefined;
  readonly #closing = new AbortController();
  #access: Access | undefined;
  #refreshToken: string | undefined;
  #refreshDoubts = 0;
  #refreshNotBefore = 0;
  #flight: Promise<string> | undefined;
  #failures = 0;
  #notBefore = 0;
  #secretNotBefore = 0;
  #lastFailure: AgentruxError | undefined;
  #earlyRejections = 0;
  #lastEarlyRejection = 0;

  constructor(options: TokenClientOptions) {
    this.#endpoints = options.endpoints;
    this.#clock = options.clock;
    this.#random = options.random;
    const { secretCallsPerHour } = options;
    this.#budget =
      secretCallsPerHour === undefined ? undefined : hourlyBudget(secretCallsPerHour, () => this.#clock.monotonic());
  }

  async get(signal: AbortSignal): Promise<string> {
    if (this.#closing.signal.aborted) throw new AgentruxError("stopped", "The client was closed");
    const now = this.#clock.monotonic();
    const access = this.#access;
    if (access === undefined || now >= access.usableUntil) return await abortable(this.#renew(), signal);
    if (now >= access.renewAt) {
      // Its failure is kept as the cool-down, which ends the next ones at once; this caller still has a good token.
      this.#renew().catch(() => {});
    }
    return access.token;
  }

  invalidate(rejected: string): boolean {
    const access = this.#access;
    if (access?.token !== rejected) return false;
    this.#access = undefined;
    const now = this.#clock.monotonic();
    if (now < access.earlyUntil) this.#rejectedAtBirth(now);
    return true;
  }

  async forget(signal: AbortSignal): Promise<void> {
    await this.#quiet(signal);
    this.#access = undefined;
    this.#refreshToken = undefined;
  }

  async rotate(signal: AbortSignal): Promise<string> {
    await this.#quiet(signal);
    const startedAt = this.#clock.monotonic();
    const rotation = this.#endpoints.rotate(this.#closing.signal);
    this.#fly(rotation.then((issued) => this.#accept(issued, startedAt))).catch(() => {});
    return (await abortable(rotation, signal)).clientSecret;
  }

  close(): void {
    this.#closing.abort();
  }

  async #quiet(signal: AbortSignal): Promise<void> {
    while (this.#flight !== undefined) {
      await abortable(
        this.#flight.catch(() => {}),
        signal,
      );
    }
  }

  #renew(): Promise<string> {
    return this.#flight ?? this.#fly(this.#obtain());
  }

  #fly(work: Promise<string>): Promise<string> {
    const flight = work.finally(() => {
      if (this.#flight === flight) this.#flight = undefined;
    });
    this.#flight = flight;
    return flight;
  }

  async #obtain(): Promise<string> {
    const startedAt = this.#clock.monotonic();
    this.#checkRest();
    return this.#accept((await this.#refresh(startedAt)) ?? (await this.#bySecret()), startedAt);
  }

  async #bySecret(): Promise<Issued> {
    this.#checkRest();
    this.#budget?.take();
    try {
      return await this.#endpoints.bySecret(this.#closing.signal);
    } catch (error) {
      const sent = !(error instanceof AgentruxError && error.kind === "local");
      if (!sent) this.#budget?.giveBack();
      const gapMs = sent ? this.#spread(this.#budget?.gapMs() ?? 0) : 0;
      this.#secretNotBefore = Math.max(this.#failed(error), this.#clock.monotonic() + gapMs);
      throw error;
    }
  }

  /** A token by the refresh token; undefined when the secret has to be used instead. */
  async #refresh(now: number): Promise<Issued | undefined> {
    const refreshToken = this.#refreshToken;
    if (refreshToken === undefined || now < this.#refreshNotBefore) return undefined;
    try {
      return await this.#endpoints.byRefresh(refreshToken, this.#closing.signal);
    } catch (error) {
      if (!isTrouble(error)) throw error;
      if (error.code === "rate_limited") {
        this.#refreshNotBefore = this.#clock.monotonic() + (error.retryAfterMs ?? RATE_LIMITED_MS);
        return undefined;
      }
      if (error.kind === "refused" && !error.retryable) {
        this.#refreshToken = undefined;
        return undefined;
      }
      if (error.kind === "local" || ++this.#refreshDoubts < MAX_REFRESH_DOUBTS) {
        this.#notBefore = this.#failed(error);
        throw error;
      }
      const gapMs = Math.min(REFRESH_GAPS.capMs, REFRESH_GAPS.baseMs * 2 ** (this.#refreshDoubts - MAX_REFRESH_DOUBTS));
      this.#refreshNotBefore = this.#clock.monotonic() + this.#spread(gapMs);
      return undefined;
    }
  }

  #accept(issued: Issued, startedAt: number): string {
    const life = issued.lifetimeMs;
    const end = startedAt + life;
    const ahead = Math.min(RENEW_AHEAD_MS, life / 5) + this.#random() * Math.min(RENEW_JITTER_MS, life / 10);
    this.#access = {
      token: issued.accessToken,
      renewAt: end - ahead,
      usableUntil: end - Math.min(DEAD_ON_ARRIVAL_MS, life / 20),
      earlyUntil: startedAt + Math.min(EARLY_REJECTION_MS, life / 2 - LIFETIME_GRAIN_MS),
    };
    this.#refreshToken = issued.refreshToken;
    this.#refreshDoubts = 0;
    this.#failures = 0;
    this.#notBefore = 0;
    this.#secretNotBefore = 0;
    this.#lastFailure = undefined;
    return issued.accessToken;
  }

  /** Takes note of a failure. Returns until when whoever failed is to rest. */
  #failed(error: unknown): number {
    const now = this.#clock.monotonic();
    if (!isTrouble(error)) return now;
    const hopeless = error.kind === "refused" && !error.retryable;
    const waitMs = hopeless
      ? slowJitter(
          Math.min(REFUSED_LIMITS.capMs, REFUSED_LIMITS.baseMs * 2 ** Math.min(this.#failures, 10)),
          this.#random,
        )
      : fullJitter(this.#failures, RETRY_LIMITS, this.#random);
    const rateLimit = error.code === "rate_limited" ? RATE_LIMITED_MS : 0;
    this.#failures += 1;
    this.#lastFailure = error;
    return now + Math.max(waitMs, error.retryAfterMs ?? rateLimit);
  }

  /** A fixed gap would bring clients that failed together back together. */
  #spread(ms: number): number {
    return ms * (1 + this.#random() / 8);
  }

  #checkRest(): void {
    const now = this.#clock.monotonic();
    const secretAt = Math.max(this.#secretNotBefore, now + (this.#budget?.waitMs() ?? 0));
    const refreshAt = this.#refreshToken === undefined ? Infinity : this.#refreshNotBefore;
    const leftMs = Math.ceil(Math.max(this.#notBefore, Math.min(secretAt, refreshAt)) - now);
    if (leftMs > 0) throw again(this.#lastFailure ?? spentBudget(), leftMs);
  }

  #rejectedAtBirth(now: number): void {
    if (now - this.#lastEarlyRejection > EARLY_MEMORY_MS) this.#earlyRejections = 0;
    this.#lastEarlyRejection = now;
    this.#earlyRejections += 1;
    if (this.#earlyRejections <= FREE_EARLY_REJECTIONS) return;
    const rejections = this.#earlyRejections - FREE_EARLY_REJECTIONS - 1;
    const ceilingMs = Math.min(REFUSED_LIMITS.capMs, RETRY_LIMITS.baseMs * 2 ** Math.min(rejections, 10));
    this.#lastFailure = new AgentruxError("unauthorized", "The service rejects access tokens it has just issued", {
      kind: "refused",
      retryable: true,
      status: 401,
    });
    this.#notBefore = Math.max(this.#notBefore, now + slowJitter(ceilingMs, this.#random));
  }
}

/** Whether `error` tells of the service or of the way to it, and not of ourselves. */
function isTrouble(error: unknown): error is AgentruxError {
  return error instanceof AgentruxError && error.code !== "stopped" && error.code !== "aborted";
}

function spentBudget(): AgentruxError {
  return new AgentruxError("rate_limited", "The hourly budget for new tokens is spent", { retryable: true });
}

/** `last` for a caller who came too early: the trouble is still the same, and this is how long to wait. */
function again(last: AgentruxError, retryAfterMs: number): AgentruxError {
  return new AgentruxError(last.code, last.message, {
    kind: last.kind,
    retryable: last.retryable,
    retryAfterMs,
    cause: last.cause ?? last,
    ...(last.status === undefined ? {} : { status: last.status }),
    ...(last.serviceCode === undefined ? {} : { serviceCode: last.serviceCode }),
    ...(last.details === undefined ? {} : { details: last.details }),
  });
}

/** `work`, or `aborted` as soon as `signal` aborts: the work itself goes on for whoever else waits. */
function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      reject(new AgentruxError("aborted", "Waiting for an access token was aborted", { cause: signal.reason }));
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
