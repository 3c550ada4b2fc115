/**
 * Generation A's token endpoints: A2, A3, A4 and A6.
 *
 * A refresh token is spent by its first use. A second use is refused; when it comes a while after the first, the whole
 * chain is revoked, because then two parties hold the token (RFC 9700 section 4.14.2). Right after the first use it is
 * only refused: that is two processes of one client racing, and revoking would log the winner out.
 */
import { refreshRequestASchema, tokenRequestASchema } from "agentrux-wire";
import type { HubDeps } from "../deps.ts";
import { HubError } from "../errors.ts";
import { readJson } from "../http/body.ts";
import type { HubApp } from "../http/context.ts";
import { enforce } from "../http/rate-limits.ts";
import type { Credential } from "../store/port.ts";
import { isoTime } from "../time.ts";
import { authenticate } from "./access.ts";
import { limitedAttempt } from "./attempts.ts";
import type { SecretCheck } from "./client-secret.ts";
import { assertActive, checkScriptSecret } from "./client-secret.ts";
import { hashSecret, newSecret } from "./secrets.ts";
import type { TokenPair } from "./sessions.ts";
import { newRefreshToken, pair, startSession } from "./sessions.ts";

const REUSE_GRACE_MS = 60_000;

export function registerTokenRoutesA(app: HubApp, deps: HubDeps): void {
  app.post("/auth/token", async (c) => {
    const { script_id, client_secret } = await readJson(c, tokenRequestASchema);
    const tokens = await limitedAttempt(c, deps, async () => {
      const credential = validOnly(await checkScriptSecret(deps, script_id, client_secret));
      await assertActive(deps, credential.scriptId);
      enforce(deps.limits.token, credential.scriptId, "token requests");
      return startSession(deps, credential);
    });
    c.header("Cache-Control", "no-store");
    return c.json(tokens);
  });

  app.post("/auth/refresh", async (c) => {
    const { refresh_token } = await readJson(c, refreshRequestASchema);
    const tokens = await limitedAttempt(c, deps, () => refresh(deps, refresh_token));
    c.header("Cache-Control", "no-store");
    return c.json(tokens);
  });

  app.post("/auth/rotate-key", async (c) => {
    const { script_id, client_secret } = await readJson(c, tokenRequestASchema);
    const rotated = await limitedAttempt(c, deps, () => rotateKey(deps, script_id, client_secret));
    c.header("Cache-Control", "no-store");
    return c.json(rotated);
  });

  app.get("/auth/me", async (c) => {
    const { scriptId, credentialId, claims, access } = await authenticate(c, deps);
    const grants = await deps.store.scripts.grants(scriptId);
    return c.json({
      script_id: scriptId,
      client_id: credentialId,
      name: access.script.name,
      grants: grants.map(({ id, topicId, action }) => ({ grant_id: id, topic_id: topicId, action })),
      expires_at: isoTime(claims.expiresAt),
    });
  });
}

function validOnly(check: SecretCheck): Credential {
  switch (check.outcome) {
    case "valid":
      return check.credential;
    case "expired":
      throw new HubError("UNAUTHORIZED", "The client_secret has expired; rotate it or activate again");
    case "wrong":
      throw new HubError("UNAUTHORIZED", "The script_id or client_secret is wrong");
  }
}

async function refresh(deps: HubDeps, refreshToken: string): Promise<TokenPair> {
  const hash = hashSecret(refreshToken);
  const holder = await deps.store.credentials.byRefreshToken(hash);
  if (holder === undefined) throw deadRefreshToken();
  await assertActive(deps, holder.scriptId);
  if (holder.expiresAt <= deps.clock.now()) throw new HubError("UNAUTHORIZED", "The client_secret has expired");
  enforce(deps.limits.refresh, holder.scriptId, "refreshes");
  const now = deps.clock.now();
  const next = newRefreshToken(deps);
  const outcome = await deps.store.credentials.rotateRefreshToken(hash, now, next.stored);
  if (outcome.outcome === "rotated") return pair(deps, outcome.credential, next.token);
  if (outcome.outcome === "reused" && now - outcome.usedAt > REUSE_GRACE_MS) {
    await deps.store.credentials.revokeRefreshFamily(outcome.familyId);
    deps.log.warn({ scriptId: holder.scriptId }, "a spent refresh token came back; its chain is revoked");
  }
  throw deadRefreshToken();
}

function deadRefreshToken(): HubError {
  return new HubError("UNAUTHORIZED", "The refresh token is unknown, expired or already used");
}

/** Works with an expired secret, so that a client that was off for long can help itself. */
async function rotateKey(
  deps: HubDeps,
  scriptId: string,
  secret: string,
): Promise<TokenPair & { readonly client_secret: string }> {
  const check = await checkScriptSecret(deps, scriptId, secret);
  const credential = check.outcome === "expired" ? check.credential : validOnly(check);
  await assertActive(deps, credential.scriptId);
  enforce(deps.limits.token, credential.scriptId, "token requests");
  const next = newSecret(deps.random, "aks_");
  const expiresAt = deps.clock.now() + deps.config.ttls.clientSecretMs;
  const replaced = await deps.store.credentials.replaceSecret(
    credential.id,
    credential.secretHash,
    hashSecret(next),
    expiresAt,
  );
  if (!replaced) throw new HubError("UNAUTHORIZED", "The client_secret was rotated by another call");
  return { client_secret: next, ...(await startSession(deps, credential)) };
}
