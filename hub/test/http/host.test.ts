/** Names under which a hub is called: a page whose own name leads to this machine must not pass for one of the hub's. */
import { connect } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import type { HubOptions } from "../../src/server.ts";
import { testHub } from "../support/hub.ts";
import { event } from "../world/support/world.ts";

type Ask = (host: string | undefined, path: string, request?: { method?: string; body?: string }) => Promise<string>;

/** A hub with the entity `lab/e`, and requests to it under any name, of which the status is told. */
async function named(options: Partial<HubOptions> = {}): Promise<Ask> {
  const hub = await testHub(options);
  const ask: Ask = (host, path, { method = "GET", body = "" } = {}) =>
    new Promise((resolve, reject) => {
      const socket = connect(Number(new URL(hub.url).port), "127.0.0.1");
      onTestFinished(() => void socket.destroy());
      socket.once("data", (data: Buffer) => resolve(data.toString().split(" ")[1] ?? ""));
      socket.once("error", reject);
      const version = host === undefined ? "HTTP/1.0" : "HTTP/1.1";
      const name = host === undefined ? "" : `Host: ${host}\r\n`;
      socket.write(`${method} ${path} ${version}\r\n${name}Content-Length: ${body.length}\r\n\r\n${body}`);
    });
  const body = JSON.stringify(event("lab/e", { n: 1 }));
  const token = { headers: { Authorization: `Bearer ${hub.adminToken}` } };
  await fetch(`${hub.url}/api/namespaces`, { method: "POST", body: '{"name":"lab"}', ...token });
  await fetch(`${hub.url}/api/events`, { method: "POST", body, ...token });
  return ask;
}

const ENTITY = "/api/state/entities/lab%2Fe";

describe("a hub without auth", () => {
  it("answers nothing of the world, and no figures, to a page whose name leads to it", async () => {
    const ask = await named();
    const paths = [
      ENTITY,
      `${ENTITY}?meta=true`,
      "/api/state/entities",
      "/api/events?entity=lab/e",
      "/api/admin/config",
    ];
    for (const path of paths) {
      expect([path, await ask("evil.example:8787", path)]).toEqual([path, "403"]);
      expect([path, await ask("localhost:8787", path)]).toEqual([path, "200"]);
      // The name that was right before makes no other one right.
      expect([path, await ask("evil.example:8787", path)]).toEqual([path, "403"]);
    }
    const body = JSON.stringify(event("lab/e", { n: 2 }));
    expect(await ask("evil.example", "/api/events", { method: "POST", body })).toBe("403");
    expect(await ask("localhost", "/metrics")).toBe("200");
    expect(await ask("evil.example", "/metrics")).toBe("401");
  });

  it.each([
    "127.0.0.1",
    "127.0.0.1:8787",
    "192.168.7.9:8787",
    "[::1]",
    "[::1]:8787",
    "[FE80::1]:8787",
    "localhost",
    "LocalHost:8787",
    "localhost.:8787",
    "hub.localhost",
    "hub.example",
    "HUB.example.:443",
    undefined,
  ])("may be called %s", async (host) => {
    const ask = await named({ publicUrl: "https://Hub.example/" });
    expect(await ask(host, ENTITY)).toBe("200");
  });

  it.each([
    "evil.example",
    "evil.hub.example",
    "localhost.evil.example",
    "notlocalhost",
    "127.0.0.1.evil.example",
    "evil.example:127.0.0.1",
    "[evil.example]",
    "::1",
    "localhost..",
    "",
  ])("may not be called %j", async (host) => {
    const ask = await named({ publicUrl: "https://hub.example" });
    expect(await ask(host, ENTITY)).toMatch(/^40[03]$/);
  });
});

describe("a hub that pages may call", () => {
  it.each([{ auth: true }, { allowAnyOrigin: true }])("(%j) may be called anything", async (flux) => {
    const ask = await named({ flux });
    expect(await ask("hub.example", ENTITY)).toBe("200");
    expect(await ask("hub.example", "/api/state/entities")).toBe("200");
    // Its figures are for this machine's own all the same.
    expect(await ask("hub.example", "/metrics")).toBe("401");
  });
});
