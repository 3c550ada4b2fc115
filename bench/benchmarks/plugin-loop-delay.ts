/** What the plugin costs the gateway it lives in: event-loop delay at 100 commands a second, over the same process idle. */

import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type AccountChild, accountChild, type LoopDelay, settingsFor, untilSettled } from "../lib/account-api.ts";
import { type Benchmark, type RunOptions, sized } from "../lib/benchmark.ts";
import { stamp } from "../lib/clock.ts";
import { Connection, requestBytes } from "../lib/connection.ts";
import type { Figure } from "../lib/figure.ts";
import { openLoop } from "../lib/load.ts";
import { commandEvent, type Pair, Place } from "../lib/place.ts";
import { slowDisk } from "../lib/slow-disk.ts";
import { percentile } from "../lib/stats.ts";

const PER_SECOND = 100;
const WATCH_MS = 15_000;
const WARM_MS = 2_000;
const SETTLE_MS = 60_000;
const CONNECTIONS = 8;
const SLOW_FSYNC_MS = 20;
/** With the default of 3, two flushes of 20 ms a turn would not let 100 turns a second through. */
const MAX_CONCURRENCY = 64;
const BUDGET_ADDED_P99_MS = 5;

async function load(place: Place, pair: Pair, child: AccountChild, durationMs: number): Promise<void> {
  const before = await child.call("turns");
  const connections = await Connection.openMany(place.hub.url, CONNECTIONS);
  const url = place.eventsUrl(pair.commandTopicId);
  const { done } = await openLoop(connections, { perSecond: PER_SECOND, durationMs }, () =>
    requestBytes({ method: "POST", url, token: pair.askerToken, json: commandEvent(stamp()) }),
  );
  for (const connection of connections) connection.close();
  await untilSettled(child, before + done, SETTLE_MS);
}

async function watched(child: AccountChild, work: () => Promise<unknown>): Promise<LoopDelay> {
  await child.call("watchLoop");
  await work();
  return await child.call("loopDelay");
}

async function measure(
  place: Place,
  options: RunOptions,
  disk: { readonly id: string; readonly what: string; readonly env: NodeJS.ProcessEnv; readonly note: string },
): Promise<Figure[]> {
  const watchMs = sized(options, WATCH_MS);
  const pair = await place.pair();
  const child = accountChild(disk.env);
  try {
    await child.call(
      "start",
      await place.agentHome(pair),
      settingsFor(place, pair, { maxConcurrency: MAX_CONCURRENCY }),
    );
    await load(place, pair, child, sized(options, WARM_MS));
    const idle = await watched(child, () => sleep(watchMs));
    await child.call("takeLatencies");
    const loaded = await watched(child, () => load(place, pair, child, watchMs));
    const latenciesMs = await child.call("takeLatencies");
    await child.call("stop");
    const idleText = `idle p50 ${idle.p50Ms.toFixed(2)}, p99 ${idle.p99Ms.toFixed(2)}, max ${idle.maxMs.toFixed(1)} ms`;
    const loadText = `at work p50 ${loaded.p50Ms.toFixed(2)}, p99 ${loaded.p99Ms.toFixed(2)}, max ${loaded.maxMs.toFixed(1)} ms`;
    return [
      {
        id: `plugin/loop-delay/${disk.id}/added-p99`,
        what: `event-loop delay added at ${PER_SECOND}/s, ${disk.what}, p99`,
        unit: "ms",
        better: "lower",
        value: Math.max(0, loaded.p99Ms - idle.p99Ms),
        samples: loaded.count,
        budget: BUDGET_ADDED_P99_MS,
        noise: 1,
        note: `readings of a timer of 1 ms: ${idleText}; ${loadText}. ${disk.note}`,
      },
      {
        id: `plugin/loop-delay/${disk.id}/latency-p50`,
        what: `publish to turn start, ${PER_SECOND}/s, ${disk.what}, p50`,
        unit: "ms",
        better: "lower",
        value: percentile(latenciesMs, 0.5),
        samples: latenciesMs.length,
        noise: 1,
      },
    ];
  } finally {
    await child.stop();
  }
}

export const benchmark: Benchmark = {
  method:
    "perf_hooks.monitorEventLoopDelay (resolution 1 ms) in the account's process: at rest, then at 100 commands of 1 KB " +
    "a second, 15 s each; the difference of the 99th percentiles. Once with the disk as it is, once with every fsync and " +
    "fdatasync of that process 20 ms longer (a preloaded library).",
  async run(options) {
    const place = await Place.open(path.join(options.dir, "place"));
    try {
      const kind = { id: "disk", what: "disk as it is", env: {}, note: "" };
      const figures = await measure(place, options, kind);
      const env = await slowDisk(options.dir, SLOW_FSYNC_MS);
      if (env === undefined) return figures;
      const note = `Every fsync and fdatasync of the process takes ${SLOW_FSYNC_MS} ms longer.`;
      const slow = { id: "slow-disk", what: `${SLOW_FSYNC_MS} ms per fsync`, env, note };
      return [...figures, ...(await measure(place, options, slow))];
    } finally {
      await place.close();
    }
  },
};
