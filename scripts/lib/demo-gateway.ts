/** Owns the agent's side of the main job: an isolated OpenClaw with the plugin installed, configured and activated. */

import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { channelStatus } from "./channel-status.ts";
import { DemoError } from "./demo-error.ts";
import { type StateFolder, type Topology, writePrivate } from "./demo-state.ts";
import { worldSettings } from "./demo-world.ts";
import { CHANNEL_ID, gatewaySettings, type ModelChoice, pluginSettings } from "./host-config.ts";
import type { Hub } from "./hub.ts";
import type { ChosenModel } from "./model-choice.ts";
import { Gateway, installPlugin, type OpenClawHome, openClawHome, openClawVersion, setConfig } from "./openclaw.ts";
import { packPlugin } from "./plugin-package.ts";
import { freeGatewayPort } from "./ports.ts";

/** The agent that does the work. */
export const AGENT_ID = "main";
const CONNECT_TIMEOUT_MS = 60_000;
const POLL_MS = 100;

/** The isolated OpenClaw of this state folder. A change of model starts it over; what the plugin keeps stays. */
export async function prepareHome(folder: StateFolder, model: ChosenModel): Promise<OpenClawHome> {
  const modelKey = model.kind === "scripted" ? "scripted" : model.ref;
  const stateDir = folder.path("openclaw");
  if (folder.state.model !== modelKey) {
    forgetHost(stateDir);
    delete folder.state.installed;
    delete folder.state.configured;
  }
  folder.state.model = modelKey;
  folder.state.gatewayPort = await freeGatewayPort(folder.state.gatewayPort);
  folder.save();
  return openClawHome({
    stateDir,
    port: folder.state.gatewayPort,
    gatewayToken: folder.state.gatewayToken,
    secrets: model.kind === "scripted" ? {} : model.secrets,
  });
}

function forgetHost(stateDir: string): void {
  if (!fs.existsSync(stateDir)) return;
  for (const name of fs.readdirSync(stateDir)) {
    if (name !== "home") fs.rmSync(path.join(stateDir, name), { recursive: true, force: true });
  }
}

/** Packs and installs the plugin, unless just this one is installed. Says what was done. */
export async function installPackedPlugin(folder: StateFolder, home: OpenClawHome): Promise<string> {
  const pack = await packPlugin(folder.path("package"), folder.state.pack);
  folder.state.pack = pack;
  folder.save();
  const name = path.basename(pack.tarball);
  const version = openClawVersion();
  const wanted = hash([pack.sha256, version]);
  if (folder.state.installed === wanted && fs.existsSync(path.join(home.stateDir, "extensions"))) {
    return `${name} is installed already`;
  }
  await installPlugin(home, pack.tarball);
  folder.state.installed = wanted;
  delete folder.state.configured;
  folder.save();
  return `${name} into OpenClaw ${version}`;
}

/** Configures the host and the plugin, unless they are. Says what was done. */
export async function configure(
  folder: StateFolder,
  home: OpenClawHome,
  model: ModelChoice,
  topology: Topology,
  hub: Hub,
): Promise<string> {
  const { commandTopicId, resultTopicId } = topology;
  const settings = [
    ...gatewaySettings(home, model),
    ...pluginSettings({
      commandTopicId,
      resultTopicId,
      agentId: AGENT_ID,
      baseUrl: hub.url,
      flux: worldSettings(model.kind),
    }),
  ];
  const wanted = hash(settings);
  if (folder.state.configured === wanted && fs.existsSync(path.join(home.stateDir, "openclaw.json"))) {
    return "unchanged";
  }
  await setConfig(home, settings);
  folder.state.configured = wanted;
  folder.save();
  return `${settings.length} settings`;
}

function hash(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}

/** Drops a new activation code where the plugin looks for one. */
export async function dropActivationCode(home: OpenClawHome, hub: Hub, topology: Topology): Promise<void> {
  fs.mkdirSync(home.agentruxDir, { recursive: true, mode: 0o700 });
  fs.rmSync(path.join(home.agentruxDir, "credentials.json"), { force: true });
  const code = await hub.issueCode(topology.agentScriptId);
  writePrivate(path.join(home.agentruxDir, "BOOTSTRAP.md"), `# AgenTrux activation\n${code}\n`);
}

/** Whether the plugin has credentials for this hub and script. */
export function isActivated(home: OpenClawHome, hub: Hub, topology: Topology): boolean {
  try {
    const text = fs.readFileSync(path.join(home.agentruxDir, "credentials.json"), "utf8");
    return text.includes(JSON.stringify(hub.url)) && text.includes(JSON.stringify(topology.agentScriptId));
  } catch {
    return false;
  }
}

/**
 * Starts the gateway and waits until the plugin takes commands. Credentials the hub refuses are replaced once.
 *
 * @throws DemoError with the plugin's own reason when it does not come up.
 */
export async function startGateway(home: OpenClawHome, hub: Hub, topology: Topology): Promise<Gateway> {
  const gateway = Gateway.start(home);
  await gateway.ready({ exceptChannel: CHANNEL_ID });
  if (await takesCommands(gateway, topology)) return gateway;
  await dropActivationCode(home, hub, topology);
  if (await takesCommands(gateway, topology)) return gateway;
  throw new DemoError(
    `the plugin does not connect to the hub: ${await channelTrouble(home)}`,
    `See ${home.gatewayLog}. "npm start -- --fresh" begins anew.`,
  );
}

/**
 * Waits until the plugin has a read position on the command topic: what is published from then on is answered. False
 * when it has given up, or has none in time.
 */
async function takesCommands(gateway: Gateway, topology: Topology): Promise<boolean> {
  const waterline = path.join(gateway.home.agentruxDir, "waterline.json");
  for (const end = performance.now() + CONNECT_TIMEOUT_MS; performance.now() < end; await sleep(POLL_MS)) {
    const readiness = await gateway.readiness();
    if (readiness?.failing.includes(CHANNEL_ID) === true) return false;
    if (readiness?.ready === true && fileContains(waterline, topology.commandTopicId)) return true;
  }
  return false;
}

function fileContains(file: string, text: string): boolean {
  try {
    return fs.readFileSync(file, "utf8").includes(text);
  } catch {
    return false;
  }
}

async function channelTrouble(home: OpenClawHome): Promise<string> {
  const { lastError, probeError, lifecycle } = await channelStatus(home, { probe: true });
  return lastError || probeError || `its state is "${lifecycle}"`;
}
