/** What the hub stores: single publishes and batches, acknowledged when they are on disk. */

import path from "node:path";
import { type Benchmark, type RunOptions, sized } from "../lib/benchmark.ts";
import { Connection, requestBytes } from "../lib/connection.ts";
import type { Figure } from "../lib/figure.ts";
import { httpSender } from "../lib/load.ts";
import { commandEvent, Place } from "../lib/place.ts";
import { measureRate } from "../lib/rounds.ts";
import { sqliteRowsPerSecond } from "../lib/sqlite-floor.ts";

const CONNECTIONS = [1, 16, 64, 256] as const;
const BATCH = 100;
const BATCH_CONNECTIONS = 8;
/** A credential may send 20,000 requests a second. */
const SCRIPTS = 4;
const FLOOR_MS = 2_000;

const BUDGET_64_PER_S = 15_000;
const BUDGET_BATCH_PER_S = 50_000;

export const benchmark: Benchmark = {
  method:
    "A real hub process and one load generator on loopback; prepared HTTP/1.1 requests on keep-alive connections, each " +
    "sending its next request when it has its answer, for 3 s; median of 3 runs after one to warm up. Events of 1 KB, " +
    "answered when they are on disk.",
  async run(options) {
    const place = await Place.open(path.join(options.dir, "place"));
    try {
      const topicId = await place.hub.createTopic("publishes");
      const tokens: string[] = [];
      for (let i = 0; i < SCRIPTS; i += 1) tokens.push(await place.askerToken(topicId));
      const floor = (rows: number) =>
        sqliteRowsPerSecond(path.join(options.dir, "floor"), rows, sized(options, FLOOR_MS));
      const [floorSingle, floorBatch] = [floor(1), floor(BATCH)];
      const figures: Figure[] = [];
      for (const connections of CONNECTIONS) {
        const url = place.eventsUrl(topicId);
        const requests = tokens.map((token) => requestBytes({ method: "POST", url, token, json: commandEvent("") }));
        figures.push({
          id: `hub/publish/${connections}`,
          what: `durable single publishes, ${connections} connection${connections === 1 ? "" : "s"}`,
          unit: "events/s",
          better: "higher",
          ...(await publishRate(place, connections, requests, 1, options)),
          ...(connections === 64 ? { budget: BUDGET_64_PER_S } : {}),
          floor: { what: "bare SQLite inserts, 1 a commit", value: floorSingle },
        });
      }
      const url = `${place.eventsUrl(topicId)}/batch`;
      const json = `{"events":[${Array.from({ length: BATCH }, () => commandEvent("")).join(",")}]}`;
      const requests = tokens.map((token) => requestBytes({ method: "POST", url, token, json }));
      figures.push({
        id: `hub/publish/batch-${BATCH}`,
        what: `durable batches of ${BATCH}, ${BATCH_CONNECTIONS} connections`,
        unit: "events/s",
        better: "higher",
        ...(await publishRate(place, BATCH_CONNECTIONS, requests, BATCH, options)),
        budget: BUDGET_BATCH_PER_S,
        floor: { what: `bare SQLite inserts, ${BATCH} a commit`, value: floorBatch },
      });
      return figures;
    } finally {
      await place.close();
    }
  },
};

/** Each connection sends with the token of one of the scripts. */
async function publishRate(
  place: Place,
  count: number,
  requests: readonly string[],
  eventsPerRequest: number,
  options: RunOptions,
): Promise<Pick<Figure, "value" | "latency" | "samples">> {
  const connections = await Connection.openMany(place.hub.url, count);
  const senders = connections.map((one, index) => httpSender(one, requests[index % requests.length] ?? ""));
  const rate = await measureRate(senders, eventsPerRequest, options);
  for (const connection of connections) connection.close();
  return rate;
}
