/** A backlog worked off by a whole account: taken over, run, answered. Rate and memory over time. */

import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { accountChild, settingsFor, untilSettled } from "../lib/account-api.ts";
import { type Benchmark, sized } from "../lib/benchmark.ts";
import { monotonicMs } from "../lib/clock.ts";
import { Place } from "../lib/place.ts";
import { residentMiB, traceMemory } from "../lib/process-memory.ts";
import { drift } from "../lib/stats.ts";

const EVENTS = 20_000;
const LONG_EVENTS = 1_000_000;
const REST_MS = 2_000;
const LOOK_EVERY_MS = 100;
const TIME_LIMIT_MS = 3_000_000;
const MAX_CONCURRENCY = 64;
const BUDGET_MEMORY_MIB = 64;

export const benchmark: Benchmark = {
  method:
    "A topic holds a backlog of commands of 1 KB of a thousand conversations. An account with an agent that echoes at once " +
    "(maxConcurrency 64) works them off; the clock stops when the last reply is published. Memory as in plugin-drain, " +
    "against the same process with the account at rest on an empty topic. Default 20,000 commands, --long 1,000,000.",
  async run(options) {
    const events = options.long ? LONG_EVENTS : sized(options, EVENTS);
    const place = await Place.open(path.join(options.dir, "place"));
    const child = accountChild();
    try {
      const empty = await place.pair();
      await child.call("start", await place.agentHome(empty), settingsFor(place, empty));
      await sleep(REST_MS);
      const idleMiB = residentMiB(child.pid);
      const idleLiveMiB = await child.call("liveMiB");
      await child.call("stop");

      const pair = await place.pair();
      await place.fill(pair, events);
      const settings = settingsFor(place, pair, { startFrom: "earliest", maxConcurrency: MAX_CONCURRENCY });
      const paths = await place.agentHome(pair);
      const memory = traceMemory(child.pid);
      const begin = monotonicMs();
      await child.call("start", paths, settings);
      while ((await child.call("turns")) < events / 2) await sleep(LOOK_EVERY_MS);
      const liveMiB = await child.call("liveMiB");
      await untilSettled(child, events, TIME_LIMIT_MS);
      const elapsedMs = monotonicMs() - begin;
      memory.stop();
      await child.call("stop");

      const size = events >= LONG_EVENTS ? "1,000,000" : "20,000";
      const id = events >= LONG_EVENTS ? "plugin/backlog/long" : "plugin/backlog";
      const note = `at rest ${idleMiB.toFixed(0)} MiB; at the end ${memory.readingsMiB.at(-1)?.toFixed(0)} MiB`;
      const readings = { unit: "MiB", better: "lower", samples: memory.readingsMiB.length, noise: 16, note } as const;
      return [
        {
          id: `${id}/rate`,
          what: `backlog of ${size} answered, from event to published reply`,
          unit: "events/s",
          better: "higher",
          value: (events / elapsedMs) * 1000,
          samples: events,
          note,
        },
        {
          ...readings,
          id: `${id}/memory/max`,
          what: `resident memory over idle while answering ${size}, highest`,
          value: Math.max(...memory.readingsMiB) - idleMiB,
          budget: BUDGET_MEMORY_MIB,
        },
        {
          ...readings,
          id: `${id}/memory/live`,
          what: `memory in use over idle halfway through ${size}, after a collection`,
          value: liveMiB - idleLiveMiB,
          samples: 1,
        },
        {
          ...readings,
          id: `${id}/memory/drift`,
          what: `resident memory growth from the middle third to the last while answering ${size}`,
          value: drift(memory.readingsMiB),
        },
      ];
    } finally {
      await child.stop();
      await place.close();
    }
  },
};
