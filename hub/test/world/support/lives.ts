/** Owns hubs that live on one folder after another, and the ways in which a life ends. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cp, readdir } from "node:fs/promises";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { startHub } from "../../../src/server.ts";
import type { HubOptions, RunningHub } from "../../../src/server.ts";
import { tempFolder, textOf } from "../../support/hub.ts";

/** A hub that can be killed. */
export async function childHub(
  dataDir: string,
  ...args: string[]
): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const script = join(import.meta.dirname, "../../support/child-hub.ts");
  const child = spawn(process.execPath, [script, dataDir, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return { child, url: textOf((JSON.parse(line.toString()) as { url: string }).url) };
}

/** One life of a hub, ended in good order. */
export async function withHub<T>(
  dataDir: string,
  work: (hub: RunningHub) => Promise<T>,
  options: Partial<HubOptions> = {},
): Promise<T> {
  const hub = await startHub({ dataDir, port: 0, logLevel: "silent", ...options });
  try {
    await hub.deps.world.restored;
    return await work(hub);
  } finally {
    await hub.close();
  }
}

/** Everything there is to know of a world, in order of ids. */
export function recordsOf(hub: RunningHub): object[] {
  return hub.deps.world.state
    .records()
    .map(({ older: _older, newer: _newer, ...fields }) => fields)
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

/** What a kill at this moment would leave of a hub at rest: its folder, without what it does when it stops. */
export async function killed(dataDir: string): Promise<string> {
  const left = await tempFolder();
  for (const name of await readdir(dataDir)) {
    if (name !== "lock.db") await cp(join(dataDir, name), join(left, name), { recursive: true });
  }
  return left;
}
