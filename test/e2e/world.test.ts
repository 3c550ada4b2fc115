/**
 * The world state in a real gateway: a token that is a reference, at each place where it can stand, and the agents'
 * presence under it. The hub asks for tokens. One gateway; the order of the tests is part of them.
 */

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { stopAllChildren } from "../../scripts/lib/children.ts";
import { CHANNEL_ID, PLUGIN_ID } from "../../scripts/lib/host-config.ts";
import { Hub } from "../../scripts/lib/hub.ts";
import { openClaw, setConfig } from "../../scripts/lib/openclaw.ts";
import { createFluxClient, type FluxClient } from "../../src/flux/client.ts";
import { eventually, showLogOfFailed, TestGateway } from "../support/gateway.ts";
import { Secrets } from "../support/secrets.ts";
import { TestTopics } from "../support/topics.ts";

/** A gateway takes its time on a busy machine. */
vi.setConfig({ testTimeout: 480_000, hookTimeout: 480_000 });

const MARKER = "MARKER-what-was-asked";
const NOWHERE = { source: "env", provider: "default", id: "NO_SECRET" };
const TOKEN_PATH = `channels.${CHANNEL_ID}.flux.token`;

let dir: string;
let hub: Hub;
let topics: TestTopics;
let world: FluxClient;
let gateway: TestGateway;
const secrets = new Secrets();
const shown: string[] = [];

showLogOfFailed(() => gateway);

beforeAll(async () => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "agentrux-world-"));
  const dataDir = path.join(dir, "hub");
  hub = await Hub.start({ dataDir, port: 0, logFile: path.join(dir, "hub.log"), extraArgs: ["--flux-auth"] });
  const adminToken = fs.readFileSync(path.join(dataDir, "admin-token"), "utf8").trim();
  world = createFluxClient({ url: hub.url, adminToken });
  const { token } = await world.createNamespace("lab", false, AbortSignal.timeout(10_000));
  topics = await TestTopics.create(hub, "world");
  gateway = await TestGateway.prepare(dir, hub, topics, {}, { LAB_SECRET: secrets.remember(token) });
  await setConfig(gateway.home, [
    { path: "gateway.http.endpoints.chatCompletions.enabled", value: true },
    { path: "agents.entries", value: { main: { default: true }, helper: {} } },
    {
      path: `channels.${CHANNEL_ID}.flux`,
      value: { namespace: "lab", presence: { enabled: true, intervalSeconds: 5, capabilities: ["python"] } },
    },
  ]);
});

afterAll(async () => {
  await gateway?.close();
  await world?.close();
  await hub?.stop();
  await stopAllChildren();
  fs.rmSync(dir, { recursive: true, force: true });
});

const seen = async (agentId = "main") =>
  (await world.entity(`lab/${agentId}`, AbortSignal.timeout(10_000)))?.properties ?? {};

const untilSeen = (what: string, properties: object, agentId = "main") =>
  eventually(what, async () => {
    const now = await seen(agentId);
    return Object.entries(properties).every(([name, value]) => now[name] === value) && now;
  });

/** One command, whose output is searched for secrets at the end. */
async function command(...args: string[]): Promise<string> {
  const output = await openClaw(gateway.home, args);
  shown.push(output);
  return output;
}

const reference = (id: string) => ["--ref-source", "env", "--ref-provider", "default", "--ref-id", id];

async function account(): Promise<Readonly<Record<string, unknown>>> {
  const json = JSON.parse(await command("channels", "status", "--json")) as {
    channelAccounts: Record<string, Record<string, unknown>[]>;
  };
  return json.channelAccounts[CHANNEL_ID]?.[0] ?? {};
}

it("uses a token that `config set --ref-source env` refers to, and shows every agent of the gateway", async () => {
  await command("config", "set", TOKEN_PATH, ...reference("LAB_SECRET"));
  gateway.dropBootstrap(await hub.issueCode(topics.agentScriptId));
  await gateway.start();
  await gateway.untilListening(topics);
  await untilSeen("the agent is shown", { type: "agent", status: "idle" });
  await untilSeen("the other agent is shown", { type: "agent", status: "idle" }, "helper");
  expect(await seen()).toMatchObject({ capabilities: ["python", "agentrux.requests"], ttl_s: 15, version: "0.1.0" });
  expect(await seen()).toHaveProperty("host_version");
  expect(await account()).toMatchObject({ running: true, presence: "on" });
});

it("shows a request under way, and a conversation that came by another way, and never a word of either", async () => {
  const requestId = await topics.publish({ message: `HOLD:${MARKER}`, conversationKey: MARKER });
  await untilSeen("it works for a request", { status: "busy", task: `request ${requestId}` });
  gateway.model.release(MARKER);
  expect(await topics.reply(requestId)).toMatchObject({ status: "completed" });
  const idle = await untilSeen("it is idle", { status: "idle", task: null });
  expect(idle).toMatchObject({ last_run: { outcome: "completed" } });

  const answer = gateway.askAsOwner(`HOLD:${MARKER}-2`, "main");
  await untilSeen("it converses", { status: "busy", task: "conversation" });
  gateway.model.release(`${MARKER}-2`);
  await answer;
  await untilSeen("it is idle again", { status: "idle", task: null });
  const { items } = await world.history({ entity: "lab/main", limit: 500 }, AbortSignal.timeout(10_000));
  expect(items.length).toBeGreaterThan(5);
  expect(JSON.stringify(items)).not.toContain("MARKER");
});

it("answers commands also where the reference leads nowhere, and its status says what is wrong", async () => {
  await setConfig(gateway.home, [{ path: TOKEN_PATH, value: NOWHERE }]);
  const status = await eventually("the status says so", async () => {
    const now = await account();
    return String(now["presenceError"]).includes("flux.token") && now;
  });
  expect(status).toMatchObject({ running: true, presence: "off" });
  expect(await topics.ask("ping")).toMatchObject({ status: "completed", message: "pong" });
});

it("starts all the same with such a reference", async () => {
  await gateway.stop();
  await gateway.start();
  expect(await topics.ask("ping")).toMatchObject({ status: "completed", message: "pong" });
  expect(String((await account())["presenceError"])).toContain("flux.token");
});

it("takes the token from the place of the published README as well", async () => {
  const flux = { namespace: "lab", presence: { enabled: true, intervalSeconds: 5 } };
  await command("config", "unset", `channels.${CHANNEL_ID}.flux`);
  const entry = `plugins.entries.${PLUGIN_ID}.config.flux`;
  await setConfig(gateway.home, [{ path: entry, value: { ...flux, token: { ...NOWHERE } } }]);
  await eventually("the status says what is wrong", async () =>
    String((await account())["presenceError"]).includes("flux.token"),
  );
  expect(await topics.ask("ping")).toMatchObject({ status: "completed", message: "pong" });

  await command("config", "set", `${entry}.token`, ...reference("LAB_SECRET"));
  const before = Date.now();
  await eventually("the agent is shown anew", async () => Date.parse(String((await seen())["heartbeat_at"])) > before);
  await eventually("it is told", async () => (await account())["presence"] === "on");
});

it("leaves its agents offline", async () => {
  await gateway.stop();
  expect(await seen()).toMatchObject({ status: "offline", task: null });
  expect(await seen("helper")).toMatchObject({ status: "offline", task: null });
});

it("leaves the token nowhere, and has the host mask one that stands in the file", async () => {
  for (const what of ["status", "doctor"]) {
    shown.push(await openClaw(gateway.home, ["agentrux", what, "--json"]).catch((error: unknown) => String(error)));
  }
  expect(secrets.processesShowing()).toEqual([]);
  expect(shown.filter((text) => secrets.isShownIn(text))).toEqual([]);
  expect(secrets.filesShowing(dir, [path.join(dir, "hub"), gateway.home.agentruxDir])).toEqual([]);
  const account = { flux: { adminToken: "a-token-in-the-clear" } };
  await setConfig(gateway.home, [
    { path: TOKEN_PATH, value: "a-token-in-the-clear" },
    { path: `channels.${CHANNEL_ID}.accounts`, value: { night: account } },
  ]);
  expect(await command("config", "get", `channels.${CHANNEL_ID}`)).not.toContain("in-the-clear");
});
