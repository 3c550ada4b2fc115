/** Owns a hub process and its command line. */

import fs from "node:fs";
import path from "node:path";
import { type ProcessGroup, runNode, startLongLived } from "./children.ts";
import { logTail } from "./log-tail.ts";

const HUB = path.join(import.meta.dirname, "..", "..", "hub", "bin", "agentrux-hub.js");
const COMMAND_TIMEOUT_MS = 30_000;
const START_TIMEOUT_MS = 30_000;

/** How a hub is started. */
export interface HubOptions {
  /** Where it keeps everything; created when missing. */
  readonly dataDir: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly logFile: string;
  /** The program, where it is not the hub's own; started with the same options. */
  readonly program?: string;
  /** Further options of the program. */
  readonly extraArgs?: readonly string[];
}

/** A running hub. */
export class Hub {
  readonly url: string;
  readonly options: HubOptions;
  readonly #group: ProcessGroup;

  private constructor(url: string, options: HubOptions, group: ProcessGroup) {
    this.url = url;
    this.options = options;
    this.#group = group;
  }

  /**
   * Starts a hub on loopback and waits until it listens.
   *
   * @throws with the end of its log when it does not come up.
   */
  static async start(options: HubOptions): Promise<Hub> {
    fs.mkdirSync(options.dataDir, { recursive: true, mode: 0o700 });
    const logStart = fs.statSync(options.logFile, { throwIfNoEntry: false })?.size ?? 0;
    const address = ["--host", "127.0.0.1", "--port", String(options.port)];
    const { group, firstLine } = startLongLived({
      name: "the hub",
      args: [
        options.program ?? HUB,
        "start",
        ...address,
        "--data",
        options.dataDir,
        "--json",
        ...(options.extraArgs ?? []),
      ],
      env: ownEnvironment(),
      logFile: options.logFile,
      takeFirstLine: true,
    });
    const timer = setTimeout(() => void group.kill(), START_TIMEOUT_MS);
    try {
      return new Hub(stringField(parseJson(await firstLine), "url"), options, group);
    } catch (cause) {
      await group.kill();
      const tail = logTail(options.logFile, logStart);
      throw new Error(`the hub did not start; the end of ${options.logFile}:\n${tail}`, { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  /** The port it listens on. */
  get port(): number {
    return Number(new URL(this.url).port);
  }

  get exited(): Promise<number> {
    return this.#group.exited;
  }

  /** The same hub again, on the same port with the same data, after it was stopped or killed. */
  again(changes: Pick<HubOptions, "extraArgs"> = {}): Promise<Hub> {
    return Hub.start({ ...this.options, ...changes, port: this.port });
  }

  stop(): Promise<void> {
    return this.#group.stop();
  }

  kill(): Promise<void> {
    return this.#group.kill();
  }

  async createTopic(name: string): Promise<string> {
    return stringField(await this.#run(["topic", "create", name]), "topic_id");
  }

  async createScript(name: string, grants: { readonly read?: string; readonly write?: string }): Promise<string> {
    const read = grants.read === undefined ? [] : ["--read", grants.read];
    const write = grants.write === undefined ? [] : ["--write", grants.write];
    return stringField(await this.#run(["script", "create", name, ...read, ...write]), "script_id");
  }

  /** Issues a single-use activation code, good for an hour. */
  async issueCode(scriptId: string): Promise<string> {
    return stringField(await this.#run(["code", "issue", scriptId]), "activation_code");
  }

  /** Whether the hub knows all of these topics and scripts. */
  async knows(topicIds: readonly string[], scriptIds: readonly string[]): Promise<boolean> {
    const [topics, scripts] = await Promise.all([this.#run(["topic", "list"]), this.#run(["script", "list"])]);
    const known = JSON.stringify([topics, scripts]);
    return [...topicIds, ...scriptIds].every((id) => known.includes(JSON.stringify(id)));
  }

  /** The data folder, not `--admin-token`, tells the command how to reach the hub: arguments are readable by others. */
  async #run(args: readonly string[]): Promise<unknown> {
    const result = await runNode([HUB, ...args, "--json", "--data", this.options.dataDir], {
      env: ownEnvironment(),
      timeoutMs: COMMAND_TIMEOUT_MS,
    });
    if (result.code !== 0) {
      throw new Error(`"agentrux-hub ${args.join(" ")}" ended with code ${result.code}:\n${result.stderr.trim()}`);
    }
    return parseJson(result.stdout.trim().split("\n").at(-1) ?? "");
  }
}

/** The environment without settings meant for another hub, which would win over the data folder. */
function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("AGENTRUX_")));
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new Error(`the hub printed something that is not JSON: ${line.slice(0, 200)}`, { cause });
  }
}

function stringField(document: unknown, key: string): string {
  const value: unknown = typeof document === "object" && document !== null ? Reflect.get(document, key) : undefined;
  if (typeof value !== "string" || value === "") throw new Error(`the hub's answer lacks ${key}`);
  return value;
}
