/** The ritual against the real hub, in both generations. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { createScript, issueActivationCode } from "../../hub/src/admin/operations.ts";
import { startHub } from "../../hub/src/server.ts";
import { activate } from "../../src/activation/activate.ts";
import { redeemOverHttp } from "../../src/activation/redeem.ts";
import type { AccountPaths } from "../../src/credentials/home.ts";
import { createServiceClient } from "../../src/service/client.ts";
import type { Generation } from "../../src/service/types.ts";
import { namesIn, temporaryAccount } from "../credentials/support.ts";
import { goAll, startGateway } from "./gateways.ts";
import { dropBootstrap, NOW, RememberingLog, STAMP } from "./support.ts";

async function world(generation: Generation) {
  const paths = await temporaryAccount();
  let ahead = 0;
  const clock = { now: () => Date.now() + ahead };
  const hub = await startHub({ dataDir: join(paths.base, "..", "hub"), port: 0, logLevel: "silent", clock });
  onTestFinished(() => hub.close());
  const script = await createScript(hub.deps, { name: "agent" });
  const { code } = await issueActivationCode(hub.deps, { script: script.id, generation });
  const run = async (account: AccountPaths = paths) => {
    const log = new RememberingLog();
    const options = { redeem: redeemOverHttp(hub.url), now: () => NOW, signal: new AbortController().signal, log };
    return { activation: await activate({ paths: account, baseUrl: hub.url, ...options }), log };
  };
  return {
    paths,
    hub,
    code,
    run,
    age: (ms: number) => {
      ahead += ms;
    },
  };
}

describe.each(["a", "b"] as const)("a code of generation %s", (generation) => {
  it("becomes credentials that work", async () => {
    const { paths, code, run } = await world(generation);
    await dropBootstrap(paths, `# from the console\n\n${code}\n`);
    const { activation } = await run();
    if (activation.kind !== "ready") throw new Error(activation.reason);
    expect(activation.credentials.generation).toBe(generation);
    const client = createServiceClient(activation.credentials);
    onTestFinished(() => client.close());
    await expect(client.probe(new AbortController().signal)).resolves.toBeUndefined();
    expect(await namesIn(paths.dir)).toEqual(["credentials.json"]);
    expect((await run()).activation).toEqual({ ...activation, outcome: "no-file" });
  });

  it("that was used before is refused for good, and blotted out", async () => {
    const { paths, code, run } = await world(generation);
    const other = await temporaryAccount();
    await dropBootstrap(other, code);
    await run(other);
    await dropBootstrap(paths, code);
    const { activation, log } = await run();
    expect(activation).toMatchObject({ kind: "disabled", outcome: "permanent-failure" });
    expect(log.lines[0]).toMatch(/^error \[agentrux\] BOOTSTRAP\.md activation rejected \(HTTP 404 NOT_FOUND\): /);
    expect(await readFile(`${paths.bootstrap}.failed-${STAMP}`, "utf8")).not.toContain(code);
    expect(await readFile(`${paths.bootstrap}.failed-${STAMP}.json`, "utf8")).not.toContain(code);
  });

  it("that has expired is refused for good", async () => {
    const { paths, code, run, age } = await world(generation);
    await dropBootstrap(paths, code);
    age(2 * 3_600_000);
    const { log } = await run();
    expect(log.lines[0]).toMatch(/^error \[agentrux\] BOOTSTRAP\.md activation rejected \(HTTP 4\d\d [A-Z_]+\): /);
    expect(await namesIn(paths.dir)).toEqual([`BOOTSTRAP.md.failed-${STAMP}`, `BOOTSTRAP.md.failed-${STAMP}.json`]);
  });

  it("survives a hub that is down", async () => {
    const { paths, code, run, hub } = await world(generation);
    await dropBootstrap(paths, code);
    await hub.close();
    await expect(run()).rejects.toMatchObject({ code: "network", kind: "local", retryable: true });
    expect(await namesIn(paths.dir)).toEqual(["BOOTSTRAP.md"]);
    expect(await readFile(paths.bootstrap, "utf8")).toBe(code);
  });
});

describe("twenty gateways and the hub", () => {
  it("activate once", { timeout: 60_000 }, async () => {
    const { paths, code, hub } = await world("a");
    await dropBootstrap(paths, code);
    const gateways = await Promise.all(Array.from({ length: 20 }, () => startGateway(paths, hub.url)));
    const ends = await goAll(gateways);
    expect(ends.filter((end) => end["outcome"] === "ok")).toHaveLength(1);
    expect(ends.filter((end) => end["outcome"] === "no-file")).toHaveLength(19);
    const metrics = await (await fetch(`${hub.url}/metrics`)).text();
    const calls = metrics.split("\n").filter((line) => /^agentrux_hub_requests_total\{.*activate/.test(line));
    expect(calls).toEqual(['agentrux_hub_requests_total{method="POST",route="/auth/activate",status="200"} 1']);
    expect(await namesIn(paths.dir)).toEqual(["credentials.json"]);
  });
});
