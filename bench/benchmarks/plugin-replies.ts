/** Replies published: from a journal full of them to the result topic. */

import path from "node:path";
import { type Benchmark, sized } from "../lib/benchmark.ts";
import { Connection, requestBytes } from "../lib/connection.ts";
import { httpSender } from "../lib/load.ts";
import { commandEvent, Place } from "../lib/place.ts";
import { repliesChild } from "../lib/replies-api.ts";
import { measureRate } from "../lib/rounds.ts";
import { median } from "../lib/stats.ts";

const REPLIES = 10_000;
const ROUNDS = 3;
/** As many as the outbox uses. */
const FLOOR_CONNECTIONS = 4;

export const benchmark: Benchmark = {
  method:
    "10,000 replies of 1 KB of a thousand conversations lie in the journal as an interrupted account leaves them. The " +
    "plugin's outbox publishes them; the clock stops when the last one is acknowledged and off the disk. Median of 3 runs.",
  async run(options) {
    const replies = sized(options, REPLIES);
    const place = await Place.open(path.join(options.dir, "place"));
    try {
      const rates: number[] = [];
      for (let i = 0; i < ROUNDS; i += 1) {
        const pair = await place.pair();
        const child = repliesChild();
        const directory = path.join(place.dir, `journal-${i}`);
        const credentials = await place.agentCredentials(pair);
        await child.call("prepare", { directory, credentials, topicId: pair.resultTopicId, replies });
        const elapsedMs = await child.call("publishAll");
        await child.stop();
        rates.push((replies / elapsedMs) * 1000);
      }
      const pair = await place.pair();
      const url = place.eventsUrl(pair.commandTopicId);
      const connections = await Connection.openMany(place.hub.url, FLOOR_CONNECTIONS);
      const request = requestBytes({ method: "POST", url, token: pair.askerToken, json: commandEvent("") });
      const bare = await measureRate(
        connections.map((connection) => httpSender(connection, request)),
        1,
        options,
      );
      for (const connection of connections) connection.close();
      return [
        {
          id: "plugin/replies/rate",
          what: "replies published and acknowledged",
          unit: "events/s",
          better: "higher",
          value: median(rates),
          samples: replies * ROUNDS,
          floor: {
            what: `bare publishes on ${FLOOR_CONNECTIONS} connections`,
            value: bare.value,
          },
        },
      ];
    } finally {
      await place.close();
    }
  },
};
