/** Which world-state server an account has, and when nobody need offer its tools. */

import { describe, expect, it } from "vitest";
import { fluxServerOf, mayHaveWorld } from "../../src/account/world.ts";
import { resolveAccountConfig } from "../../src/config/resolve.ts";
import type { StoredCredentials } from "../../src/credentials/schema.ts";

const PUBLIC = "https://api.agentrux.com";
const HUB = "https://hub.example";
const account = (keys: object) => resolveAccountConfig({ channels: { agentrux: keys } }, "default");
const credentials = (baseUrl: string): StoredCredentials => ({
  generation: "a",
  baseUrl,
  clientId: "c",
  clientSecret: "s",
});

describe("the world-state server of an account", () => {
  it.each([
    [{ flux: { url: "https://flux.example" }, baseUrl: HUB }, credentials(HUB), "https://flux.example"],
    [{ baseUrl: HUB }, credentials(PUBLIC), HUB],
    [{}, credentials(HUB), HUB],
  ])("with %j is the configured one, else the account's own hub", (keys, stored, url) => {
    expect(fluxServerOf(account(keys), stored).url).toBe(url);
  });

  it.each([
    [{}, undefined],
    [{}, credentials(PUBLIC)],
    [{ baseUrl: PUBLIC }, credentials(HUB)],
  ])("with %j is none on the public service, which has no world state", (keys, stored) => {
    expect(() => fluxServerOf(account(keys), stored)).toThrow(/flux\.url/);
  });

  it("is none while a token is a reference that nobody has resolved", () => {
    const token = { source: "env", provider: "default", id: "T" };
    expect(() => fluxServerOf(account({ flux: { url: HUB, token } }), undefined)).toThrow(/flux\.token/);
  });
});

describe("the tools of the world state", () => {
  it.each([
    ["a server is configured", { flux: { url: HUB }, baseUrl: PUBLIC }, undefined, true],
    ["the running account has one", {}, { world: {} }, true],
    ["the running account has none", { baseUrl: HUB }, { world: undefined }, false],
    ["the account's service is a hub", { baseUrl: HUB }, undefined, true],
    ["the account's service is the public one", { baseUrl: PUBLIC }, undefined, false],
    ["only the credentials could tell", {}, undefined, true],
  ])("are weighed where %s", (_where, keys, running, offered) => {
    expect(mayHaveWorld(account(keys), running)).toBe(offered);
  });
});
