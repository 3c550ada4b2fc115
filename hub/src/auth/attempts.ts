/**
 * Limits on calls that carry a secret or a code. Failures are counted per remote address, so that guessing is slow;
 * they are not counted per script, or anybody could lock a script out by failing in its name. Successes are counted
 * per script, after the secret has proved to be right.
 */
import type { HubDeps } from "../deps.ts";
import { HubError, isHubError } from "../errors.ts";
import type { HubContext } from "../http/context.ts";

/**
 * Runs `attempt`, which throws a refusal (4xx) when the secret or code is wrong.
 * @throws HubError RATE_LIMITED, before the attempt, when this address has failed too often
 */
export async function limitedAttempt<T>(c: HubContext, deps: HubDeps, attempt: () => Promise<T>): Promise<T> {
  const address = remoteAddress(c, deps);
  const { authAttempt } = deps.limits;
  const waitS = authAttempt.waitS(address);
  if (waitS > 0) throw new HubError("RATE_LIMITED", "Too many failed attempts", { retryAfterS: waitS });
  try {
    return await attempt();
  } catch (error) {
    if (isHubError(error) && error.status < 500 && error.code !== "RATE_LIMITED") authAttempt.take(address);
    throw error;
  }
}

/** Who is calling, for limits: the peer, or what a trusted proxy says of it. */
export function remoteAddress(c: HubContext, deps: HubDeps): string {
  const { socket, headers } = c.env.incoming;
  const forwarded = headers["x-forwarded-for"];
  if (deps.config.trustForwardedFor && typeof forwarded === "string") {
    // The nearest proxy appends; whatever stands before its entry was said by the client.
    const nearest = forwarded.split(",").at(-1)?.trim();
    if (nearest !== undefined && nearest !== "") return nearest;
  }
  return socket.remoteAddress ?? "unknown";
}
