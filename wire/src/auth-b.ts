/** Owns generation B's activation and OAuth endpoints, B1 to B5 of the wire spec, but for the topology document. */
import { z } from "zod";

const nonEmpty = z.string().min(1);
const clientId = z.string().min(1).max(256);
const secret = z.string().min(1).max(1024);

/** Lifetime clients assume when `expires_in` is missing, in seconds. */
export const DEFAULT_ACCESS_TOKEN_B_S = 600;

/** POST /auth/redeem-activation-code (B1). */
export const redeemActivationRequestBSchema = z.object({ code: z.string().min(1).max(256) });
export type RedeemActivationRequestB = z.infer<typeof redeemActivationRequestBSchema>;

export const redeemActivationResponseBSchema = z.looseObject({
  client_id: nonEmpty,
  client_secret: nonEmpty,
  script_id: z.string().nullish(),
  issued_at: z.union([z.string(), z.number()]).nullish(),
});
export type RedeemActivationResponseB = z.infer<typeof redeemActivationResponseBSchema>;

/** POST /oauth/token (B2), form-encoded. `device_code` is the bare word here, not the RFC 8628 URN. */
export const oauthTokenRequestSchema = z.discriminatedUnion("grant_type", [
  z.object({ grant_type: z.literal("client_credentials"), client_id: clientId, client_secret: secret }),
  z.object({ grant_type: z.literal("device_code"), client_id: clientId, device_code: secret }),
  z.object({ grant_type: z.literal("refresh_token"), client_id: clientId, refresh_token: secret }),
]);
export type OAuthTokenRequest = z.infer<typeof oauthTokenRequestSchema>;

export const oauthTokenResponseSchema = z.looseObject({
  access_token: nonEmpty,
  token_type: z.string().nullish(),
  /** Seconds. */
  expires_in: z.coerce.number().positive().nullish().catch(undefined),
  scope: z.union([z.string(), z.array(z.string())]).nullish(),
  /** Device and topology flows only. */
  refresh_token: z.string().nullish(),
  id_token: z.string().nullish(),
});
export type OAuthTokenResponse = z.infer<typeof oauthTokenResponseSchema>;

/** Error codes of the token endpoint (RFC 6749 section 5.2, RFC 8628 section 3.5). */
export const oauthErrorCodeSchema = z.enum([
  "invalid_request",
  "invalid_client",
  "invalid_grant",
  "invalid_scope",
  "unauthorized_client",
  "unsupported_grant_type",
  "authorization_pending",
  "slow_down",
  "access_denied",
  "expired_token",
]);
export type OAuthErrorCode = z.infer<typeof oauthErrorCodeSchema>;

/** POST /oauth/register (B3, RFC 7591). */
export const registerClientRequestSchema = z.object({
  client_name: z.string().min(1).max(200),
  token_endpoint_auth_method: z.literal("none"),
});
export type RegisterClientRequest = z.infer<typeof registerClientRequestSchema>;

export const registerClientResponseSchema = z.looseObject({ client_id: nonEmpty });
export type RegisterClientResponse = z.infer<typeof registerClientResponseSchema>;

/** Words allowed in the space-separated `scope` of B4. */
export const deviceScopeWordSchema = z.enum(["topic.read", "topic.write", "openid", "email", "profile"]);
export type DeviceScopeWord = z.infer<typeof deviceScopeWordSchema>;

/** POST /oauth/device/authorize (B4), form-encoded. */
export const deviceAuthorizeRequestSchema = z.object({ client_id: clientId, scope: z.string().min(1).max(200) });
export type DeviceAuthorizeRequest = z.infer<typeof deviceAuthorizeRequestSchema>;

/** Answer of B4 and B5 (RFC 8628 section 3.2). */
export const deviceAuthorizeResponseSchema = z.looseObject({
  device_code: nonEmpty,
  user_code: nonEmpty,
  verification_uri: nonEmpty,
  verification_uri_complete: z.string().nullish(),
  /** Seconds. */
  expires_in: z.number().positive(),
  /** Seconds between polls. */
  interval: z.number().positive().nullish(),
});
export type DeviceAuthorizeResponse = z.infer<typeof deviceAuthorizeResponseSchema>;
