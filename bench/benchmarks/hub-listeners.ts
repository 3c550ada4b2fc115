/** Ten thousand open hint streams: what they weigh at rest, and how long one hint takes to reach all of them. */

import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Benchmark, sized } from "../lib/benchmark.ts";
import { Connection, requestBytes } from "../lib/connection.ts";
import { Listeners } from "../lib/listeners.ts";
import { assertSuccess } from "../lib/load.ts";
import { commandEvent, Place } from "../lib/place.ts";
import { residentMiB } from "../lib/process-memory.ts";
import { median, p50p99, percentile } from "../lib/stats.ts";

const LISTENERS = 10_000;
const REST_MS = 3_000;
const HINTS = 20;
const HINT_PAUSE_MS = 200;
const HINT_LIMIT_MS = 30_000;
const BUDGET_MIB = 250;

export const benchmark: Benchmark = {
  method:
    "One process opens 10,000 event streams of one topic (each process needs that many file descriptors). Memory is the " +
    "hub's whole resident memory after 3 s at rest. Then one event is published 20 times; each stream notes when its hint arrives.",
  async run(options) {
    const place = await Place.open(path.join(options.dir, "place"));
    const listeners = new Listeners();
    try {
      const pair = await place.pair();
      const url = place.eventsUrl(pair.commandTopicId);
      const count = sized(options, LISTENERS);
      await sleep(REST_MS);
      const emptyMiB = residentMiB(place.hubPid);
      await listeners.open(`${url}/stream`, pair.askerToken, count);
      await sleep(REST_MS);
      const fullMiB = residentMiB(place.hubPid);

      const publisher = await Connection.open(place.hub.url);
      const toAll: number[] = [];
      const each: number[] = [];
      for (let i = 0; i < sized(options, HINTS); i += 1) {
        const request = requestBytes({ method: "POST", url, token: pair.askerToken, json: commandEvent("") });
        const delaysMs = await listeners.hintsAfter(
          performance.now(),
          async () => assertSuccess(await publisher.send(request)),
          HINT_LIMIT_MS,
        );
        toAll.push(Math.max(...delaysMs));
        each.push(...delaysMs);
        await sleep(HINT_PAUSE_MS);
      }
      publisher.close();
      const perListenerKiB = ((fullMiB - emptyMiB) * 1024) / count;
      return [
        {
          id: "hub/listeners/memory",
          what: `resident memory of the hub with ${count.toLocaleString("en-US")} idle listeners`,
          unit: "MiB",
          better: "lower",
          value: fullMiB,
          samples: count,
          budget: BUDGET_MIB,
          noise: 10,
          note: `${emptyMiB.toFixed(0)} MiB without listeners, ${perListenerKiB.toFixed(1)} KiB each`,
        },
        {
          id: "hub/listeners/fan-out",
          what: `publish to the last of ${count.toLocaleString("en-US")} hints, median`,
          unit: "ms",
          better: "lower",
          value: median(toAll),
          latency: p50p99(each),
          samples: each.length,
          noise: 20,
          note: `slowest of ${toAll.length}: ${percentile(toAll, 1).toFixed(0)} ms`,
        },
      ];
    } finally {
      listeners.close();
      await place.close();
    }
  },
};
