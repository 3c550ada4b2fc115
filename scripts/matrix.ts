/**
 * The packed plugin in several OpenClaw releases: installed, activated, asked, inspected, each in a folder of its own
 * that is removed afterwards. Without arguments the three newest releases the package allows; otherwise those named.
 *
 *     npm run test:matrix                       # the three newest
 *     npm run test:matrix -- 2026.9.1 2026.9.6  # these
 *
 * One release at a time: each needs about 1 GB of disk, and its gateway about as much memory.
 */

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { runCommand, stopAllChildren } from "./lib/children.ts";
import { activate, AgentruxClient } from "./lib/client.ts";
import { CHANNEL_ID, gatewaySettings, PLUGIN_ID, pluginSettings } from "./lib/host-config.ts";
import { Hub } from "./lib/hub.ts";
import { logTail } from "./lib/log-tail.ts";
import { startScriptedModel } from "./lib/model.ts";
import { Gateway, installPlugin, openClaw, openClawHome, setConfig } from "./lib/openclaw.ts";
import { packPlugin } from "./lib/plugin-package.ts";
import { freeGatewayPort } from "./lib/ports.ts";

const NEWEST = 3;
const REGISTRY_TIMEOUT_MS = 60_000;
const HOST_INSTALL_TIMEOUT_MS = 600_000;
const REPLY_TIMEOUT_MS = 120_000;
/** The host's doctor looks at everything there is. */
const DOCTOR_TIMEOUT_MS = 300_000;

interface PackageJson {
  readonly openclaw: { readonly install: { readonly minHostVersion: string } };
}

const work = fs.mkdtempSync(path.join(os.tmpdir(), "agentrux-matrix-"));
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));
process.once("exit", () => fs.rmSync(work, { recursive: true, force: true }));

const failed: string[] = [];
const { tarball } = await packPlugin(path.join(work, "package"), undefined);
const named = process.argv.slice(2);
for (const version of named.length > 0 ? named : await newestReleases()) {
  const dir = path.join(work, version);
  const started = performance.now();
  let result = "ok";
  try {
    await tryRelease(version, dir);
  } catch (error) {
    failed.push(version);
    result = `FAIL  ${error instanceof Error ? error.message : String(error)}${whatTheGatewaySaid(dir)}`;
  } finally {
    await stopAllChildren();
    fs.rmSync(dir, { recursive: true, force: true });
  }
  console.log(`${version}  ${((performance.now() - started) / 1000).toFixed(0)} s  ${result}`);
}
process.exit(failed.length > 0 ? 1 : 0);

/** The end of the gateway's log, in which a plugin that could not be loaded is told of. */
function whatTheGatewaySaid(dir: string): string {
  const file = path.join(stateDirIn(dir), "gateway.log");
  return fs.existsSync(file) ? `\n${logTail(file, 0)}` : "";
}

function stateDirIn(dir: string): string {
  return path.join(dir, "openclaw");
}

/** The newest releases that are no previews and not older than the package allows, the newest first. */
async function newestReleases(): Promise<readonly string[]> {
  const file = path.join(import.meta.dirname, "..", "package.json");
  const { openclaw } = JSON.parse(fs.readFileSync(file, "utf8")) as PackageJson;
  const oldest = partsOf(openclaw.install.minHostVersion.replace(/^>=/, ""));
  const listed = await npm(["view", "openclaw", "versions", "--json"], work, REGISTRY_TIMEOUT_MS);
  return (JSON.parse(listed) as string[])
    .filter((version) => /^\d+\.\d+\.\d+$/.test(version) && compare(partsOf(version), oldest) >= 0)
    .toSorted((a, b) => compare(partsOf(b), partsOf(a)))
    .slice(0, NEWEST);
}

function partsOf(version: string): readonly number[] {
  return version.split(".").map(Number);
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((part, index) => part !== b[index]);
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}

async function npm(args: readonly string[], cwd: string, timeoutMs: number): Promise<string> {
  const { code, stdout, stderr } = await runCommand("npm", args, { cwd, env: process.env, timeoutMs });
  if (code !== 0) throw new Error(`"npm ${args.join(" ")}" failed:\n${stderr.slice(-2_000)}`);
  return stdout;
}

async function tryRelease(version: string, dir: string): Promise<void> {
  const host = path.join(dir, "host");
  fs.mkdirSync(host, { recursive: true });
  fs.writeFileSync(path.join(host, "package.json"), '{ "private": true }\n');
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund"];
  await npm(["install", ...quiet, `openclaw@${version}`], host, HOST_INSTALL_TIMEOUT_MS);

  const hub = await Hub.start({ dataDir: path.join(dir, "hub"), port: 0, logFile: path.join(dir, "hub.log") });
  const commandTopicId = await hub.createTopic("commands");
  const resultTopicId = await hub.createTopic("results");
  const agentScript = await hub.createScript("agent", { read: commandTopicId, write: resultTopicId });
  const clientScript = await hub.createScript("client", { read: resultTopicId, write: commandTopicId });
  const client = new AgentruxClient(await activate(hub.url, await hub.issueCode(clientScript)));

  const model = await startScriptedModel();
  try {
    const home = openClawHome({
      stateDir: stateDirIn(dir),
      port: await freeGatewayPort(),
      gatewayToken: "matrix-token-".repeat(4),
      program: path.join(host, "node_modules", "openclaw", "openclaw.mjs"),
    });
    const runs = await openClaw(home, ["--version"]);
    if (!runs.includes(version)) throw new Error(`installed ${version}, and it says it is ${runs.trim()}`);
    await installPlugin(home, tarball);
    await setConfig(home, [
      ...gatewaySettings(home, { kind: "scripted", baseUrl: model.baseUrl }),
      ...pluginSettings({ commandTopicId, resultTopicId, agentId: "main", baseUrl: hub.url }),
    ]);
    fs.mkdirSync(home.agentruxDir, { mode: 0o700 });
    const code = await hub.issueCode(agentScript);
    fs.writeFileSync(path.join(home.agentruxDir, "BOOTSTRAP.md"), `${code}\n`, { mode: 0o600 });

    const gateway = Gateway.start(home);
    await gateway.ready();
    await untilListening(path.join(home.agentruxDir, "waterline.json"), commandTopicId);
    const request = await client.publishCommand(commandTopicId, { message: "ping" });
    const reply = await client.awaitReply(resultTopicId, request, 0, REPLY_TIMEOUT_MS);
    if (reply.status !== "completed" || reply.message !== "pong") {
      throw new Error(`answered "${reply.message}" with status ${reply.status}`);
    }
    await inspect(home);
    await gateway.stop();
  } finally {
    await model.close();
  }
}

async function untilListening(waterline: string, topicId: string): Promise<void> {
  for (const end = performance.now() + REPLY_TIMEOUT_MS; performance.now() < end;) {
    if (fs.existsSync(waterline) && fs.readFileSync(waterline, "utf8").includes(topicId)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("the plugin has no read position: it did not activate, or did not connect");
}

/** What the host itself thinks of the plugin and of its channel. */
async function inspect(home: ReturnType<typeof openClawHome>): Promise<void> {
  const inspected = JSON.parse(await openClaw(home, ["plugins", "inspect", PLUGIN_ID, "--json"])) as {
    readonly plugin?: { readonly status?: string; readonly error?: string };
    readonly diagnostics?: readonly { readonly level?: string; readonly message?: string }[];
  };
  const { plugin, diagnostics = [] } = inspected;
  const errors = diagnostics.filter(({ level }) => level === "error").map(({ message }) => message);
  if (plugin?.status !== "loaded" || plugin.error !== undefined || errors.length > 0) {
    throw new Error(`plugins inspect: ${JSON.stringify({ status: plugin?.status, error: plugin?.error, errors })}`);
  }
  const status = await openClaw(home, ["channels", "status", "--probe"]);
  const line = status.split("\n").find((one) => one.includes("AgenTrux")) ?? "";
  if (!/connected/.test(line) || /error/.test(line)) throw new Error(`channels status: ${line || status}`);
  const doctor = await openClaw(home, ["doctor", "--non-interactive"], DOCTOR_TIMEOUT_MS);
  const complaint = doctor.split("\n").find((one) => one.includes(CHANNEL_ID) && /error|invalid|fail/i.test(one));
  if (complaint !== undefined) throw new Error(`doctor: ${complaint.trim()}`);
}
