/** A backlog taken over: pulled, read as commands, journaled. Rate and memory over time. */

import { setTimeout as sleep } from "node:timers/promises";
import path from "node:path";
import { bareChild } from "../lib/bare-api.ts";
import { type Benchmark, type RunOptions, sized } from "../lib/benchmark.ts";
import { drainChild } from "../lib/drain-api.ts";
import type { Figure } from "../lib/figure.ts";
import { type Pair, Place } from "../lib/place.ts";
import { residentMiB, traceMemory } from "../lib/process-memory.ts";
import { sqliteRowsPerSecond } from "../lib/sqlite-floor.ts";
import { drift, median } from "../lib/stats.ts";

const EVENTS = 100_000;
const LONG_EVENTS = 1_000_000;
const REST_MS = 2_000;
const PAGE = 1_000;
const FLOOR_MS = 2_000;
const ROUNDS = 3;

const BUDGET_EVENTS_PER_S = 60_000;
const BUDGET_MEMORY_MIB = 64;

interface Round {
  readonly perSecond: number;
  readonly idleMiB: number;
  readonly readingsMiB: readonly number[];
}

async function drainOnce(place: Place, pair: Pair, events: number, name: string): Promise<Round> {
  const child = drainChild();
  try {
    const directory = path.join(place.dir, name);
    const credentials = await place.agentCredentials(pair);
    await child.call("prepare", { directory, credentials, topicId: pair.commandTopicId });
    await sleep(REST_MS);
    const idleMiB = residentMiB(child.pid);
    const memory = traceMemory(child.pid);
    const { received, pages } = await child.call("drain", events);
    memory.stop();
    if (received !== events) throw new Error(`${received} of ${events} events are in the journal`);
    const lastMs = pages.at(-1)?.ms ?? Number.NaN;
    return { perSecond: (events / lastMs) * 1000, idleMiB, readingsMiB: memory.readingsMiB };
  } finally {
    await child.stop();
  }
}

async function floors(place: Place, pair: Pair, options: RunOptions): Promise<{ pull: number; insert: number }> {
  const bare = bareChild();
  try {
    const target = { url: place.hub.url, token: pair.askerToken, topicId: pair.commandTopicId };
    const { count, elapsedMs } = await bare.call("pull", target);
    const insert = sqliteRowsPerSecond(path.join(place.dir, "floor"), PAGE, sized(options, FLOOR_MS));
    return { pull: (count / elapsedMs) * 1000, insert };
  } finally {
    await bare.stop();
  }
}

export const benchmark: Benchmark = {
  method:
    "A topic holds a backlog of commands of 1 KB. A process with the plugin's intake, parser and journal (no dispatcher) " +
    "takes them over from the beginning; the clock stops when the last page is on disk. Memory is the resident memory " +
    "of that process, read ten times a second, against the same process at rest. Default 100,000 events, --long 1,000,000.",
  async run(options) {
    const events = options.long ? LONG_EVENTS : sized(options, EVENTS);
    const place = await Place.open(path.join(options.dir, "place"));
    try {
      const pair = await place.pair();
      await place.fill(pair, events);
      const floor = await floors(place, pair, options);
      const rounds: Round[] = [];
      for (let i = 0; i < (options.long ? 1 : ROUNDS); i += 1) {
        rounds.push(await drainOnce(place, pair, events, `journal-${i}`));
      }
      return figuresOf(rounds, events, floor);
    } finally {
      await place.close();
    }
  },
};

function figuresOf(rounds: readonly Round[], events: number, floor: { pull: number; insert: number }): Figure[] {
  const over = rounds.map(({ idleMiB, readingsMiB }) => Math.max(...readingsMiB) - idleMiB);
  const note =
    `${rounds.length} run(s) of ${events.toLocaleString("en-US")} events; at rest ` +
    `${median(rounds.map((round) => round.idleMiB)).toFixed(0)} MiB; bare inserts, ${PAGE} a commit: ${Math.round(floor.insert)}/s`;
  const size = events >= LONG_EVENTS ? "1,000,000" : "100,000";
  const id = events >= LONG_EVENTS ? "plugin/drain/long" : "plugin/drain";
  const readings = rounds.reduce((sum, round) => sum + round.readingsMiB.length, 0);
  return [
    {
      id: `${id}/rate`,
      what: `backlog of ${size} drained and journaled`,
      unit: "events/s",
      better: "higher",
      value: median(rounds.map((round) => round.perSecond)),
      samples: rounds.length * events,
      budget: BUDGET_EVENTS_PER_S,
      floor: { what: "undici pull and JSON.parse, nothing kept", value: floor.pull },
      note,
    },
    {
      id: `${id}/memory/max`,
      what: `resident memory over idle while draining ${size}, highest`,
      unit: "MiB",
      better: "lower",
      value: median(over),
      samples: readings,
      budget: BUDGET_MEMORY_MIB,
      noise: 16,
      note,
    },
    {
      id: `${id}/memory/drift`,
      what: `resident memory growth from the middle third to the last while draining ${size}`,
      unit: "MiB",
      better: "lower",
      value: median(rounds.map(({ readingsMiB }) => drift(readingsMiB))),
      samples: readings,
      noise: 16,
      note,
    },
  ];
}
