import { describe, expect, test } from "vitest";
import { readClaims } from "../../src/service/jwt.ts";
import { accessLifetimeMs, DEFAULT_LIFETIME_MS, MAX_LIFETIME_MS } from "../../src/service/lifetime.ts";
import { jwt } from "./peer.ts";

const serverTimeMs = Date.parse("2026-06-01T00:00:00Z");
const opaque = { accessToken: "opaque" };

describe("the lifetime of an access token", () => {
  test.each([
    ["expires_in", { ...opaque, expiresIn: 600 }, 600_000],
    ["expires_in before all else", { accessToken: jwt({ iat: 0, exp: 60 }), expiresIn: 30, expiresAt: 5 }, 30_000],
    ["exp - iat", { accessToken: jwt({ iat: 1_000, exp: 4_600 }) }, 3_600_000],
    ["exp - iat behind aat_", { accessToken: `aat_${jwt({ iat: 1_000, exp: 4_600 })}` }, 3_600_000],
    ["exp by the server's clock", { accessToken: jwt({ exp: serverTimeMs / 1000 + 90 }), serverTimeMs }, 90_000],
    ["expires_at as ISO", { ...opaque, expiresAt: "2026-06-01T01:00:00Z", serverTimeMs }, 3_600_000],
    ["expires_at with an offset", { ...opaque, expiresAt: "2026-06-01T09:30:00+09:00", serverTimeMs }, 1_800_000],
    ["expires_at without a zone, meant as UTC", { ...opaque, expiresAt: "2026-06-01T00:10:00", serverTimeMs }, 600_000],
    ["expires_at in seconds", { ...opaque, expiresAt: serverTimeMs / 1000 + 60, serverTimeMs }, 60_000],
    ["expires_at in milliseconds", { ...opaque, expiresAt: serverTimeMs + 60_000, serverTimeMs }, 60_000],
    [
      "expires_at against iat",
      { accessToken: jwt({ iat: serverTimeMs / 1000 }), expiresAt: serverTimeMs + 5_000 },
      5_000,
    ],
  ])("by %s", (_name, hints, expected) => {
    expect(accessLifetimeMs(hints)).toBe(expected);
  });

  test.each([
    ["nothing", opaque],
    ["an expires_at and no clock of the server", { ...opaque, expiresAt: "2026-06-01T01:00:00Z" }],
    ["an unparsable date", { ...opaque, expiresAt: "tomorrow", serverTimeMs }],
    ["a date gone by", { ...opaque, expiresAt: "2026-05-01T00:00:00Z", serverTimeMs }],
    ["zero", { ...opaque, expiresIn: 0 }],
    ["a negative number", { ...opaque, expiresIn: -5 }],
    ["not a number", { ...opaque, expiresIn: Number.NaN }],
    ["exp before iat", { accessToken: jwt({ iat: 10, exp: 5 }) }],
    ["claims of the wrong type", { accessToken: jwt({ iat: "1", exp: "2" }) }],
  ])("falls back on a short one for %s", (_name, hints) => {
    expect(accessLifetimeMs(hints)).toBe(DEFAULT_LIFETIME_MS);
  });

  test("never believes in more than a day", () => {
    expect(accessLifetimeMs({ ...opaque, expiresIn: 1e12 })).toBe(MAX_LIFETIME_MS);
  });
});

describe("claims", () => {
  test.each([
    "",
    "a",
    "a.b",
    "a.b.c",
    "..",
    `x.${Buffer.from("null").toString("base64url")}.y`,
    `x.${Buffer.from('"s"').toString("base64url")}.y`,
  ])("%j has none", (token) => {
    expect(readClaims(token)).toEqual({ topics: [] });
  });

  test.each([
    ["a list", ["topic:u1:read", "topic:u1:write", "topic:u2:read"]],
    ["one string", "topic:u1:read+write topic:u2:read openid"],
  ])("scope as %s", (_name, scope) => {
    expect(readClaims(jwt({ scope })).topics).toEqual([
      { topicId: "u1", actions: ["read", "write"] },
      { topicId: "u2", actions: ["read"] },
    ]);
  });
});
