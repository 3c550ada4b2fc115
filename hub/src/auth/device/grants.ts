/**
 * Owns what an approved client gets at the token endpoint: the `device_code` grant, once, and then the `refresh_token`
 * grant, over and over.
 *
 * A refresh token is spent by its use, and one that comes back a while later ends its chain, as in generation A. The
 * two kinds never mix: these are hashed with a word of their own, so that `/auth/refresh` does not know them, which
 * would leave out the client's limits.
 */
import type { HubDeps } from "../../deps.ts";
import { HubError } from "../../errors.ts";
import { enforce } from "../../http/rate-limits.ts";
import { uuidV4 } from "../../ids.ts";
import type { ApprovedClient, PollOutcome } from "../../store/device-port.ts";
import type { NewRefreshToken } from "../../store/port.ts";
import { assertActive } from "../client-secret.ts";
import type { OAuthForm } from "../oauth-form.ts";
import { field } from "../oauth-form.ts";
import { hashSecret, newSecret } from "../secrets.ts";

const SLOW_DOWN_S = 5;
const MAX_INTERVAL_S = 60;
const REUSE_GRACE_MS = 60_000;
/** A client that is off for longer than this needs a new approval. */
const REFRESH_TOKEN_LIFE_MS = 30 * 24 * 3_600_000;

/** @throws HubError AUTHORIZATION_PENDING, SLOW_DOWN, ACCESS_DENIED, EXPIRED_TOKEN, INVALID_GRANT, INVALID_CLIENT */
export async function deviceCodeGrant(deps: HubDeps, form: OAuthForm): Promise<object> {
  const clientId = await registeredClient(deps, form);
  const deviceHash = hashSecret(field(form, "device_code"));
  const now = deps.clock.now();
  const outcome = await deps.store.devices.poll(deviceHash, clientId, now, SLOW_DOWN_S, MAX_INTERVAL_S);
  if (outcome.outcome !== "approved") throw notApproved(outcome.outcome);
  const { client, grantedJson } = outcome;
  await assertStillActive(deps, client);
  const refresh = newRefreshToken(deps);
  await deps.store.credentials.startRefreshFamily(client.credential.id, uuidV4(deps.random), refresh.stored);
  const granted: unknown = grantedJson === null ? undefined : JSON.parse(grantedJson);
  return {
    ...(await tokens(deps, client, refresh.token)),
    ...(granted === undefined ? {} : { authorization_details: granted }),
  };
}

/** @throws HubError INVALID_GRANT, INVALID_CLIENT, RATE_LIMITED */
export async function refreshTokenGrant(deps: HubDeps, form: OAuthForm): Promise<object> {
  const clientId = await registeredClient(deps, form);
  const hash = refreshHash(field(form, "refresh_token"));
  const holder = await deps.store.credentials.byRefreshToken(hash);
  const client = holder === undefined ? undefined : await deps.store.devices.approvedClient(holder.id);
  if (client === undefined || client.clientId !== clientId) throw deadRefreshToken();
  await assertStillActive(deps, client);
  enforce(deps.limits.refresh, client.credential.scriptId, "refreshes");
  const now = deps.clock.now();
  const next = newRefreshToken(deps);
  const outcome = await deps.store.credentials.rotateRefreshToken(hash, now, next.stored);
  if (outcome.outcome === "rotated") return tokens(deps, client, next.token);
  if (outcome.outcome === "reused" && now - outcome.usedAt > REUSE_GRACE_MS) {
    await deps.store.credentials.revokeRefreshFamily(outcome.familyId);
    deps.log.warn({ clientId }, "a spent refresh token came back; its chain is revoked");
  }
  throw deadRefreshToken();
}

async function registeredClient(deps: HubDeps, form: OAuthForm): Promise<string> {
  const clientId = field(form, "client_id");
  if ((await deps.store.devices.client(clientId)) !== undefined) return clientId;
  throw new HubError("INVALID_CLIENT", "The client_id is not registered");
}

function notApproved(outcome: Exclude<PollOutcome["outcome"], "approved">): HubError {
  switch (outcome) {
    case "pending":
      return new HubError("AUTHORIZATION_PENDING", "The operator has not decided yet");
    case "slow_down":
      return new HubError("SLOW_DOWN", `Wait ${SLOW_DOWN_S} seconds longer between polls`);
    case "denied":
      return new HubError("ACCESS_DENIED", "The operator has refused");
    case "expired":
      return new HubError("EXPIRED_TOKEN", "The device_code has expired");
    case "unknown":
      return new HubError("INVALID_GRANT", "The device_code is unknown or already used");
  }
}

/** What was approved may have been taken back since. */
async function assertStillActive(deps: HubDeps, { credential }: ApprovedClient): Promise<void> {
  try {
    await assertActive(deps, credential.scriptId);
  } catch (cause) {
    throw new HubError("INVALID_GRANT", "The script is disabled or gone", { cause });
  }
  if (credential.expiresAt <= deps.clock.now()) throw new HubError("INVALID_GRANT", "The approval has expired");
}

async function tokens(deps: HubDeps, client: ApprovedClient, refreshToken: string): Promise<object> {
  const { scriptId, id: credentialId } = client.credential;
  const grants = await deps.store.scripts.grants(scriptId);
  const access = await deps.tokens.issue({
    scriptId,
    credentialId,
    generation: "b",
    grants: grants.filter((grant) => client.actions.includes(grant.action)),
    ttlMs: deps.config.ttls.accessTokenBMs,
  });
  return {
    access_token: access.token,
    token_type: "Bearer",
    expires_in: Math.max(1, Math.floor((access.expiresAt - deps.clock.now()) / 1000)),
    refresh_token: refreshToken,
    scope: client.actions.map((action) => `topic.${action}`).join(" "),
  };
}

function newRefreshToken(deps: HubDeps): { readonly token: string; readonly stored: NewRefreshToken } {
  const token = newSecret(deps.random, "art_");
  const createdAt = deps.clock.now();
  return { token, stored: { hash: refreshHash(token), createdAt, expiresAt: createdAt + REFRESH_TOKEN_LIFE_MS } };
}

function refreshHash(token: string): string {
  return hashSecret(`device ${token}`);
}

function deadRefreshToken(): HubError {
  return new HubError("INVALID_GRANT", "The refresh token is unknown, expired or already used");
}
