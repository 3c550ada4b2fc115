import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rename } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { describe, expect, it, onTestFinished } from "vitest";
import { activate } from "../../src/activation/activate.ts";
import { redeemOverHttp } from "../../src/activation/redeem.ts";
import type { AccountPaths } from "../../src/credentials/home.ts";
import { namesIn, temporaryAccount } from "../credentials/support.ts";
import { dropBootstrap, optionsFor, ScriptedService, SECRET, STAMP } from "./support.ts";

const CHILD = new URL("fixtures/activate-child.ts", import.meta.url).pathname;

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

interface Gateway {
  readonly child: ChildProcess;
  readonly line: () => Promise<Record<string, unknown>>;
}

async function startGateway(paths: AccountPaths, baseUrl: string): Promise<Gateway> {
  const child = spawn(process.execPath, [CHILD, paths.base, baseUrl], { stdio: ["pipe", "pipe", "inherit"] });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => JSON.parse(String((await lines.next()).value)) as Record<string, unknown>;
  expect(await line()).toEqual({ ready: true });
  return { child, line };
}

function go(gateway: Gateway): void {
  gateway.child.stdin?.write("go\n");
}

describe("several gateways on one file", () => {
  it("twenty processes make exactly one activation call", { timeout: 60_000 }, async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths);
    const { state, baseUrl } = await countingServer(true);
    const gateways = await Promise.all(Array.from({ length: 20 }, () => startGateway(paths, baseUrl)));
    for (const gateway of gateways) go(gateway);
    const ends = await Promise.all(gateways.map((gateway) => gateway.line()));
    expect(state.calls).toBe(1);
    expect(ends.filter((end) => end["outcome"] === "ok")).toEqual([{ kind: "ready", outcome: "ok" }]);
    expect(ends.filter((end) => end["outcome"] === "no-file")).toHaveLength(19);
    expect(await namesIn(paths.dir)).toEqual(["credentials.json"]);
    expect(await readFile(paths.credentials, "utf8")).toContain(SECRET);
  });
});

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
