/** A real hub process that can be killed and started again, provisioned over its own HTTP interface. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Hub } from "../../../scripts/lib/hub.ts";

const PROGRAM = fileURLToPath(new URL("../../support/hub-main.ts", import.meta.url));
const TIMEOUT_MS = 30_000;

export class CrashHub {
  /** Holds its data, and what goes with it. */
  readonly dir: string;
  #hub: Hub;
  readonly #adminToken: string;
  /** What is under way of an outage. */
  #turnover: Promise<void> = Promise.resolve();

  private constructor(dir: string, hub: Hub) {
    this.dir = dir;
    this.#hub = hub;
    this.#adminToken = readFileSync(join(hub.options.dataDir, "admin-token"), "utf8").trim();
  }

  /** Starts a hub with its data and log in `dir`. Restarting often is what it is for, so tokens are not rationed. */
  static async start(dir: string): Promise<CrashHub> {
    const files = { dataDir: join(dir, "hub"), logFile: join(dir, "hub.log") };
    const extraArgs = ["--tokens-per-hour", "1000000"];
    return new CrashHub(dir, await Hub.start({ ...files, port: 0, program: PROGRAM, extraArgs }));
  }

  get url(): string {
    return this.#hub.url;
  }

  /** `kill -9`, and the same hub again on the same port. */
  killAndRestart(): Promise<void> {
    this.#turnover = this.#replace(this.#turnover);
    return this.#turnover;
  }

  async #replace(earlier: Promise<void>): Promise<void> {
    await earlier;
    await this.#hub.kill();
    this.#hub = await this.#hub.again();
  }

  async close(): Promise<void> {
    await this.#turnover.catch(() => undefined);
    await this.#hub.stop();
  }

  topic(name: string): Promise<string> {
    return this.#make("/console/topics", { name }, "topic_id");
  }

  script(
    name: string,
    grants: { readonly read: readonly string[]; readonly write: readonly string[] },
  ): Promise<string> {
    return this.#make("/console/scripts", { name, ...grants }, "script_id");
  }

  /** A single-use activation code. */
  code(scriptId: string, generation: "a" | "b"): Promise<string> {
    return this.#make(`/console/scripts/${scriptId}/activation-codes`, { ttl: "1h", generation }, "activation_code");
  }

  /** Uses up a code, if it is not used up yet. */
  async redeem(code: string): Promise<void> {
    const body = JSON.stringify({ activation_code: code });
    await this.#post("/auth/activate", {}, body);
  }

  async #make(path: string, body: object, field: string): Promise<string> {
    const answer = await this.#post(path, { authorization: `Bearer ${this.#adminToken}` }, JSON.stringify(body));
    const document = (await answer.json()) as Record<string, unknown>;
    const value = document[field];
    if (typeof value !== "string") throw new Error(`${path} gave HTTP ${answer.status} without ${field}`);
    return value;
  }

  #post(path: string, headers: Readonly<Record<string, string>>, body: string): Promise<Response> {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const method = "POST";
    return fetch(this.url + path, {
      method,
      headers: { ...headers, "content-type": "application/json" },
      body,
      signal,
    });
  }
}
