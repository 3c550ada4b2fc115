/** A million entities: what they weigh, and how long until the world is back. */

import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Benchmark, sized } from "../lib/benchmark.ts";
import { Place } from "../lib/place.ts";
import { residentMiB } from "../lib/process-memory.ts";
import { fillWorld } from "../lib/world.ts";

const ENTITIES = 1_000_000;
const LIVE_LIMIT_MS = 120_000;
const LOOK_EVERY_MS = 20;
const BYTES_PER_MIB = 1024 * 1024;

async function untilReady(url: string): Promise<void> {
  for (const end = Date.now() + LIVE_LIMIT_MS; Date.now() < end; await sleep(LOOK_EVERY_MS)) {
    if ((await fetch(`${url}/readyz`)).ok) return;
  }
  throw new Error("the world is not back");
}

async function snapshotMiB(dir: string): Promise<number> {
  const names = await readdir(dir);
  const sizes = await Promise.all(names.map(async (name) => (await stat(path.join(dir, name))).size));
  return Math.max(0, ...sizes) / BYTES_PER_MIB;
}

/** How long the next snapshot is being written, which falls due by itself after so many events. */
async function snapshotTime(dir: string): Promise<number> {
  let begun: number | undefined;
  for (const end = performance.now() + LIVE_LIMIT_MS; performance.now() < end; await sleep(LOOK_EVERY_MS)) {
    const names = await readdir(dir);
    if (names.some((name) => name.endsWith(".tmp"))) begun ??= performance.now();
    if (names.some((name) => name.endsWith(".world"))) return performance.now() - (begun ?? performance.now());
  }
  throw new Error("no snapshot was written");
}

/** From the spawn of the process until `/readyz` says that the world is whole. */
async function restart(dir: string): Promise<{ readonly place: Place; readonly ms: number }> {
  const begin = performance.now();
  const place = await Place.open(dir);
  await untilReady(place.hub.url);
  return { place, ms: performance.now() - begin };
}

export const benchmark: Benchmark = {
  method:
    "1,000,000 entities of about 100 bytes, published in batches. The hub is stopped and started again: from the spawn of " +
    "the process until /readyz says ready, from a snapshot where there is one and from the log behind it. The snapshot's " +
    "time is that of its file under its temporary name, looked at fifty times a second.",
  async run(options) {
    const dir = path.join(options.dir, "place");
    const entities = sized(options, ENTITIES);
    const first = await Place.open(dir);
    const emptyMiB = residentMiB(first.hubPid);
    await fillWorld(first.hub.url, entities);
    const fullMiB = residentMiB(first.hubPid);
    const snapshotMs = await snapshotTime(path.join(dir, "hub", "world"));
    await first.close();
    const again = await restart(dir);
    const restoredMiB = residentMiB(again.place.hubPid);
    await again.place.close();
    const size = await snapshotMiB(path.join(dir, "hub", "world"));
    const times = { unit: "ms", better: "lower", samples: 1, noise: 500 } as const;
    return [
      {
        id: "world/restart/memory",
        what: `resident memory of the hub with ${entities.toLocaleString("en-US")} entities`,
        unit: "MiB",
        better: "lower",
        value: restoredMiB,
        samples: 1,
        noise: 50,
        note: `${emptyMiB.toFixed(0)} MiB empty, ${fullMiB.toFixed(0)} MiB right after the events`,
      },
      {
        ...times,
        id: "world/restart/time",
        what: `spawn to ready with ${entities.toLocaleString("en-US")} entities`,
        value: again.ms,
        note: size > 0 ? `with a snapshot of ${size.toFixed(0)} MiB` : "from the log alone",
      },
      {
        ...times,
        id: "world/restart/snapshot",
        what: `snapshot of ${entities.toLocaleString("en-US")} entities`,
        value: snapshotMs,
      },
    ];
  },
};
