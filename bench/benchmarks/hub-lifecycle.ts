/** How long the hub takes to be there and to be gone, and what it weighs at rest. */

import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Benchmark, sized } from "../lib/benchmark.ts";
import { Place } from "../lib/place.ts";
import { residentMiB } from "../lib/process-memory.ts";
import { median, p50p99 } from "../lib/stats.ts";

const CYCLES = 10;
const REST_MS = 2_000;

export const benchmark: Benchmark = {
  method:
    "The hub's command line is started and stopped 10 times on the same folder: from the spawn of the process to its first " +
    "line of output, when it listens, and from the signal to the end of the process. Memory after 2 s at rest.",
  async run(options) {
    const dir = path.join(options.dir, "place");
    const starts: number[] = [];
    const stops: number[] = [];
    const restingMiB: number[] = [];
    for (let i = 0; i < sized(options, CYCLES); i += 1) {
      const begin = performance.now();
      const place = await Place.open(dir);
      starts.push(performance.now() - begin);
      await sleep(REST_MS);
      restingMiB.push(residentMiB(place.hubPid));
      const stopAt = performance.now();
      await place.close();
      stops.push(performance.now() - stopAt);
    }
    const times = { unit: "ms", better: "lower", samples: starts.length, noise: 100 } as const;
    return [
      {
        ...times,
        id: "hub/lifecycle/start",
        what: "hub, from spawn to listening, median",
        value: median(starts),
        latency: p50p99(starts),
      },
      {
        ...times,
        id: "hub/lifecycle/stop",
        what: "hub, from signal to the end of the process, median",
        value: median(stops),
        latency: p50p99(stops),
      },
      {
        id: "hub/lifecycle/memory",
        what: "resident memory of the hub at rest",
        unit: "MiB",
        better: "lower",
        value: median(restingMiB),
        samples: restingMiB.length,
        noise: 10,
      },
    ];
  },
};
