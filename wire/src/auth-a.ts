/** Owns generation A's authentication endpoints, A1 to A6 of the wire spec. */
import { z } from "zod";

const secret = z.string().min(1).max(1024);
const nonEmpty = z.string().min(1);

/** POST /auth/activate (A1). */
export const activateRequestASchema = z.object({ activation_code: z.string().min(1).max(256) });
export type ActivateRequestA = z.infer<typeof activateRequestASchema>;

/** One grant as activation lists it. `action` may also be `read+write`. */
export const grantASchema = z.looseObject({
  grant_id: z.string().optional(),
  topic_id: z.string(),
  action: z.string(),
});
export type GrantA = z.infer<typeof grantASchema>;

export const activateResponseASchema = z.looseObject({
  script_id: nonEmpty,
  client_secret: nonEmpty,
  grants: z.array(grantASchema).nullish(),
});
export type ActivateResponseA = z.infer<typeof activateResponseASchema>;

/** POST /auth/token (A2) and POST /auth/rotate-key (A4). */
export const tokenRequestASchema = z.object({ script_id: z.string().min(1).max(256), client_secret: secret });
export type TokenRequestA = z.infer<typeof tokenRequestASchema>;

/** `expires_at` is ISO-8601 as a rule; read it with {@link expiresAtMs}. */
export const tokenResponseASchema = z.looseObject({
  access_token: nonEmpty,
  refresh_token: z.string().nullish(),
  expires_at: z.union([z.string(), z.number()]).nullish(),
});
export type TokenResponseA = z.infer<typeof tokenResponseASchema>;

/** POST /auth/refresh (A3): answers like A2 with a new, single-use refresh token. */
export const refreshRequestASchema = z.object({ refresh_token: secret });
export type RefreshRequestA = z.infer<typeof refreshRequestASchema>;

export const rotateKeyResponseASchema = tokenResponseASchema.extend({ client_secret: nonEmpty });
export type RotateKeyResponseA = z.infer<typeof rotateKeyResponseASchema>;

/** POST /auth/redeem-invite-code (A5), also /auth/redeem-grant. */
export const redeemInviteRequestASchema = z.object({
  invite_code: z.string().min(1).max(256),
  script_id: z.string().min(1).max(256),
  client_secret: secret,
});
export type RedeemInviteRequestA = z.infer<typeof redeemInviteRequestASchema>;

export const redeemInviteResponseASchema = z.looseObject({
  topic_id: nonEmpty,
  action: z.string(),
  grant_id: z.string().nullish(),
});
export type RedeemInviteResponseA = z.infer<typeof redeemInviteResponseASchema>;

/** GET /auth/me (A6). No client depends on the shape. */
export const meResponseASchema = z.looseObject({ script_id: z.string(), name: z.string().nullish() });
export type MeResponseA = z.infer<typeof meResponseASchema>;

/** A number above this is epoch milliseconds, otherwise seconds (wire spec section 8, question 5). */
const EPOCH_SECONDS_MAX = 1e11;

/** The instant an `expires_at` names, in epoch milliseconds; `undefined` when it names none. */
export function expiresAtMs(expiresAt: string | number | null | undefined): number | undefined {
  if (typeof expiresAt === "number") {
    return Number.isFinite(expiresAt) ? (expiresAt > EPOCH_SECONDS_MAX ? expiresAt : expiresAt * 1000) : undefined;
  }
  if (typeof expiresAt !== "string") return undefined;
  // An ISO time without offset is meant as UTC; Date.parse would read it as local time.
  const text = /T[\d:.]+$/.test(expiresAt) ? `${expiresAt}Z` : expiresAt;
  const parsed = Date.parse(text);
  return Number.isNaN(parsed) ? undefined : parsed;
}
