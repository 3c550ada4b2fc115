/** Runs the skill's script with a PATH of its own making, and a server that records what it is asked. */

import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, symlinkSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { WebSocketServer } from "../../hub/test/world/support/sockets.ts";

const SCRIPT = path.join(import.meta.dirname, "../../skills/flux/scripts/flux.sh");
const TOOLS = "bash curl mktemp rm mv cat head tail sed tr grep cut wc mkfifo sleep readlink".split(" ");

/** What a PATH can offer beside the basic tools. */
export type Extra = "python3" | "jq" | "node";

function find(program: string): string {
  if (program === "node") return process.execPath;
  // A version manager's python3 is a script that wants the whole PATH.
  const where =
    program === "python3" ? `python3 -c 'import sys; print(sys.executable)'` : `command -v ${program} || true`;
  return execFileSync("bash", ["-c", where], { encoding: "utf8" }).trim();
}

/** The JSON programs this machine has: each test of JSON runs with each of them, and needs one at least. */
export const jsonPrograms = (["python3", "jq"] as const).filter((program) => find(program) !== "");

/** What a run of the script left behind. */
export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output, which must be JSON. */
  readonly json: unknown;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly onStart?: (pid: number) => void;
}

/** The script, with nothing in PATH and environment but what is named. */
export class Flux {
  readonly dir = mkdtempSync(path.join(tmpdir(), "flux-skill-"));
  readonly #env: Readonly<Record<string, string>>;
  readonly #bin: string;

  constructor(extras: readonly Extra[], env: Readonly<Record<string, string>> = {}, without: readonly string[] = []) {
    this.#bin = path.join(this.dir, "bin");
    mkdirSync(this.#bin);
    mkdirSync(path.join(this.dir, "tmp"));
    for (const tool of [...TOOLS, ...extras]) {
      if (!without.includes(tool)) symlinkSync(find(tool), path.join(this.#bin, tool));
    }
    this.#env = { FLUX_RETRIES: "0", ...env };
  }

  /** Runs the script with these arguments until it ends. */
  readonly run = (...args: string[]): Promise<Ran> => this.runWith({}, ...args);

  readonly runWith = async ({ env, input = "", onStart }: RunOptions, ...args: string[]): Promise<Ran> => {
    const child = spawn(path.join(this.#bin, "bash"), [SCRIPT, ...args], {
      env: { PATH: this.#bin, TMPDIR: path.join(this.dir, "tmp"), HOME: this.dir, ...this.#env, ...env },
    });
    child.stdin.on("error", () => undefined).end(input);
    if (child.pid !== undefined) onStart?.(child.pid);
    const ended = new Promise<number | null>((resolve) => child.on("close", resolve).on("error", () => resolve(null)));
    const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
    return {
      code,
      stdout,
      stderr,
      get json() {
        return JSON.parse(stdout) as unknown;
      },
    };
  };
}

export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** A server that records each request and answers what the test says. */
export class Recorder {
  readonly asked: Asked[] = [];
  answer: (asked: Asked, response: ServerResponse) => void = (_asked, response) => response.end("[]");
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true });

  private constructor() {
    this.#server = createServer((request, response) => {
      void this.#take(request, response);
    });
    this.#server.on("upgrade", (request, socket, head) => this.#sockets.handleUpgrade(request, socket, head, () => {}));
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const { method = "", url = "", headers } = request;
    const asked = { method, url, headers, body };
    this.asked.push(asked);
    this.answer(asked, response);
  }

  static async start(): Promise<Recorder> {
    const recorder = new Recorder();
    await new Promise<void>((resolve) => recorder.#server.listen(0, "127.0.0.1", resolve));
    return recorder;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Whether anybody listens for hints. */
  get isHeard(): boolean {
    return this.#sockets.clients.size > 0;
  }

  /** Tells whoever listens that something has changed. */
  hint(): void {
    for (const socket of this.#sockets.clients) socket.send('{"type":"entity_update"}');
  }

  /** What it is asked while `work` runs. */
  async during(work: () => Promise<unknown>): Promise<readonly Asked[]> {
    const before = this.asked.length;
    await work();
    return this.asked.slice(before);
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
