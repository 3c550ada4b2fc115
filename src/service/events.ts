/** Owns publishing and pulling. */

import { IDEMPOTENCY_KEY_PATTERN } from "agentrux-wire";
import { AgentruxError, isAgentruxError } from "../errors.ts";
import { jsonBody, type AuthorisedHttp } from "./authorised.ts";
import type { Dialect } from "./dialects/dialect.ts";
import type { EventPage, PublishRequest, PublishResult, PullRequest } from "./types.ts";

/** A page too large to read is asked for again with so many times fewer events. */
const SHRINK = 8;

/**
 * Publishes one event. `Idempotency-Key` is sent in both generations: a server that does not know it ignores it.
 *
 * @throws AgentruxError `invalid` for a payload that JSON cannot carry; otherwise what the service or the way to it says.
 */
export async function publish(http: AuthorisedHttp, dialect: Dialect, request: PublishRequest): Promise<PublishResult> {
  const wire = dialect.publish(request);
  const content = encode(wire.body);
  const { answer, document } = await http.json({
    method: "POST",
    path: wire.path,
    ...content,
    headers: { ...content.headers, ...idempotency(request.idempotencyKey) },
    signal: request.signal,
  });
  const replayed = answer.header("idempotent-replayed")?.toLowerCase() === "true";
  return { ...dialect.readPublished(document), replayed };
}

/**
 * Pulls one page. When it is larger than an answer may be, asks for fewer events, down to one.
 *
 * @throws AgentruxError `cursor_expired` with `details.oldest`, the oldest event retained, where the service tells it.
 */
export async function pull(http: AuthorisedHttp, dialect: Dialect, request: PullRequest): Promise<EventPage> {
  const wire = dialect.pull(request);
  try {
    const { document } = await http.json({ method: "GET", path: wire.path, signal: request.signal });
    return dialect.readPage(document, request);
  } catch (error) {
    if (!isAgentruxError(error, "response_too_large") || request.limit <= 1) throw error;
    return await pull(http, dialect, { ...request, limit: Math.max(1, Math.floor(request.limit / SHRINK)) });
  }
}

function encode(body: unknown): ReturnType<typeof jsonBody> {
  try {
    return jsonBody(body);
  } catch (cause) {
    throw new AgentruxError("invalid", "The payload cannot be written as JSON", { cause });
  }
}

function idempotency(key: string | undefined): Record<string, string> {
  if (key === undefined) return {};
  if (!IDEMPOTENCY_KEY_PATTERN.test(key)) {
    throw new AgentruxError("invalid", "An idempotency key is 1 to 255 visible ASCII characters");
  }
  return { "idempotency-key": key };
}
