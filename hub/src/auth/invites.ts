/** POST /auth/redeem-invite-code (A5), and the name it had before. */
import { redeemInviteRequestASchema } from "agentrux-wire";
import type { HubDeps } from "../deps.ts";
import { HubError } from "../errors.ts";
import { readJson } from "../http/body.ts";
import type { HubApp, HubContext } from "../http/context.ts";
import { uuidV4 } from "../ids.ts";
import type { Grant } from "../store/port.ts";
import { limitedAttempt } from "./attempts.ts";
import { assertActive, checkScriptSecret } from "./client-secret.ts";
import { hashSecret } from "./secrets.ts";

export function registerInviteRoutes(app: HubApp, deps: HubDeps): void {
  const redeemInvite = async (c: HubContext) => {
    const body = await readJson(c, redeemInviteRequestASchema);
    const grant = await limitedAttempt(c, deps, () => redeem(deps, body));
    return c.json({ topic_id: grant.topicId, action: grant.action, grant_id: grant.id });
  };
  app.post("/auth/redeem-invite-code", redeemInvite);
  app.post("/auth/redeem-grant", redeemInvite);
}

async function redeem(
  deps: HubDeps,
  body: { readonly invite_code: string; readonly script_id: string; readonly client_secret: string },
): Promise<Grant> {
  const check = await checkScriptSecret(deps, body.script_id, body.client_secret);
  if (check.outcome === "wrong") throw new HubError("UNAUTHORIZED", "The script_id or client_secret is wrong");
  if (check.outcome === "expired") throw new HubError("UNAUTHORIZED", "The client_secret has expired");
  const { scriptId } = check.credential;
  await assertActive(deps, scriptId);
  const outcome = await deps.store.codes.redeemInviteCode(
    hashSecret(body.invite_code),
    deps.clock.now(),
    scriptId,
    uuidV4(deps.random),
  );
  switch (outcome.outcome) {
    case "redeemed":
      return outcome.grant;
    case "spent":
      throw new HubError("CONFLICT", "The invite code was redeemed already");
    case "expired":
      throw new HubError("INVALID", "The invite code has expired");
    case "unknown":
      throw new HubError("NOT_FOUND", "The invite code is unknown");
  }
}
