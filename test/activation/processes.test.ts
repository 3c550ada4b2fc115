import { once } from "node:events";
import { readFile, rename } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { activate } from "../../src/activation/activate.ts";
import { redeemOverHttp } from "../../src/activation/redeem.ts";
import { namesIn, temporaryAccount } from "../credentials/support.ts";
import { go, startGateway } from "./gateways.ts";
import { dropBootstrap, optionsFor, ScriptedService, SECRET, STAMP } from "./support.ts";

/** An activation endpoint that counts; it answers like the vendor's: the first call wins, later ones are refused. */
async function countingServer(answers: boolean) {
  const state = { calls: 0 };
  const server: Server = createServer((request, response) => {
    request.resume();
    state.calls++;
    if (!answers) return;
    const first = state.calls === 1;
    const body = first
      ? { script_id: "scr_1", client_secret: SECRET, grants: [] }
      : { error: { code: "NOT_FOUND", message: "unknown or consumed" } };
    // Long enough for every other process to come by while the first call is under way.
    setTimeout(() => {
      response.writeHead(first ? 200 : 404, { "content-type": "application/json" }).end(JSON.stringify(body));
    }, 300);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { state, baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

describe("a gateway killed in mid-call", () => {
  it(
    "leaves the file in flight; nobody sends the code again by itself; a refusal later tells why",
    { timeout: 60_000 },
    async () => {
      const paths = await temporaryAccount();
      await dropBootstrap(paths);
      const silent = await countingServer(false);
      const gateway = await startGateway(paths, silent.baseUrl);
      go(gateway);
      while (silent.state.calls === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      gateway.child.kill("SIGKILL");
      await once(gateway.child, "exit");
      const left = await namesIn(paths.dir);
      expect(left.filter((name) => !name.endsWith(".tmp"))).toEqual([
        "BOOTSTRAP.md.attempt.json",
        "BOOTSTRAP.md.inflight",
      ]);

      const restarted = optionsFor(paths, new ScriptedService());
      expect(await activate(restarted)).toMatchObject({ kind: "disabled", outcome: "no-file" });
      expect(restarted.log.lines.at(-1)).toContain(`mv ${paths.inflight} ${paths.bootstrap}`);

      await rename(paths.inflight, paths.bootstrap);
      const { state, baseUrl } = await countingServer(true);
      state.calls = 1;
      const byHand = { ...optionsFor(paths, new ScriptedService()), redeem: redeemOverHttp(baseUrl), baseUrl };
      expect(await activate(byHand)).toMatchObject({ kind: "disabled", outcome: "permanent-failure" });
      expect(byHand.log.lines.at(-1)).toContain("possibly already consumed");
      const sidecar = await readFile(`${paths.bootstrap}.failed-${STAMP}.json`, "utf8");
      expect(sidecar).toContain("possibly already consumed");
    },
  );
});

describe("the call over HTTP", () => {
  it("tells a connection that was never made from an answer that was lost", async () => {
    const server = createServer((request) => request.socket.destroy());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const call = redeemOverHttp(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const signal = new AbortController().signal;
    await expect(call("/auth/activate", "{}", signal)).rejects.toMatchObject({ kind: "unknown", retryable: true });
    server.close();
    await once(server, "close");
    await expect(call("/auth/activate", "{}", signal)).rejects.toMatchObject({ kind: "local", retryable: true });
  });

  it("refuses plain http to another machine before anything is sent", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths);
    const options = { ...optionsFor(paths, new ScriptedService()), redeem: redeemOverHttp("http://example.org") };
    await expect(activate(options)).rejects.toMatchObject({ code: "insecure_url", retryable: false });
    expect(await namesIn(paths.dir)).toEqual(["BOOTSTRAP.md"]);
  });
});
