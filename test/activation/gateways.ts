/** Gateway starts in processes of their own. */

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { expect, onTestFinished } from "vitest";
import type { AccountPaths } from "../../src/credentials/home.ts";

const CHILD = new URL("fixtures/activate-child.ts", import.meta.url).pathname;

export interface Gateway {
  readonly child: ChildProcess;
  /** The next thing it says. */
  readonly line: () => Promise<Record<string, unknown>>;
}

/** Starts a process that will activate when told to `go`; it is ended with the test. */
export async function startGateway(paths: AccountPaths, baseUrl: string): Promise<Gateway> {
  const child = spawn(process.execPath, [CHILD, paths.base, baseUrl], { stdio: ["pipe", "pipe", "inherit"] });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => JSON.parse(String((await lines.next()).value)) as Record<string, unknown>;
  expect(await line()).toEqual({ ready: true });
  return { child, line };
}

export function go(gateway: Gateway): void {
  gateway.child.stdin?.write("go\n");
}

/** Lets all of them go at once; resolves with how each ended. */
export async function goAll(gateways: readonly Gateway[]): Promise<readonly Record<string, unknown>[]> {
  for (const gateway of gateways) go(gateway);
  return await Promise.all(gateways.map((gateway) => gateway.line()));
}
