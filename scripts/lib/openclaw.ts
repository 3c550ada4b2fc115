/** Owns an isolated OpenClaw: its folders and environment, its command line, and its gateway process. */

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type CommandResult, type ProcessGroup, runNode, startLongLived } from "./children.ts";
import { logTail } from "./log-tail.ts";

const REPOSITORY = path.join(import.meta.dirname, "..", "..");
const OPENCLAW = path.join(REPOSITORY, "node_modules", "openclaw", "openclaw.mjs");
const CLI_TIMEOUT_MS = 90_000;
const INSTALL_TIMEOUT_MS = 240_000;
const READY_TIMEOUT_MS = 120_000;
const POLL_MS = 50;
const PROBE_TIMEOUT_MS = 2_000;

/** An OpenClaw that shares nothing with the user's own. */
export interface OpenClawHome {
  /** `OPENCLAW_STATE_DIR`; everything else lies in it. */
  readonly stateDir: string;
  /** `HOME` of the gateway. */
  readonly homeDir: string;
  /** The plugin's folder, `~/.agentrux` of that home. */
  readonly agentruxDir: string;
  readonly port: number;
  readonly gatewayToken: string;
  readonly gatewayLog: string;
  readonly env: NodeJS.ProcessEnv;
  /** The program: `openclaw.mjs` of the release that is run. */
  readonly program: string;
}

/** @param options.secrets Variables handed to the gateway as they are, such as a model's API key; all others like them are held back. */
export function openClawHome(options: {
  readonly stateDir: string;
  readonly port: number;
  readonly gatewayToken: string;
  readonly secrets?: Readonly<Record<string, string>>;
  /** `openclaw.mjs` of another release than the repository's own. */
  readonly program?: string;
}): OpenClawHome {
  const { stateDir, port, gatewayToken } = options;
  const homeDir = path.join(stateDir, "home");
  fs.mkdirSync(homeDir, { recursive: true, mode: 0o700 });
  return {
    stateDir,
    homeDir,
    agentruxDir: path.join(homeDir, ".agentrux"),
    port,
    gatewayToken,
    program: options.program ?? OPENCLAW,
    gatewayLog: path.join(stateDir, "gateway.log"),
    env: {
      ...harmless(process.env),
      ...options.secrets,
      PATH: `${path.dirname(process.execPath)}${path.delimiter}${process.env["PATH"] ?? ""}`,
      HOME: homeDir,
      USERPROFILE: homeDir,
      OPENCLAW_HOME: homeDir,
      OPENCLAW_STATE_DIR: stateDir,
      OPENCLAW_CONFIG_PATH: path.join(stateDir, "openclaw.json"),
      OPENCLAW_GATEWAY_PORT: String(port),
      OPENCLAW_GATEWAY_TOKEN: gatewayToken,
      OPENCLAW_DISABLE_BONJOUR: "1",
      OPENCLAW_NO_AUTO_UPDATE: "1",
      OPENCLAW_OFFLINE: "1",
      NO_COLOR: "1",
      // With another HOME npm would lose the user's registry settings and download cache.
      npm_config_userconfig: process.env["npm_config_userconfig"] ?? path.join(os.homedir(), ".npmrc"),
      npm_config_cache: process.env["npm_config_cache"] ?? path.join(os.homedir(), ".npm"),
    },
  };
}

/**
 * The environment without what would leak or bend the gateway: the user's own OpenClaw, provider keys, and the marks a
 * test runner or `npm run` leaves. Everything else stays: without the system's variables an install hangs.
 */
function harmless(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => REGISTRY_TOKEN.test(name) || !(FOREIGN.test(name) || SECRET.test(name))),
  );
}

const REGISTRY_TOKEN = /^(NPM|NODE_AUTH)_TOKEN$/;
const SECRET = /(_API_KEYS?|_API_KEY_\d+|_TOKEN|_SECRET|_PASSWORD)$/;
const FOREIGN =
  /^(OPENCLAW_|AGENTRUX_|ANTHROPIC_|OPENAI_|AWS_|XDG_|VITEST|NODE_ENV$|NODE_OPTIONS$|npm_(package|lifecycle|command|config_local_prefix))/;

/** Version of the OpenClaw that is run here. */
export function openClawVersion(): string {
  const file = path.join(path.dirname(OPENCLAW), "package.json");
  const { version } = JSON.parse(fs.readFileSync(file, "utf8")) as { readonly version: string };
  return version;
}

/** Runs one `openclaw` command to its end. Never rejects over an exit code. */
export function tryOpenClaw(
  home: OpenClawHome,
  args: readonly string[],
  timeoutMs = CLI_TIMEOUT_MS,
): Promise<CommandResult> {
  return runNode([home.program, ...args], { env: home.env, cwd: home.stateDir, timeoutMs });
}

/**
 * Runs one `openclaw` command that has to succeed.
 *
 * @returns what it wrote to stdout.
 * @throws with the command and the end of its output otherwise.
 */
export async function openClaw(home: OpenClawHome, args: readonly string[], timeoutMs?: number): Promise<string> {
  const result = await tryOpenClaw(home, args, timeoutMs);
  if (result.code === 0) return result.stdout;
  const how = result.timedOut ? "did not end in time" : `ended with code ${result.code}`;
  throw new Error(`"openclaw ${args.join(" ")}" ${how}:\n${lastLines(`${result.stdout}\n${result.stderr}`, 15)}`);
}

function lastLines(text: string, count: number): string {
  return text.trim().split("\n").slice(-count).join("\n");
}

/** One setting, as `openclaw config set` takes it. */
export interface ConfigSetting {
  readonly path: string;
  readonly value: unknown;
}

/** Sets config keys with the real command, in one validated write. Never secrets: arguments are readable by others. */
export async function setConfig(home: OpenClawHome, settings: readonly ConfigSetting[]): Promise<void> {
  await openClaw(home, ["config", "set", "--batch-json", JSON.stringify(settings)]);
}

/** Installs a packed plugin as a user would. */
export async function installPlugin(home: OpenClawHome, tarball: string): Promise<void> {
  await openClaw(home, ["plugins", "install", tarball, "--force", "--accept-capabilities"], INSTALL_TIMEOUT_MS);
}

/** What `/readyz` of a gateway says. */
export interface Readiness {
  readonly ready: boolean;
  /** Names of what is not ready: channel ids, `gateway-draining` and others. */
  readonly failing: readonly string[];
}

/** A gateway process. */
export class Gateway {
  readonly home: OpenClawHome;
  readonly #group: ProcessGroup;
  readonly #logStart: number;

  private constructor(home: OpenClawHome, group: ProcessGroup, logStart: number) {
    this.home = home;
    this.#group = group;
    this.#logStart = logStart;
  }

  /** Starts `openclaw gateway run`. Its output goes to `gateway.log` in the state folder. */
  static start(home: OpenClawHome): Gateway {
    const logStart = fs.statSync(home.gatewayLog, { throwIfNoEntry: false })?.size ?? 0;
    const { group } = startLongLived({
      name: "the gateway",
      args: [home.program, "gateway", "run"],
      env: home.env,
      logFile: home.gatewayLog,
    });
    return new Gateway(home, group, logStart);
  }

  /** Resolves with the exit code when the gateway has ended. */
  get exited(): Promise<number> {
    return this.#group.exited;
  }

  /** What this process has logged so far. */
  log(): string {
    return fs.readFileSync(this.home.gatewayLog).subarray(this.#logStart).toString("utf8");
  }

  /** Asks `/readyz`; undefined while nothing answers. */
  async readiness(): Promise<Readiness | undefined> {
    try {
      const response = await fetch(`http://127.0.0.1:${this.home.port}/readyz`, {
        headers: { connection: "close" },
        signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
      });
      const body: unknown = await response.json().catch(() => undefined);
      const failing = typeof body === "object" && body !== null && "failing" in body ? body.failing : [];
      return { ready: response.status === 200, failing: Array.isArray(failing) ? failing.map(String) : [] };
    } catch {
      return undefined;
    }
  }

  /**
   * Waits until the gateway says it is ready; with `exceptChannel`, until nothing but that channel is missing.
   *
   * @throws when it ends, or is not ready in time, with the end of its log.
   */
  async ready(options: { readonly timeoutMs?: number; readonly exceptChannel?: string } = {}): Promise<void> {
    const deadline = performance.now() + (options.timeoutMs ?? READY_TIMEOUT_MS);
    let last: Readiness | undefined;
    while (performance.now() < deadline) {
      if (this.#group.exitCode !== undefined) throw this.#failure(`ended with code ${this.#group.exitCode}`);
      last = await this.readiness();
      if (last?.ready === true) return;
      if (last !== undefined && last.failing.length > 0 && last.failing.every((f) => f === options.exceptChannel))
        return;
      await sleep(POLL_MS);
    }
    throw this.#failure(
      `is not ready (${last === undefined ? "no answer" : `waiting for ${last.failing.join(", ")}`})`,
    );
  }

  #failure(what: string): Error {
    return new Error(
      `the gateway ${what}; the end of ${this.home.gatewayLog}:\n${logTail(this.home.gatewayLog, this.#logStart)}`,
    );
  }

  /** SIGTERM, then SIGKILL after `graceMs`. */
  stop(graceMs?: number): Promise<void> {
    return this.#group.stop(graceMs);
  }

  /** SIGKILL, at once, to the gateway and its workers. */
  kill(): Promise<void> {
    return this.#group.kill();
  }
}
