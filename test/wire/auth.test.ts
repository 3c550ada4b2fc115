import { describe, expect, it } from "vitest";
import {
  activateResponseASchema,
  activationTtlSeconds,
  deviceAuthorizeResponseSchema,
  expiresAtMs,
  issueActivationCodeRequestSchema,
  oauthTokenRequestSchema,
  oauthTokenResponseSchema,
  redeemActivationResponseBSchema,
  tokenResponseASchema,
} from "agentrux-wire";

describe("what a client reads", () => {
  it("keeps unknown keys and does without optional ones", () => {
    const parsed = activateResponseASchema.parse({ script_id: "scr_1", client_secret: "s", region: "eu" });
    expect(parsed).toEqual({ script_id: "scr_1", client_secret: "s", region: "eu" });
    expect(tokenResponseASchema.parse({ access_token: "t" }).refresh_token).toBeUndefined();
    expect(
      redeemActivationResponseBSchema.parse({ client_id: "crd_1", client_secret: "aks_1" }).script_id,
    ).toBeUndefined();
  });

  it("does not take an answer without the essentials", () => {
    expect(activateResponseASchema.safeParse({ script_id: "scr_1" }).success).toBe(false);
    expect(activateResponseASchema.safeParse({ script_id: "", client_secret: "s" }).success).toBe(false);
    expect(oauthTokenResponseSchema.safeParse({ token_type: "Bearer" }).success).toBe(false);
    expect(deviceAuthorizeResponseSchema.safeParse({ device_code: "d" }).success).toBe(false);
  });

  it("reads expires_in as a number, a numeric string, or not at all", () => {
    const expiresIn = (value: unknown) =>
      oauthTokenResponseSchema.parse({ access_token: "t", expires_in: value }).expires_in;
    expect(expiresIn(600)).toBe(600);
    expect(expiresIn("600")).toBe(600);
    for (const value of [undefined, "soon", -5, Number.NaN]) expect(expiresIn(value)).toBeUndefined();
  });
});

describe("expiresAtMs", () => {
  const instant = Date.UTC(2026, 5, 23, 12, 0, 0);

  it("reads ISO with Z, with an offset, and without (as UTC)", () => {
    expect(expiresAtMs("2026-06-23T12:00:00Z")).toBe(instant);
    expect(expiresAtMs("2026-06-23T14:00:00+02:00")).toBe(instant);
    expect(expiresAtMs("2026-06-23T12:00:00")).toBe(instant);
    expect(expiresAtMs("2026-06-23T12:00:00.000")).toBe(instant);
  });

  it("tells seconds from milliseconds by magnitude", () => {
    expect(expiresAtMs(instant)).toBe(instant);
    expect(expiresAtMs(instant / 1000)).toBe(instant);
  });

  it("gives nothing for anything else", () => {
    for (const value of ["soon", "", null, undefined, Number.NaN, Infinity]) expect(expiresAtMs(value)).toBeUndefined();
  });
});

describe("what a server accepts", () => {
  it("knows the three grant types by their bare words", () => {
    const parse = (body: unknown) => oauthTokenRequestSchema.safeParse(body).success;
    expect(parse({ grant_type: "client_credentials", client_id: "crd_1", client_secret: "aks_1" })).toBe(true);
    expect(parse({ grant_type: "device_code", client_id: "dcr_1", device_code: "d" })).toBe(true);
    expect(parse({ grant_type: "refresh_token", client_id: "dcr_1", refresh_token: "art_1" })).toBe(true);
    expect(
      parse({ grant_type: "urn:ietf:params:oauth:grant-type:device_code", client_id: "d", device_code: "d" }),
    ).toBe(false);
    expect(parse({ grant_type: "client_credentials", client_id: "crd_1" })).toBe(false);
  });

  it("takes an activation lifetime in three ways, but one at a time and only the three lengths", () => {
    const seconds = (body: unknown) => activationTtlSeconds(issueActivationCodeRequestSchema.parse(body));
    expect(seconds({})).toBe(3600);
    expect(seconds({ ttl_hours: 6 })).toBe(21_600);
    expect(seconds({ ttl_seconds: 86_400 })).toBe(86_400);
    expect(seconds({ ttl: "24h" })).toBe(86_400);
    for (const body of [
      { ttl_hours: 2 },
      { ttl: "1d" },
      { ttl_seconds: 60 },
      { ttl: "1h", ttl_hours: 1 },
      { generation: "c" },
    ]) {
      expect(issueActivationCodeRequestSchema.safeParse(body).success).toBe(false);
    }
  });
});
