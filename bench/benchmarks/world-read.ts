/** Reading one entity of a hundred thousand; beside Redis and NATS KV. */

import path from "node:path";
import { type Benchmark, type RunOptions, sized } from "../lib/benchmark.ts";
import { Connection, requestBytes } from "../lib/connection.ts";
import type { Figure } from "../lib/figure.ts";
import { httpSender } from "../lib/load.ts";
import { NatsConnection } from "../lib/nats-connection.ts";
import { Place } from "../lib/place.ts";
import { redisCommand, RedisConnection } from "../lib/redis-connection.ts";
import { measureRate } from "../lib/rounds.ts";
import { ENTITY_JSON, entityId, fillWorld, startNatsKv, startRedis } from "../lib/world.ts";

const ENTITIES = 100_000;
const CONNECTIONS = 16;
const BUDGET_PER_S = 25_000;

async function hubFigure(options: RunOptions): Promise<Figure> {
  const place = await Place.open(path.join(options.dir, "place"));
  try {
    const { url } = place.hub;
    const entities = sized(options, ENTITIES);
    await fillWorld(url, entities);
    const connections = await Connection.openMany(url, CONNECTIONS);
    const senders = connections.map((connection, n) => {
      const id = encodeURIComponent(entityId((n * 6151) % entities));
      return httpSender(connection, requestBytes({ method: "GET", url: `${url}/api/state/entities/${id}` }));
    });
    const measured = await measureRate(senders, 1, options);
    for (const connection of connections) connection.close();
    const what = `hub: one entity, ${CONNECTIONS} connections`;
    return { id: "world/read", what, unit: "requests/s", better: "higher", budget: BUDGET_PER_S, ...measured };
  } finally {
    await place.close();
  }
}

async function redisFigure(options: RunOptions): Promise<Figure[]> {
  const peer = await startRedis(options.dir);
  if (peer === undefined) return [];
  const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => RedisConnection.open(peer.port)));
  await connections[0]?.send(redisCommand("SET", entityId(1), ENTITY_JSON));
  const command = redisCommand("GET", entityId(1));
  const measured = await measureRate(
    connections.map((connection) => () => connection.send(command)),
    1,
    options,
  );
  for (const connection of connections) connection.close();
  await peer.server.stop();
  const what = `Redis: GET, ${CONNECTIONS} connections`;
  return [{ id: "peer/redis/world/read", what, unit: "requests/s", better: "higher", ...measured }];
}

async function natsFigure(options: RunOptions): Promise<Figure[]> {
  const peer = await startNatsKv(options.dir);
  if (peer === undefined) return [];
  const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => NatsConnection.open(peer.port)));
  const subject = `$KV.world.${entityId(1)}`;
  const [first] = connections;
  await first?.send(first.message(subject, ENTITY_JSON));
  const senders = connections.map((connection) => {
    const message = connection.message(`$JS.API.DIRECT.GET.KV_world.${subject}`, "");
    return async () => void (await connection.send(message));
  });
  const measured = await measureRate(senders, 1, options);
  for (const connection of connections) connection.close();
  await peer.server.stop();
  const what = `NATS KV: direct get, ${CONNECTIONS} connections`;
  return [{ id: "peer/nats/world/read", what, unit: "requests/s", better: "higher", ...measured }];
}

export const benchmark: Benchmark = {
  method:
    "GET of one entity of about 200 bytes in a world of 100,000, by a raw HTTP client; Redis GET and NATS KV direct get of " +
    "the same JSON in the same run.",
  async run(options) {
    return [await hubFigure(options), ...(await redisFigure(options)), ...(await natsFigure(options))];
  },
};
