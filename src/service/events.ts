/** Owns publishing and pulling. */

import { IDEMPOTENCY_KEY_PATTERN } from "agentrux-wire";
import { AgentruxError, isAgentruxError } from "../errors.ts";
import { jsonBody, type AuthorisedHttp } from "./authorised.ts";
import type { Dialect } from "./dialects/dialect.ts";
import type { EventPage, PublishRequest, PublishResult, PullRequest } from "./types.ts";

/** A page too large to read is asked for again with so many times fewer events. */
const SHRINK = 8;
/** Events of a page that services of both generations allow. */
const SAFE_LIMIT = 100;

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
 * What pulls pages for one client. A page larger than an answer may be is asked for again with fewer events, down to
 * one. How many a service allows is not told (wire spec Q8), so a refusal may mean the limit: what is allowed everywhere
 * is asked for then, and from there on where that helps.
 *
 * @throws AgentruxError `cursor_expired` with `details.oldest`, the oldest event retained, where the service tells it.
 */
export function createPull(http: AuthorisedHttp, dialect: Dialect): (request: PullRequest) => Promise<EventPage> {
  let limitMax = Infinity;

  async function ask(request: PullRequest): Promise<EventPage> {
    const wire = dialect.pull(request);
    try {
      const { document } = await http.json({ method: "GET", path: wire.path, signal: request.signal });
      return dialect.readPage(document, request);
    } catch (error) {
      if (isAgentruxError(error, "response_too_large") && request.limit > 1) {
        return await ask({ ...request, limit: Math.max(1, Math.floor(request.limit / SHRINK)) });
      }
      if (!mayBeLimit(error) || request.limit <= SAFE_LIMIT) throw error;
      const page = await ask({ ...request, limit: SAFE_LIMIT });
      limitMax = SAFE_LIMIT;
      return page;
    }
  }

  return (request) => ask({ ...request, limit: Math.min(request.limit, limitMax) });
}

function mayBeLimit(error: unknown): boolean {
  return isAgentruxError(error, "invalid") && (error.status === 400 || error.status === 422);
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
