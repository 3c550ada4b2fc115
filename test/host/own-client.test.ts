/** The world-state client of a run without its account: which server, kept for how long, and what is said where there is none. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AccountConfig } from "../../src/config/account.ts";
import { resolveAccountConfig } from "../../src/config/resolve.ts";
import { type AccountPaths, accountPaths } from "../../src/credentials/home.ts";
import { ensurePrivateDirectories } from "../../src/credentials/private-files.ts";
import { formatCredentials } from "../../src/credentials/schema.ts";
import { ownWorld, releaseOwnClients } from "../../src/host/own-client.ts";
import { failure } from "../service/peer.ts";

let dir: string;
let paths: AccountPaths;
beforeEach(async () => {
  dir = mkdtempSync(path.join(tmpdir(), "agentrux-own-"));
  paths = accountPaths("default", path.join(dir, ".agentrux"));
  await ensurePrivateDirectories([paths.dir]);
});
afterEach(async () => {
  await releaseOwnClients(paths);
  rmSync(dir, { recursive: true, force: true });
});

function account(keys: object): AccountConfig {
  return resolveAccountConfig({ channels: { agentrux: { agentId: "main", ...keys } } }, "default");
}

function connectedTo(baseUrl: string): void {
  const credentials = {
    generation: "a",
    baseUrl,
    clientId: "scr_1",
    clientSecret: "aks_x",
    scriptId: "scr_1",
  } as const;
  writeFileSync(paths.credentials, formatCredentials(credentials), { mode: 0o600 });
}

describe("the world of a run without its account", () => {
  it("is the configured server's, also where nobody is connected", async () => {
    const world = await ownWorld(account({ flux: { url: "http://127.0.0.1:9/", token: "t" } }), paths);
    expect(world.server).toEqual({ url: "http://127.0.0.1:9", token: "t" });
  });

  it("is otherwise the account's own hub's, by configuration or credentials", async () => {
    expect((await ownWorld(account({ baseUrl: "http://127.0.0.1:8" }), paths)).server.url).toBe("http://127.0.0.1:8");
    connectedTo("http://127.0.0.1:7");
    expect((await ownWorld(account({}), paths)).server.url).toBe("http://127.0.0.1:7");
  });

  it("is kept between calls, made anew for other settings, and ended when the run ends", async () => {
    const config = account({ flux: { url: "http://127.0.0.1:9" } });
    const first = await ownWorld(config, paths);
    expect(await ownWorld(config, paths)).toBe(first);
    const other = await ownWorld(account({ flux: { url: "http://127.0.0.1:9", token: "new" } }), paths);
    expect(other).not.toBe(first);
    const signal = AbortSignal.timeout(10_000);
    expect(await failure(first.entity("a", signal))).toMatchObject({ code: "stopped" });
    await releaseOwnClients(paths);
    expect(await failure(other.entity("a", signal))).toMatchObject({ code: "stopped" });
    expect(await ownWorld(config, paths)).not.toBe(other);
  });

  it.each([
    ["the public service has none", {}, "https://api.agentrux.com", "config", /channels\.agentrux\.flux\.url/],
    ["nobody said where", {}, undefined, "config", /channels\.agentrux\.flux\.url/],
    ["plain http to another machine", { flux: { url: "http://flux.example" } }, undefined, "insecure_url", /https/],
    [
      "a token that only a gateway can read",
      { flux: { url: "http://127.0.0.1:9", token: { source: "env", provider: "default", id: "X" } } },
      undefined,
      "config",
      /flux\.token is a secret reference/,
    ],
  ])("fails where %s", async (_what, keys, baseUrl, code, message) => {
    if (baseUrl !== undefined) connectedTo(baseUrl);
    const error = await failure(ownWorld(account(keys), paths));
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
  });
});
