/**
 * The vendor's plugin replaced by ours in a real gateway, then a second account beside the first: set up by the host's
 * own command, reloaded with turns under way, broken, and removed. One gateway; the order of the tests is part of them.
 */

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, inject, it, vi } from "vitest";
import { stopAllChildren } from "../../scripts/lib/children.ts";
import { activate } from "../../scripts/lib/client.ts";
import { CHANNEL_ID, gatewaySettings, PLUGIN_ID, pluginSettings } from "../../scripts/lib/host-config.ts";
import type { Hub } from "../../scripts/lib/hub.ts";
import { type ScriptedModel, startScriptedModel } from "../../scripts/lib/model.ts";
import {
  Gateway,
  installPlugin,
  openClaw,
  type OpenClawHome,
  openClawHome,
  setConfig,
} from "../../scripts/lib/openclaw.ts";
import { freeGatewayPort } from "../../scripts/lib/ports.ts";
import { eventually, showLogOfFailed } from "../support/gateway.ts";
import { startTestHub } from "../support/hub.ts";
import { TestTopics } from "../support/topics.ts";

/** A gateway takes its time on a busy machine. */
vi.setConfig({ testTimeout: 240_000, hookTimeout: 480_000 });

/** It looks at everything there is; on a busy machine that takes minutes. */
const DOCTOR_MS = 220_000;

const VENDOR_CONFIG = { pollIntervalMs: 500, maxConcurrency: 100, activationCode: "ac_spent", ingressMode: "webhook" };

let dir: string;
let hub: Hub;
let first: TestTopics;
let second: TestTopics;
let home: OpenClawHome;
let model: ScriptedModel;
let gateway: Gateway;

showLogOfFailed(() => gateway);

beforeAll(async () => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "agentrux-accounts-"));
  hub = await startTestHub(dir);
  [first, second] = await Promise.all([TestTopics.create(hub, "first"), TestTopics.create(hub, "second")]);
  model = await startScriptedModel();
  const stateDir = path.join(dir, "openclaw");
  home = openClawHome({ stateDir, port: await freeGatewayPort(), gatewayToken: "test-token-".repeat(4) });
});

afterAll(async () => {
  await gateway?.kill();
  await model?.close();
  await stopAllChildren();
  fs.rmSync(dir, { recursive: true, force: true });
});

function configFile(): {
  channels?: Record<string, unknown>;
  plugins: { entries: Record<string, { config?: object }> };
} {
  return JSON.parse(fs.readFileSync(path.join(home.stateDir, "openclaw.json"), "utf8")) as ReturnType<
    typeof configFile
  >;
}

async function accounts(): Promise<Record<string, Record<string, unknown>>> {
  const json = JSON.parse(await openClaw(home, ["channels", "status", "--probe", "--json"])) as {
    channelAccounts: Record<string, Record<string, unknown>[]>;
  };
  return Object.fromEntries((json.channelAccounts[CHANNEL_ID] ?? []).map((one) => [String(one["accountId"]), one]));
}

/** What the gateway has logged since this was called. */
function logFromNow(): () => string {
  const start = gateway.log().length;
  return () => gateway.log().slice(start);
}

/** A plugin with the vendor's ids and keys; it does nothing. */
function vendorPlugin(): string {
  const folder = path.join(dir, "vendor");
  fs.mkdirSync(folder);
  const write = (name: string, text: string) => fs.writeFileSync(path.join(folder, name), text);
  write(
    "package.json",
    JSON.stringify({
      name: "@agentrux/agentrux-openclaw-plugin",
      version: "0.15.0",
      type: "module",
      openclaw: {
        extensions: ["./index.js"],
        setupEntry: "./setup.js",
        channel: { id: CHANNEL_ID, label: "AgenTrux" },
      },
    }),
  );
  const names = ["commandTopicId", "resultTopicId", "agentId", "baseUrl", ...Object.keys(VENDOR_CONFIG)];
  const properties = Object.fromEntries(names.map((name) => [name, {}]));
  const configSchema = { type: "object", additionalProperties: false, properties };
  write("openclaw.plugin.json", JSON.stringify({ id: PLUGIN_ID, channels: [CHANNEL_ID], configSchema }));
  write("setup.js", `export default { plugin: { id: "${CHANNEL_ID}", meta: {} } };\n`);
  write("index.js", `export default { id: "${PLUGIN_ID}", name: "AgenTrux", register() {} };\n`);
  return folder;
}

it("replaces the vendor's plugin under the same id, and keeps its configuration", async () => {
  await installPlugin(home, vendorPlugin());
  const { commandTopicId, resultTopicId } = first;
  const topics = { commandTopicId, resultTopicId, agentId: "main", baseUrl: hub.url };
  await setConfig(home, [
    ...gatewaySettings(home, { kind: "scripted", baseUrl: model.baseUrl }),
    { path: "agents.entries", value: { main: { default: true }, helper: {} } },
    ...pluginSettings({ ...topics, ...VENDOR_CONFIG }),
  ]);

  await installPlugin(home, inject("tarball"));
  const listed = JSON.parse(await openClaw(home, ["plugins", "list", "--json"])) as {
    plugins: { id: string; version: string; status: string }[];
  };
  expect(listed.plugins.filter(({ id }) => id === PLUGIN_ID)).toEqual([
    expect.objectContaining({ version: "0.1.0", status: "loaded" }),
  ]);
  expect(configFile().plugins.entries[PLUGIN_ID]?.config).toEqual({ ...topics, ...VENDOR_CONFIG });
});

it("lets its keys be edited again once the host's doctor has finished the upgrade", async () => {
  const [setting] = pluginSettings({ subagentTimeoutMs: 200_000 });
  if (setting === undefined) throw new Error("there is one");
  await expect(setConfig(home, [setting])).rejects.toThrow("upgrade is unfinished");
  await openClaw(home, ["doctor", "--fix", "--non-interactive", "--yes"], DOCTOR_MS);
  expect(await openClaw(home, ["update", "status"])).not.toContain("unfinished");
  await setConfig(home, [setting]);
  expect(configFile().plugins.entries[PLUGIN_ID]?.config).toMatchObject({
    ...VENDOR_CONFIG,
    subagentTimeoutMs: 200_000,
  });
});

it("goes on where the vendor's plugin stopped: nothing runs twice, nothing is left out", async () => {
  const done = await first.publish("done by the old plugin");
  const { scriptId, clientSecret, baseUrl } = await activate(hub.url, await hub.issueCode(first.agentScriptId));
  const oldFiles = {
    "credentials.json": { base_url: baseUrl, script_id: scriptId, clientSecret },
    "waterline.json": { [first.commandTopicId]: 1 },
  };
  fs.mkdirSync(home.agentruxDir, { mode: 0o755 });
  for (const [name, content] of Object.entries(oldFiles)) {
    fs.writeFileSync(path.join(home.agentruxDir, name), JSON.stringify(content));
  }
  const waiting = await first.publish("ping");

  gateway = Gateway.start(home);
  await gateway.ready({ exceptChannel: CHANNEL_ID });
  expect(await first.reply(waiting)).toMatchObject({ status: "completed", message: "pong" });
  expect(await first.replyCounts([done, waiting])).toEqual([0, 1]);
  const log = gateway.log();
  expect(log).toContain("activationCode is a key of an earlier plugin");
  expect(log).toMatch(/pollIntervalMs is 500; 1000 is used/);
  expect(log).not.toContain("ac_spent");
});

it("takes a second account from `channels add`, with its own topic, folder and agent, without a restart", async () => {
  const code = path.join(dir, "code.txt");
  fs.writeFileSync(code, `${await hub.issueCode(second.agentScriptId)}\n`, { mode: 0o600 });
  const keys = ["--command-topic-id", second.commandTopicId, "--result-topic-id", second.resultTopicId];
  const how = ["--agent-id", "helper", "--base-url", hub.url, "--activation-code-file", code];
  const account = ["--channel", CHANNEL_ID, "--account", "night", "--name", "Night shift"];
  const told = await openClaw(home, ["channels", "add", ...account, ...keys, ...how]);
  expect(told).toContain("BOOTSTRAP.md");
  expect(configFile().channels?.[CHANNEL_ID]).toEqual({
    accounts: {
      night: {
        name: "Night shift",
        commandTopicId: second.commandTopicId,
        resultTopicId: second.resultTopicId,
        agentId: "helper",
        baseUrl: hub.url,
        enabled: true,
      },
    },
  });
  const folder = path.join(home.agentruxDir, "accounts", "night");
  await eventually("the second account has a read position", () => fs.existsSync(path.join(folder, "waterline.json")));
  expect(fs.readdirSync(folder)).not.toContain("BOOTSTRAP.md");

  const [one, two] = await Promise.all([first.ask("Reply with exactly: day"), second.ask("Reply with exactly: night")]);
  expect([one.message, two.message]).toEqual(["day", "night"]);
  expect(fs.existsSync(path.join(home.stateDir, "agents", "helper"))).toBe(true);
  const status = await accounts();
  expect(Object.keys(status).toSorted()).toEqual(["default", "night"]);
  expect(status["night"]).toMatchObject({ name: "Night shift", running: true, connected: true, probe: { ok: true } });
});

it("refuses a set-up that cannot work before it writes anything", async () => {
  const before = fs.readFileSync(path.join(home.stateDir, "openclaw.json"), "utf8");
  const add = (...args: string[]) =>
    openClaw(home, ["channels", "add", "--channel", CHANNEL_ID, ...args]).then(
      () => "accepted",
      (error: unknown) => String(error),
    );
  const topics = ["--command-topic-id", second.commandTopicId, "--result-topic-id", second.resultTopicId];
  expect(await add("--account", "x", ...topics, "--agent-id", "nobody")).toContain('unknown agent "nobody"');
  expect(await add("--account", "../../etc", ...topics, "--agent-id", "main")).not.toBe("accepted");
  expect(fs.readFileSync(path.join(home.stateDir, "openclaw.json"), "utf8")).toBe(before);
});

it("applies a limit and a policy with a turn under way, and restarts nothing", async () => {
  const logged = logFromNow();
  const held = await first.publish({ message: "HOLD:limits", conversationKey: "held" });
  await eventually("the turn is under way", () => model.requests.some(({ text }) => text.includes("HOLD:limits")));
  await setConfig(home, [
    { path: `channels.${CHANNEL_ID}.maxConcurrency`, value: 7 },
    { path: `channels.${CHANNEL_ID}.accounts.night.execPolicy.enabled`, value: true },
    ...pluginSettings({ subagentTimeoutMs: 100_000 }),
  ]);
  await eventually("the host has seen the change", () => /config change (applied|detected)/i.test(logged()));
  expect(await second.ask("ping")).toMatchObject({ message: "pong" });
  model.release("limits");
  expect(await first.reply(held)).toMatchObject({ status: "completed" });
  expect(logged()).not.toMatch(/requires channel reload|Gateway stopped|replacing plugin/);
  expect(await first.replyCounts([held])).toEqual([1]);
});

it("restarts one account for a key that needs it, after its turn, and leaves the other alone", async () => {
  const logged = logFromNow();
  const held = await second.publish({ message: "HOLD:restart", conversationKey: "held" });
  await eventually("the turn is under way", () => model.requests.some(({ text }) => text.includes("HOLD:restart")));
  await setConfig(home, [{ path: `channels.${CHANNEL_ID}.accounts.night.pollIntervalMs`, value: 2_000 }]);
  const queued = await second.publish({ message: "ping", conversationKey: "held" });
  model.release("restart");
  expect(await second.reply(held)).toMatchObject({ status: "completed" });
  expect(await second.reply(queued)).toMatchObject({ message: "pong" });
  await eventually("the account was restarted", () => logged().includes("Gateway stopped"));
  expect(await second.ask("ping")).toMatchObject({ message: "pong" });
  expect(logged()).not.toContain(`Gateway starting: topic=${first.commandTopicId}`);
  expect(await second.replyCounts([held, queued])).toEqual([1, 1]);
});

it("keeps one account working while the other is at fault, and says which one is", async () => {
  await setConfig(home, [{ path: `channels.${CHANNEL_ID}.accounts.night.agentId`, value: "nobody" }]);
  const status = await eventually("the fault is shown", async () => {
    const { night } = await accounts();
    return String(night?.["lastError"]).includes("nobody") && (await accounts());
  });
  expect(status["night"]).toMatchObject({ running: false, lifecycle: "blocked" });
  expect(status["default"]).toMatchObject({ running: true, connected: true });
  expect(await first.ask("ping")).toMatchObject({ message: "pong" });
  const later = await second.publish("ping");
  await setConfig(home, [{ path: `channels.${CHANNEL_ID}.accounts.night.agentId`, value: "helper" }]);
  expect(await second.reply(later)).toMatchObject({ message: "pong" });
});

it("removes an account by the host's command: its keys go, its folder and the other account stay", async () => {
  await openClaw(home, ["channels", "remove", "--channel", CHANNEL_ID, "--account", "night", "--delete"]);
  expect(JSON.stringify(configFile().channels)).not.toContain("night");
  expect(fs.existsSync(path.join(home.agentruxDir, "accounts", "night", "credentials.json"))).toBe(true);
  expect(await first.ask("ping")).toMatchObject({ message: "pong" });
  expect(Object.keys(await accounts())).toEqual(["default"]);
});
