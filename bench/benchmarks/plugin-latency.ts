/** From the moment a command is published to the start of its turn, alone and under load. */

import { randomInt } from "node:crypto";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type AccountChild, accountChild, settingsFor, untilSettled } from "../lib/account-api.ts";
import { bareChild } from "../lib/bare-api.ts";
import type { Benchmark, RunOptions } from "../lib/benchmark.ts";
import { sized } from "../lib/benchmark.ts";
import { stamp } from "../lib/clock.ts";
import { Connection, requestBytes } from "../lib/connection.ts";
import type { Figure } from "../lib/figure.ts";
import { assertSuccess, openLoop } from "../lib/load.ts";
import { commandEvent, type Pair, Place } from "../lib/place.ts";
import { percentile, p50p99 } from "../lib/stats.ts";

const IDLE_SAMPLES = 400;
/** Far enough apart that each command meets a process at rest. */
const IDLE_GAP_MS = [20, 40] as const;
const CONNECTIONS = 64;
const SETTLE_MS = 120_000;
/** The most the configuration allows; with the default of 3, few turns would show that the echo agent takes no time. */
const MAX_CONCURRENCY = 64;

const BUDGET_IDLE_P50_MS = 1.5;
const BUDGET_IDLE_P99_MS = 8;

const LOADS = [
  { perSecond: 100, durationMs: 10_000 },
  { perSecond: 1_000, durationMs: 6_000 },
  { perSecond: 5_000, durationMs: 4_000 },
] as const;

function publishRequest(place: Place, pair: Pair): string {
  const url = place.eventsUrl(pair.commandTopicId);
  return requestBytes({ method: "POST", url, token: pair.askerToken, json: commandEvent(stamp()) });
}

async function publishOneByOne(place: Place, pair: Pair, count: number): Promise<void> {
  const connection = await Connection.open(place.hub.url);
  for (let i = 0; i < count; i += 1) {
    assertSuccess(await connection.send(publishRequest(place, pair)));
    await sleep(randomInt(...IDLE_GAP_MS));
  }
  connection.close();
}

async function bareIdle(place: Place, count: number): Promise<number[]> {
  const pair = await place.pair();
  const child = bareChild();
  try {
    await child.call("listen", { url: place.hub.url, token: pair.askerToken, topicId: pair.commandTopicId });
    await publishOneByOne(place, pair, count);
    return await child.call("takeLatencies");
  } finally {
    await child.stop();
  }
}

async function idle(place: Place, options: RunOptions): Promise<Figure[]> {
  const count = sized(options, IDLE_SAMPLES);
  const floor = p50p99(await bareIdle(place, count));
  const { child, pair } = await startedAccount(place, {});
  try {
    await publishOneByOne(place, pair, Math.ceil(count / 10));
    await child.call("takeLatencies");
    await publishOneByOne(place, pair, count);
    const latenciesMs = await child.call("takeLatencies");
    const { p50Ms, p99Ms } = p50p99(latenciesMs);
    const common = { unit: "ms", better: "lower", samples: latenciesMs.length } as const;
    const what = "publish to turn start, idle";
    const bare = "hint and pull in undici, nothing kept";
    return [
      {
        ...common,
        id: "plugin/latency/idle/p50",
        what: `${what}, p50`,
        value: p50Ms,
        budget: BUDGET_IDLE_P50_MS,
        floor: { what: bare, value: floor.p50Ms },
        noise: 0.3,
      },
      {
        ...common,
        id: "plugin/latency/idle/p99",
        what: `${what}, p99`,
        value: p99Ms,
        budget: BUDGET_IDLE_P99_MS,
        floor: { what: bare, value: floor.p99Ms },
        noise: 3,
      },
    ];
  } finally {
    await child.stop();
  }
}

async function startedAccount(place: Place, settings: object): Promise<{ child: AccountChild; pair: Pair }> {
  const pair = await place.pair();
  const child = accountChild();
  await child.call("start", await place.agentHome(pair), settingsFor(place, pair, { ...settings }));
  return { child, pair };
}

async function underLoad(place: Place, load: (typeof LOADS)[number], options: RunOptions): Promise<Figure[]> {
  const { child, pair } = await startedAccount(place, { maxConcurrency: MAX_CONCURRENCY });
  const connections = await Connection.openMany(place.hub.url, CONNECTIONS);
  try {
    const before = await child.call("turns");
    const durationMs = sized(options, load.durationMs);
    const published = await openLoop(connections, { ...load, durationMs }, () => publishRequest(place, pair));
    const started = (await child.call("turns")) - before;
    await untilSettled(child, before + published.done, SETTLE_MS);
    const latenciesMs = await child.call("takeLatencies");
    const offered = load.perSecond.toLocaleString("en-US");
    const publishedPerSecond = (published.done / published.elapsedMs) * 1000;
    const startedPerSecond = (started / published.elapsedMs) * 1000;
    const note =
      `offered ${offered}/s, published ${Math.round(publishedPerSecond)}/s, ` +
      `turns started meanwhile ${Math.round(startedPerSecond)}/s, maxConcurrency ${MAX_CONCURRENCY}`;
    const common = { samples: latenciesMs.length, note } as const;
    const id = `plugin/latency/${load.perSecond}`;
    return [
      {
        ...common,
        id: `${id}/p50`,
        what: `publish to turn start, ${offered}/s, p50`,
        unit: "ms",
        better: "lower",
        value: percentile(latenciesMs, 0.5),
        noise: 1,
      },
      {
        ...common,
        id: `${id}/p99`,
        what: `publish to turn start, ${offered}/s, p99`,
        unit: "ms",
        better: "lower",
        value: percentile(latenciesMs, 0.99),
        noise: 5,
      },
      {
        ...common,
        id: `${id}/turns`,
        what: `turns started while ${offered}/s are offered`,
        unit: "events/s",
        better: "higher",
        value: startedPerSecond,
      },
    ];
  } finally {
    for (const connection of connections) connection.close();
    await child.stop();
  }
}

export const benchmark: Benchmark = {
  method:
    "A real hub process, an account of the plugin in a process of its own with an agent that echoes at once, and a " +
    "publisher, all on loopback. Commands of 1 KB carry the monotonic time of their publishing; the turn reads it. " +
    "Idle: one command every 20 to 40 ms. Under load: sent at the given rate whatever the answers (no coordinated omission).",
  async run(options) {
    const place = await Place.open(path.join(options.dir, "place"));
    try {
      const figures = await idle(place, options);
      for (const load of LOADS) figures.push(...(await underLoad(place, load, options)));
      return figures;
    } finally {
      await place.close();
    }
  },
};
