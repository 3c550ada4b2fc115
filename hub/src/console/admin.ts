/** Owns the door to the console's endpoints: the operator's admin token opens it, and no script's credential ever does. */
import { limitedAttempt } from "../auth/attempts.ts";
import type { HubDeps } from "../deps.ts";
import { HubError } from "../errors.ts";
import type { HubContext } from "../http/context.ts";
import { bearerToken } from "../http/context.ts";

/**
 * @throws HubError UNAUTHORIZED without a token or with a wrong one, FORBIDDEN with a script's access token, RATE_LIMITED
 *   after too many wrong ones
 */
export async function requireAdmin(c: HubContext, deps: HubDeps): Promise<void> {
  const token = bearerToken(c);
  if (token === undefined) throw new HubError("UNAUTHORIZED", "The admin token is needed as a Bearer token");
  // The right token is never made to wait for those who try wrong ones from the same address, as all do behind a proxy.
  if (deps.isAdmin(token)) return;
  await limitedAttempt(c, deps, async () => {
    if ((await deps.tokens.verify(token)) !== undefined) {
      throw new HubError("FORBIDDEN", "The console is for the operator: a script's access token does not open it");
    }
    throw new HubError("UNAUTHORIZED", "The admin token is wrong");
  });
}
