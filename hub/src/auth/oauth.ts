/** POST /oauth/token (B2): form-encoded, one handler per grant type. */
import type { HubDeps } from "../deps.ts";
import { HubError } from "../errors.ts";
import { readForm } from "../http/body.ts";
import type { HubApp, HubContext } from "../http/context.ts";
import { enforce } from "../http/rate-limits.ts";
import { limitedAttempt } from "./attempts.ts";
import { assertActive, checkClientSecret } from "./client-secret.ts";
import { deviceCodeGrant, refreshTokenGrant } from "./device/grants.ts";
import type { OAuthForm } from "./oauth-form.ts";
import { field } from "./oauth-form.ts";

/** Answers one grant type with the token document. */
type OAuthGrant = (deps: HubDeps, form: OAuthForm) => Promise<object>;

/** By `grant_type`. */
const OAUTH_GRANTS: ReadonlyMap<string, OAuthGrant> = new Map([
  ["client_credentials", clientCredentials],
  ["device_code", deviceCodeGrant],
  // The name RFC 8628 gives the same grant; the vendor's clients use the bare word.
  ["urn:ietf:params:oauth:grant-type:device_code", deviceCodeGrant],
  ["refresh_token", refreshTokenGrant],
]);

export function registerOAuthTokenRoute(app: HubApp, deps: HubDeps): void {
  app.post("/oauth/token", async (c) => {
    const form = withBasicCredentials(c, await readForm(c));
    const grantType = field(form, "grant_type");
    const grant = OAUTH_GRANTS.get(grantType);
    if (grant === undefined) throw new HubError("UNSUPPORTED_GRANT_TYPE", "This grant_type is not supported");
    const document = await limitedAttempt(c, deps, () => grant(deps, form));
    c.header("Cache-Control", "no-store");
    return c.json(document);
  });
}

async function clientCredentials(deps: HubDeps, form: OAuthForm): Promise<object> {
  const check = await checkClientSecret(deps, field(form, "client_id"), field(form, "client_secret"));
  if (check.outcome === "expired") throw new HubError("INVALID_CLIENT", "The client_secret has expired");
  if (check.outcome === "wrong") throw new HubError("INVALID_CLIENT", "The client_id or client_secret is wrong");
  const { credential } = check;
  await assertActive(deps, credential.scriptId);
  enforce(deps.limits.token, credential.scriptId, "token requests");
  const access = await deps.tokens.issue({
    scriptId: credential.scriptId,
    credentialId: credential.id,
    generation: "b",
    grants: await deps.store.scripts.grants(credential.scriptId),
    ttlMs: deps.config.ttls.accessTokenBMs,
  });
  return {
    access_token: access.token,
    token_type: "Bearer",
    expires_in: Math.max(1, Math.floor((access.expiresAt - deps.clock.now()) / 1000)),
    scope: access.scope.join(" "),
  };
}

/** RFC 6749 section 2.3.1: a client may put its id and secret in the Authorization header instead of the form. */
function withBasicCredentials(c: HubContext, form: OAuthForm): OAuthForm {
  const header = c.env.incoming.headers.authorization;
  const encoded = /^basic ([A-Za-z0-9+/=]+)$/i.exec(header ?? "")?.[1];
  if (encoded === undefined) return form;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 1) throw new HubError("INVALID_CLIENT", "The Authorization header is malformed");
  return {
    ...form,
    client_id: formDecoded(text.slice(0, colon)),
    client_secret: formDecoded(text.slice(colon + 1)),
  };
}

function formDecoded(text: string): string {
  return new URLSearchParams(`v=${text.replaceAll("&", "%26")}`).get("v") ?? "";
}
