/** Owns hubs that live on one folder after another, and the ways in which a life ends. */
import { cp, readdir } from "node:fs/promises";
import { join } from "node:path";
import { startHub } from "../../../src/server.ts";
import type { HubOptions, RunningHub } from "../../../src/server.ts";
import { tempFolder } from "../../support/hub.ts";

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
