/** Generation A's pair of tokens: an access token and a single-use refresh token that starts a chain. */
import type { HubDeps } from "../deps.ts";
import { uuidV4 } from "../ids.ts";
import type { Credential, NewRefreshToken } from "../store/port.ts";
import { isoTime } from "../time.ts";
import { hashSecret, newSecret } from "./secrets.ts";

export interface TokenPair {
  readonly access_token: string;
  readonly refresh_token: string;
  /** ISO-8601. */
  readonly expires_at: string;
}

/** Starts a chain: what a client secret buys. */
export async function startSession(deps: HubDeps, credential: Credential): Promise<TokenPair> {
  const refresh = newRefreshToken(deps);
  await deps.store.credentials.startRefreshFamily(credential.id, uuidV4(deps.random), refresh.stored);
  return pair(deps, credential, refresh.token);
}

/** A refresh token and what is stored of it. */
export function newRefreshToken(deps: HubDeps): { readonly token: string; readonly stored: NewRefreshToken } {
  const token = newSecret(deps.random, "art_");
  const now = deps.clock.now();
  return {
    token,
    stored: { hash: hashSecret(token), createdAt: now, expiresAt: now + deps.config.ttls.refreshTokenMs },
  };
}

/** An access token for a credential, together with a refresh token that is already stored. */
export async function pair(deps: HubDeps, credential: Credential, refreshToken: string): Promise<TokenPair> {
  const access = await deps.tokens.issue({
    scriptId: credential.scriptId,
    credentialId: credential.id,
    generation: "a",
    grants: await deps.store.scripts.grants(credential.scriptId),
    ttlMs: deps.config.ttls.accessTokenAMs,
  });
  return { access_token: access.token, refresh_token: refreshToken, expires_at: isoTime(access.expiresAt) };
}
