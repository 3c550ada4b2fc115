/**
 * Redeeming activation codes: A1 and B1. One store of codes serves both endpoints, whichever prefix a code has; the
 * endpoint decides what the caller gets. A code is spent by the same step that stores what it buys.
 */
import { activateRequestASchema, redeemActivationRequestBSchema } from "agentrux-wire";
import type { HubDeps } from "../deps.ts";
import { HubError } from "../errors.ts";
import { readJson } from "../http/body.ts";
import type { HubApp } from "../http/context.ts";
import { uuidV4 } from "../ids.ts";
import type { Generation, Grant, NewCredential } from "../store/port.ts";
import { isoTime } from "../time.ts";
import { limitedAttempt } from "./attempts.ts";
import { hashSecret, newSecret } from "./secrets.ts";

export function registerActivationRoutes(app: HubApp, deps: HubDeps): void {
  app.post("/auth/activate", async (c) => {
    const { activation_code } = await readJson(c, activateRequestASchema);
    const redeemed = await limitedAttempt(c, deps, () => redeem(deps, activation_code, "a"));
    c.header("Cache-Control", "no-store");
    return c.json({
      script_id: redeemed.scriptId,
      client_secret: redeemed.secret,
      grants: redeemed.grants.map(({ id, topicId, action }) => ({ grant_id: id, topic_id: topicId, action })),
    });
  });

  app.post("/auth/redeem-activation-code", async (c) => {
    const { code } = await readJson(c, redeemActivationRequestBSchema);
    const redeemed = await limitedAttempt(c, deps, () => redeem(deps, code, "b"));
    c.header("Cache-Control", "no-store");
    return c.json({
      client_id: redeemed.credential.id,
      client_secret: redeemed.secret,
      script_id: redeemed.scriptId,
      issued_at: isoTime(redeemed.credential.createdAt),
    });
  });
}

interface Redeemed {
  readonly scriptId: string;
  readonly grants: readonly Grant[];
  readonly credential: NewCredential;
  readonly secret: string;
}

async function redeem(deps: HubDeps, code: string, generation: Generation): Promise<Redeemed> {
  const now = deps.clock.now();
  const secret = newSecret(deps.random, "aks_");
  const credential: NewCredential = {
    id: `crd_${uuidV4(deps.random)}`,
    generation,
    secretHash: hashSecret(secret),
    createdAt: now,
    expiresAt: now + deps.config.ttls.clientSecretMs,
  };
  const outcome = await deps.store.codes.redeemActivationCode(hashSecret(code), now, credential);
  switch (outcome.outcome) {
    case "redeemed":
      return { scriptId: outcome.scriptId, grants: outcome.grants, credential, secret };
    case "expired":
      throw new HubError("INVALID", "Token has expired");
    case "unknown":
      throw new HubError("NOT_FOUND", "The activation code is unknown or already used");
  }
}
