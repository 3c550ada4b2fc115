/**
 * Owns keeping a hint stream open.
 *
 *     connecting -> open -> down -> (wait) -> connecting ...     until the signal aborts
 *
 * Waits grow with full jitter from 1 s to 60 s and start over after a minute of open stream; what `Retry-After` asks for
 * is the least. Troubles that only a person ends (grant revoked, topic gone, secret refused) are tried again at the slow
 * end, and told through `onDown` like all others. One rejected access token is replaced at once and silently: tokens
 * end all the time, and the stream with them.
 */

import { AgentruxError } from "../errors.ts";
import { retryDelayMs, slowJitter } from "./backoff.ts";
import type { Clock, Random, Sleep } from "./clock.ts";
import type { Dialect } from "./dialects/dialect.ts";
import type { HttpClient } from "./http.ts";
import { runConnection, type ConnectionEnd } from "./stream-connection.ts";
import type { TokenClient } from "./tokens.ts";
import type { ServiceClient } from "./types.ts";

/** Limits of a stream; the defaults are {@link STREAM_LIMITS}. */
export interface StreamLimits {
  /** Two keep-alives of 30 s missed: the line is dead (wire spec 6). */
  readonly silenceMs: number;
  readonly maxLineBytes: number;
  readonly baseMs: number;
  readonly capMs: number;
  /** An open stream this old has proven itself: the next waits start small again. */
  readonly stableMs: number;
}

export const STREAM_LIMITS: StreamLimits = {
  silenceMs: 60_000,
  maxLineBytes: 1024 * 1024,
  baseMs: 1_000,
  capMs: 60_000,
  stableMs: 60_000,
};

export interface StreamPorts {
  readonly http: HttpClient;
  readonly tokens: TokenClient;
  readonly dialect: Dialect;
  readonly clock: Clock;
  readonly random: Random;
  readonly sleep: Sleep;
  readonly limits: StreamLimits;
}

type KeepRequest = Parameters<ServiceClient["stream"]>[0];

/** See `ServiceClient.stream`. Resolves after the abort; never rejects. */
export async function keepStream(ports: StreamPorts, request: KeepRequest): Promise<void> {
  const { clock, limits } = ports;
  let failures = 0;
  let mayRenewSilently = true;
  while (!request.signal.aborted) {
    let openedAt: number | undefined;
    const end = await connect(ports, request, () => {
      openedAt = clock.monotonic();
      mayRenewSilently = true;
      request.onOpen();
    });
    if (request.signal.aborted) return;
    if (end.tokenRejected && mayRenewSilently) {
      mayRenewSilently = false;
      continue;
    }
    if (openedAt !== undefined && clock.monotonic() - openedAt >= limits.stableMs) failures = 0;
    await waitOut(ports, request, end.reason, failures);
    failures += 1;
  }
}

async function connect(ports: StreamPorts, request: KeepRequest, onOpen: () => void): Promise<ConnectionEnd> {
  const { topicId, after, excludeSelf, signal, onHint } = request;
  try {
    const wire = ports.dialect.stream({
      topicId,
      after: after(),
      ...(excludeSelf === undefined ? {} : { excludeSelf }),
    });
    return await runConnection({ ...ports, ...ports.limits, request: wire, signal, onOpen, onHint });
  } catch (cause) {
    const reason =
      cause instanceof AgentruxError
        ? cause
        : new AgentruxError("invalid", "The stream cannot be asked for", { cause });
    return { reason, tokenRejected: false };
  }
}

async function waitOut(
  ports: StreamPorts,
  request: KeepRequest,
  reason: AgentruxError,
  failures: number,
): Promise<void> {
  const { limits, random } = ports;
  const delayMs = reason.retryable
    ? retryDelayMs(reason, failures, limits, random)
    : Math.max(reason.retryAfterMs ?? 0, slowJitter(limits.capMs, random));
  try {
    request.onDown(reason, delayMs);
  } catch {
    // The one handler there is to tell has just failed.
  }
  await ports.sleep(delayMs, request.signal).catch(() => {});
}
