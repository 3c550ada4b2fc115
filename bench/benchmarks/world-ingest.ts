/** Events into the world: one at a time over many connections, and in batches; beside Redis and NATS KV. */

import path from "node:path";
import type { Benchmark, RunOptions } from "../lib/benchmark.ts";
import { Connection, requestBytes } from "../lib/connection.ts";
import type { Figure } from "../lib/figure.ts";
import { httpSender, type Sender } from "../lib/load.ts";
import { NatsConnection } from "../lib/nats-connection.ts";
import { Place } from "../lib/place.ts";
import { redisCommand, RedisConnection } from "../lib/redis-connection.ts";
import { measureRate } from "../lib/rounds.ts";
import { ENTITY_JSON, entityId, startNatsKv, startRedis, worldEvent } from "../lib/world.ts";

const CONNECTIONS = 64;
const BATCH = 100;
const BATCH_CONNECTIONS = 8;

async function hubFigures(options: RunOptions): Promise<Figure[]> {
  const place = await Place.open(path.join(options.dir, "place"));
  try {
    const { url } = place.hub;
    const one = await Connection.openMany(url, CONNECTIONS);
    const singles = one.map((connection, n) =>
      httpSender(connection, requestBytes({ method: "POST", url: `${url}/api/events`, json: worldEvent(n) })),
    );
    const single = await measureRate(singles, 1, options);
    const many = await Connection.openMany(url, BATCH_CONNECTIONS);
    const batches = many.map((connection, n) => {
      const events = Array.from({ length: BATCH }, (_, k) => worldEvent(n * BATCH + k));
      const json = `{"events":[${events.join(",")}]}`;
      return httpSender(connection, requestBytes({ method: "POST", url: `${url}/api/events/batch`, json }));
    });
    const batch = await measureRate(batches, BATCH, options);
    for (const connection of [...one, ...many]) connection.close();
    const rate = { unit: "events/s", better: "higher" } as const;
    return [
      { id: "world/ingest/64", what: `hub: single events, ${CONNECTIONS} connections`, ...rate, ...single },
      {
        id: "world/ingest/batch-100",
        what: `hub: batches of ${BATCH}, ${BATCH_CONNECTIONS} connections`,
        ...rate,
        ...batch,
      },
    ];
  } finally {
    await place.close();
  }
}

async function redisFigure(options: RunOptions): Promise<Figure[]> {
  const peer = await startRedis(options.dir);
  if (peer === undefined) return [];
  const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => RedisConnection.open(peer.port)));
  const senders: Sender[] = connections.map((connection, n) => {
    const command = redisCommand("SET", entityId(n), ENTITY_JSON);
    return () => connection.send(command);
  });
  const measured = await measureRate(senders, 1, options);
  for (const connection of connections) connection.close();
  await peer.server.stop();
  const what = `Redis, appendfsync always: SET, ${CONNECTIONS} connections`;
  return [{ id: "peer/redis/world/ingest", what, unit: "events/s", better: "higher", ...measured }];
}

async function natsFigure(options: RunOptions): Promise<Figure[]> {
  const peer = await startNatsKv(options.dir);
  if (peer === undefined) return [];
  const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => NatsConnection.open(peer.port)));
  const senders: Sender[] = connections.map((connection, n) => {
    const message = connection.message(`$KV.world.${entityId(n)}`, ENTITY_JSON);
    return async () => void (await connection.send(message));
  });
  const measured = await measureRate(senders, 1, options);
  for (const connection of connections) connection.close();
  await peer.server.stop();
  const what = `NATS KV: put, ${CONNECTIONS} connections`;
  const note = "acknowledged before it is synced to disk";
  return [{ id: "peer/nats/world/ingest", what, unit: "events/s", better: "higher", ...measured, note }];
}

export const benchmark: Benchmark = {
  method:
    "Events of about 200 bytes, each about an entity of its own connection; the hub answers when they are on disk and " +
    "applied. Redis (appendfsync always) and NATS KV (file storage) store the entity's JSON under its id, in the same run.",
  async run(options) {
    return [...(await hubFigures(options)), ...(await redisFigure(options)), ...(await natsFigure(options))];
  },
};
