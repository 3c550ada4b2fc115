/** The plugin, packed and installed, in a real OpenClaw gateway with the scripted model; against a real hub. */

import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, inject } from "vitest";
import { type ChannelStatus, readChannelStatus } from "../../scripts/lib/channel-status.ts";
import { CHANNEL_ID, gatewaySettings, pluginSettings } from "../../scripts/lib/host-config.ts";
import type { Hub } from "../../scripts/lib/hub.ts";
import { type ScriptedModel, startScriptedModel } from "../../scripts/lib/model.ts";
import {
  Gateway,
  installPlugin,
  openClaw,
  type OpenClawHome,
  openClawHome,
  type Readiness,
  setConfig,
} from "../../scripts/lib/openclaw.ts";
import { freeGatewayPort } from "../../scripts/lib/ports.ts";
import type { TestTopics } from "./topics.ts";

const POLL_MS = 100;
/** Generous: machines that run tests are busy. */
const WAIT_TIMEOUT_MS = 60_000;
const START_TIMEOUT_MS = 300_000;
/** The first turn of a gateway loads much of the host. */
const TURN_TIMEOUT_MS = 180_000;
const STOP_GRACE_MS = 30_000;
const SHOWN_LOG_LINES = 200;

/**
 * Waits until `probe` gives something other than undefined or false.
 *
 * @throws naming `what` when it does not in time.
 */
export async function eventually<T>(
  what: string,
  probe: () => T | Promise<T>,
  timeoutMs = WAIT_TIMEOUT_MS,
): Promise<NonNullable<Exclude<T, false>>> {
  for (const end = performance.now() + timeoutMs; performance.now() < end; await sleep(POLL_MS)) {
    const value = await probe();
    if (value !== undefined && value !== null && value !== false) return value as NonNullable<Exclude<T, false>>;
  }
  throw new Error(`${what}: not within ${timeoutMs / 1000} s`);
}

/** Prints what the gateway has logged lately when a test of the file fails: its log goes with the test's folder. */
export function showLogOfFailed(gateway: () => { log(): string } | undefined): void {
  beforeEach(({ onTestFailed }) => {
    onTestFailed(({ task }) => {
      const lines = (gateway()?.log() ?? "").trimEnd().split("\n").slice(-SHOWN_LOG_LINES);
      console.error(`The gateway's log when "${task.name}" failed:\n${lines.join("\n")}`);
    });
  });
}

/** A configured OpenClaw with the plugin in it. */
export class TestGateway {
  readonly home: OpenClawHome;
  readonly model: ScriptedModel;
  #gateway: Gateway | undefined;

  private constructor(home: OpenClawHome, model: ScriptedModel) {
    this.home = home;
    this.model = model;
  }

  /**
   * Packs, installs and configures in `dir`; does not start yet. `config` are settings of the plugin, `secrets` variables
   * of the environment.
   */
  static async prepare(
    dir: string,
    hub: Pick<Hub, "url">,
    topics: Pick<TestTopics, "commandTopicId" | "resultTopicId">,
    config: Readonly<Record<string, unknown>> = {},
    secrets: Readonly<Record<string, string>> = {},
  ): Promise<TestGateway> {
    const stateDir = path.join(dir, "openclaw");
    const home = openClawHome({
      stateDir,
      port: await freeGatewayPort(),
      gatewayToken: "test-token-".repeat(4),
      secrets,
    });
    await installPlugin(home, inject("tarball"));
    const model = await startScriptedModel();
    const { commandTopicId, resultTopicId } = topics;
    await setConfig(home, [
      ...gatewaySettings(home, { kind: "scripted", baseUrl: model.baseUrl }),
      ...pluginSettings({ commandTopicId, resultTopicId, agentId: "main", baseUrl: hub.url, ...config }),
    ]);
    return new TestGateway(home, model);
  }

  /** Starts the gateway; ready when everything but the channel is, which may have reasons of its own. */
  async start(): Promise<void> {
    this.#gateway = Gateway.start(this.home);
    await this.#gateway.ready({ exceptChannel: CHANNEL_ID, timeoutMs: START_TIMEOUT_MS });
  }

  /** Stops it as an operator would. */
  async stop(): Promise<void> {
    await this.#gateway?.stop(STOP_GRACE_MS);
    this.#gateway = undefined;
  }

  /** Stops it as a power cut would. */
  async kill(): Promise<void> {
    await this.#gateway?.kill();
    this.#gateway = undefined;
  }

  /** What `/readyz` says; undefined while nothing answers. */
  async readiness(): Promise<Readiness | undefined> {
    return this.#gateway?.readiness();
  }

  /** What it has logged since it was started. */
  log(): string {
    return this.#gateway?.log() ?? "";
  }

  /** Waits until it has ended by itself. @returns its exit code, 128 + n after signal n */
  async exited(): Promise<number> {
    if (this.#gateway === undefined) throw new Error("the gateway was not started");
    return this.#gateway.exited;
  }

  /** Ends everything this object has started. */
  async close(): Promise<void> {
    await this.kill();
    await this.model.close();
  }

  /** A path in the plugin's own folder. */
  file(name: string): string {
    return path.join(this.home.agentruxDir, name);
  }

  /** Names of the files in the plugin's own folder. */
  files(): readonly string[] {
    return fs.existsSync(this.home.agentruxDir) ? fs.readdirSync(this.home.agentruxDir).toSorted() : [];
  }

  /** Writes an activation code where the plugin looks for one, as the published README says. */
  dropBootstrap(code: string): void {
    fs.mkdirSync(this.home.agentruxDir, { recursive: true, mode: 0o700 });
    const draft = this.file("draft");
    fs.writeFileSync(draft, `# AgenTrux activation\n${code}\n`, { mode: 0o600 });
    fs.renameSync(draft, this.file("BOOTSTRAP.md"));
  }

  /** Waits until the plugin has a read position on the topic: what is published from then on is answered. */
  async untilListening(topics: Pick<TestTopics, "commandTopicId">): Promise<void> {
    await eventually("the plugin has a read position", () => {
      const file = this.file("waterline.json");
      return fs.existsSync(file) && fs.readFileSync(file, "utf8").includes(topics.commandTopicId);
    });
  }

  /**
   * A turn of the gateway's owner, over its OpenAI-compatible endpoint, which has to be switched on; what the agent
   * answers.
   */
  async askAsOwner(text: string, agentId?: string): Promise<string> {
    const answer = await fetch(`http://127.0.0.1:${this.home.port}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${this.home.gatewayToken}`, "content-type": "application/json" },
      body: JSON.stringify({
        model: agentId === undefined ? "openclaw" : `openclaw/${agentId}`,
        messages: [{ role: "user", content: text }],
      }),
      signal: AbortSignal.timeout(TURN_TIMEOUT_MS),
    });
    const body = await answer.text();
    if (!answer.ok) throw new Error(`the gateway answered ${answer.status}: ${body.slice(0, 300)}`);
    const { choices } = JSON.parse(body) as { choices: { message: { content: string } }[] };
    return choices[0]?.message.content ?? "";
  }

  /** The channel's account, as `openclaw channels status --probe --json` tells it. */
  async channelStatus(): Promise<ChannelStatus> {
    return readChannelStatus(await openClaw(this.home, ["channels", "status", "--probe", "--json"]));
  }
}
