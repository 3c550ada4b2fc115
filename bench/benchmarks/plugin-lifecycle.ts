/** How long an account takes to be there, and to be gone. */

import path from "node:path";
import { accountChild, settingsFor } from "../lib/account-api.ts";
import { type Benchmark, sized } from "../lib/benchmark.ts";
import { Place } from "../lib/place.ts";
import { p50p99, percentile } from "../lib/stats.ts";

/** A script may ask for sixty tokens an hour, and each start asks for one. */
const CYCLES = 30;
const BUDGET_MS = 1_000;

export const benchmark: Benchmark = {
  method:
    "One process starts and stops its account 30 times: from the call to ready with the hint stream open, and from the " +
    "abort to the end of the account's promise, with nothing under way. The first start, which activates a code, is left out.",
  async run(options) {
    const place = await Place.open(path.join(options.dir, "place"));
    const child = accountChild();
    try {
      const pair = await place.pair();
      const [paths, settings] = [await place.agentHome(pair), settingsFor(place, pair)];
      await child.call("start", paths, settings);
      await child.call("stop");
      const starts: number[] = [];
      const stops: number[] = [];
      for (let i = 0; i < sized(options, CYCLES); i += 1) {
        const { readyMs, connectedMs } = await child.call("start", paths, settings);
        starts.push(Math.max(readyMs, connectedMs));
        stops.push(await child.call("stop"));
      }
      const common = { unit: "ms", better: "lower", samples: starts.length, budget: BUDGET_MS, noise: 50 } as const;
      return [
        {
          ...common,
          id: "plugin/lifecycle/start",
          what: "account start to ready and connected, slowest",
          value: percentile(starts, 1),
          latency: p50p99(starts),
        },
        {
          ...common,
          id: "plugin/lifecycle/stop",
          what: "account stop with idle lanes, slowest",
          value: percentile(stops, 1),
          latency: p50p99(stops),
        },
      ];
    } finally {
      await child.stop();
      await place.close();
    }
  },
};
