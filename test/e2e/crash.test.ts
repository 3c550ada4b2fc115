/**
 * The plugin in a real OpenClaw gateway that is stopped, reloaded and made to wait, and killed at each row of the table in
 * SDK spec 17.2. After a crash the host resumes turns by itself and answers through its outbound adapter; whichever side
 * answers, each command has exactly one terminal reply. One gateway serves the whole file; the first tests stop it
 * cleanly, which lets Node keep what it has compiled, and makes the many starts after that shorter.
 */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { CHANNEL_ID, PLUGIN_ID } from "../../scripts/lib/host-config.ts";
import { setConfig, tryOpenClaw } from "../../scripts/lib/openclaw.ts";
import { IN_THE_HOST } from "../crash/support/aims.ts";
import { CrashScene } from "../support/crash-scene.ts";
import { eventually, showLogOfFailed, type TestGateway } from "../support/gateway.ts";

const HOLD_JOURNAL = fileURLToPath(new URL("../journal/fixtures/hold.ts", import.meta.url));

vi.setConfig({ testTimeout: 600_000, hookTimeout: 480_000 });

let scene: CrashScene;
let gateway: TestGateway;

showLogOfFailed(() => gateway);

beforeAll(async () => {
  scene = await CrashScene.create({ maxAttempts: 20, maxConcurrency: 8, startFrom: "earliest" });
  gateway = scene.gateway;
});

afterAll(() => scene?.close());

/** Asks for something that keeps the model thinking until it is released, and waits until it thinks. */
async function hold(name: string): Promise<void> {
  await scene.ask(`HOLD:${name}`, "windows");
  await scene.untilModelSees(`HOLD:${name}`);
}

/** One run and one reply for what was under way, one reply for everything else. */
async function answeredInOneRun(name: string): Promise<void> {
  await scene.allAnswered();
  expect(await scene.verdict()).toEqual([]);
  expect(scene.timesAtModel(`HOLD:${name}`)).toBe(1);
}

async function untilStatus(wanted: { readonly lifecycle: string; readonly lastError: RegExp }): Promise<void> {
  await eventually(`the status ${wanted.lifecycle}`, async () => {
    const seen = await scene.status();
    return seen.lifecycle === wanted.lifecycle && wanted.lastError.test(seen.lastError);
  });
}

const READY = { lifecycle: "ready", lastError: /^$/ };

describe("stopped, reloaded or made to wait, with a turn under way", () => {
  it("a changed setting: the turn ends first, then the account starts anew", async () => {
    await hold("reload");
    await setConfig(gateway.home, [{ path: `channels.${CHANNEL_ID}.pollIntervalMs`, value: 30_000 }]);
    await scene.ask("while the reload waits", "windows too");
    gateway.model.release("reload");
    await eventually("the account starts anew", () => scene.starts() > 1);
    await scene.ask("after the reload", "windows");
    await answeredInOneRun("reload");
    expect(scene.starts()).toBe(2);
  });

  it("channels.stop and channels.start, as the health monitor does: no overlap", async () => {
    await hold("restart");
    const before = scene.starts();
    expect(await scene.call("channels.stop")).toMatchObject({ stopped: false });
    await scene.ask("while it restarts", "windows too");
    // The turn that is running owns the account until it ends.
    expect(await scene.call("channels.start")).toMatchObject({ outcome: { status: "retry" } });
    expect(scene.starts()).toBe(before);
    gateway.model.release("restart");
    await eventually("the account is started", async () => {
      const { outcome } = await scene.call("channels.start");
      return outcome?.status === "handed-off";
    });
    await eventually("the account starts anew", () => scene.starts() > before);
    await scene.ask("after the restart", "windows");
    await answeredInOneRun("restart");
  });

  it("a plugin reload: refused while the turn runs, and harmless afterwards", async () => {
    const reload = () => tryOpenClaw(gateway.home, ["plugins", "reload", PLUGIN_ID]);
    await hold("plugin");
    const refused = await reload();
    expect(refused.code).not.toBe(0);
    expect(`${refused.stdout}${refused.stderr}`).toMatch(/active retained work/);
    gateway.model.release("plugin");
    await answeredInOneRun("plugin");
    const before = scene.starts();
    expect(await reload()).toMatchObject({ code: 0 });
    await eventually("the account starts anew", () => scene.starts() > before);
    await scene.ask("after the plugin's reload", "windows");
    await answeredInOneRun("plugin");
  });

  it("an outage of the service: recovering, not restarted, and the answer waits", async () => {
    await hold("outage");
    const before = scene.starts();
    await scene.killHub();
    await untilStatus({ lifecycle: "recovering", lastError: /./ });
    expect(await gateway.readiness()).toEqual({ ready: true, failing: [] });
    gateway.model.release("outage");
    await scene.startHub();
    await scene.ask("after the outage", "windows");
    await answeredInOneRun("outage");
    await untilStatus(READY);
    expect(scene.starts()).toBe(before);
  });

  it("SIGTERM: the turn ends and is answered; what comes while the host drains waits on disk", async () => {
    await hold("draining");
    const stopped = gateway.stop();
    await eventually("the host drains", async () => {
      const seen = await gateway.readiness();
      return seen?.failing.includes("gateway-draining");
    });
    await scene.ask("while draining", "windows");
    await scene.ask("while draining, elsewhere", "windows too");
    await sleep(1_000);
    gateway.model.release("draining");
    await stopped;
    expect(scene.timesAtModel("while draining, elsewhere")).toBe(0);
  });

  it("started while another process owns the journal: stands by, says so, and takes over", async () => {
    const owner = await ownJournal();
    await scene.crash.start();
    await untilStatus({
      lifecycle: "recovering",
      lastError: new RegExp(`standby: another gateway \\(pid ${owner.pid}\\)`),
    });
    expect(await gateway.readiness()).toEqual({ ready: true, failing: [] });
    expect(scene.timesAtModel("while draining")).toBe(0);
    owner.kill("SIGKILL");
    await answeredInOneRun("draining");
    expect([scene.timesAtModel("while draining"), scene.timesAtModel("while draining, elsewhere")]).toEqual([1, 1]);
    await untilStatus(READY);
  });
});

/** A process that owns the journal, as another gateway would. */
async function ownJournal(): Promise<ChildProcess> {
  const owner = fork(HOLD_JOURNAL, [gateway.home.agentruxDir], { execArgv: [], silent: true });
  if (owner.stdout !== null) await once(owner.stdout, "data");
  return owner;
}

/** One kill after another, each with what the one before it left behind still being put right. */
describe("killed with a turn under way", () => {
  const AS_ORDERED = { asOrdered: true, code: 137 };

  it.each(IN_THE_HOST)("$row ($place)", async ({ row, place }) => {
    scene.crash.dieAt(place);
    await scene.ask(`row: ${row}`, row);
    await scene.ask(`after row: ${row}`, row);
    expect(await scene.crash.died()).toEqual(AS_ORDERED);
    await scene.crash.start();
  });

  it("while the model is thinking, and again when the host answers by itself", async () => {
    for (const name of ["thinking", "pondering"]) {
      await scene.ask(`HOLD:${name}`, name);
      await scene.ask(`after the ${name}`, name);
      await scene.untilModelSees(`HOLD:${name}`);
    }
    await gateway.kill();
    // The host resumes them one after the other: the first answer is cut off before it is written, the second after.
    for (const place of ["journal.committing reply", "journal.committed reply"]) {
      scene.crash.dieAt(place);
      await scene.crash.start();
      for (const name of ["thinking", "pondering"]) gateway.model.release(name);
      expect(await scene.crash.died()).toEqual(AS_ORDERED);
    }
    await scene.crash.start();
  });

  it("has given every command one terminal reply", async () => {
    await scene.allAnswered();
    expect(await scene.verdict()).toEqual([]);
  });
});
