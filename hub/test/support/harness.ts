/** Owns a hub for tests: started on a folder of its own and a free port, with the means to set it up. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import * as operations from "../../src/admin/operations.ts";
import type { Clock } from "../../src/runtime.ts";
import type { HubOptions, RunningHub } from "../../src/server.ts";
import { startHub } from "../../src/server.ts";

/** A clock that a test moves. It starts at the real time, because signatures and sockets know only that. */
export interface TestClock extends Clock {
  advance(ms: number): void;
}

export function testClock(): TestClock {
  let offset = 0;
  return { now: () => Date.now() + offset, advance: (ms) => void (offset += ms) };
}

export interface Client {
  readonly scriptId: string;
  /** Calls with this script's access token. A body that is no string is sent as JSON. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
  readonly token: string;
}

export interface TestHub {
  readonly url: string;
  readonly dataDir: string;
  readonly running: RunningHub;
  /** Calls with the admin token. */
  admin(method: string, path: string, body?: unknown): Promise<Response>;
  /** Makes a topic; its bare UUID. */
  topic(name: string): Promise<string>;
  /** Makes a script with grants, and gets it an access token. */
  client(
    name: string,
    grants: { readonly read?: readonly string[]; readonly write?: readonly string[] },
  ): Promise<Client>;
  /** Starts a hub again on the same folder. */
  restart(): Promise<void>;
}

/** A folder that is gone when the test is over. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "agentrux-hub-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts a hub that stops when the test is over. */
export async function startTestHub(options: Partial<HubOptions> = {}): Promise<TestHub> {
  const dataDir = await temporaryFolder();
  const start = () => startHub({ dataDir, port: 0, logLevel: "silent", ...options });
  let running = await start();
  onTestFinished(() => running.close());

  const call = (token: string, method: string, path: string, body?: unknown, headers?: Record<string, string>) =>
    fetch(running.url + path, {
      method,
      headers: { Authorization: `Bearer ${token}`, ...headers },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
      redirect: "manual",
    });

  return {
    get url() {
      return running.url;
    },
    get running() {
      return running;
    },
    dataDir,
    admin: (method, path, body) => call(running.adminToken, method, path, body),
    async topic(name) {
      return (await operations.createTopic(running.deps, { name })).id;
    },
    async client(name, grants) {
      const script = await operations.createScript(running.deps, { name, ...grants });
      const { code } = await operations.issueActivationCode(running.deps, { script: script.id });
      const activated = await fetch(`${running.url}/auth/activate`, {
        method: "POST",
        body: JSON.stringify({ activation_code: code }),
      });
      const credentials = await document(activated);
      const issued = await fetch(`${running.url}/auth/token`, {
        method: "POST",
        body: JSON.stringify({ script_id: credentials["script_id"], client_secret: credentials["client_secret"] }),
      });
      const token = String((await document(issued))["access_token"]);
      return {
        scriptId: script.id,
        token,
        call: (method, path, body, headers) => call(token, method, path, body, headers),
      };
    },
    async restart() {
      await running.close();
      running = await start();
    },
  };
}

/** An answer's JSON object. */
export async function document(response: Response): Promise<Record<string, unknown>> {
  const value: unknown = await response.json();
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new TypeError("the answer is no JSON object");
}

/** Waits until `check` holds; the test's own time limit ends a wait in vain. */
export async function until(check: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await check())) await new Promise((resolve) => setTimeout(resolve, 10));
}
