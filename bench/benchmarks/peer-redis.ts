/** Redis Streams with every write on disk before it is answered: the hub's durable peer. */

import { freePort } from "../../scripts/lib/ports.ts";
import type { Benchmark, RunOptions } from "../lib/benchmark.ts";
import type { Figure } from "../lib/figure.ts";
import { commandEvent } from "../lib/place.ts";
import { startPeer } from "../lib/peer-server.ts";
import { redisCommand, RedisConnection } from "../lib/redis-connection.ts";
import { measureRate } from "../lib/rounds.ts";

const CONNECTIONS = [1, 16, 64, 256] as const;
const BATCH = 100;
const BATCH_CONNECTIONS = 8;
const PAGES = [100, 1_000] as const;
const STREAM = "events";
/** The stream stays about as large as the hub's topic in the same measurement. */
const TRIM = ["MAXLEN", "~", "200000"] as const;

interface Request {
  readonly commands: string;
  readonly answers: number;
  /** Events written or read by it. */
  readonly events: number;
}

async function rate(
  port: number,
  count: number,
  { commands, answers, events }: Request,
  options: RunOptions,
): Promise<Pick<Figure, "value" | "latency" | "samples">> {
  const connections = await Promise.all(Array.from({ length: count }, () => RedisConnection.open(port)));
  const senders = connections.map((connection) => () => connection.send(commands, answers));
  const measured = await measureRate(senders, events, options);
  for (const connection of connections) connection.close();
  return measured;
}

export const benchmark: Benchmark = {
  method:
    "redis-server with appendonly yes, appendfsync always, no snapshots; XADD of events of 1 KB by a raw RESP client. " +
    "Connections, sizes and times as in hub-publish; pages by XRANGE COUNT, counted and not parsed.",
  async run(options) {
    const port = await freePort();
    const listen = ["--bind", "127.0.0.1", "--port", String(port), "--dir", options.dir];
    const durable = ["--save", "", "--appendonly", "yes", "--appendfsync", "always"];
    const server = await startPeer("redis-server", [...listen, ...durable], { dir: options.dir, port });
    if (server === undefined) return [];
    try {
      const add = redisCommand("XADD", STREAM, ...TRIM, "*", "event", commandEvent(""));
      const figures: Figure[] = [];
      for (const connections of CONNECTIONS) {
        figures.push({
          id: `peer/redis/publish/${connections}`,
          what: `Redis Streams, appendfsync always: single XADD, ${connections} connection${connections === 1 ? "" : "s"}`,
          unit: "events/s",
          better: "higher",
          ...(await rate(port, connections, { commands: add, answers: 1, events: 1 }, options)),
        });
      }
      figures.push({
        id: `peer/redis/publish/batch-${BATCH}`,
        what: `Redis Streams, appendfsync always: ${BATCH} XADD in a pipeline, ${BATCH_CONNECTIONS} connections`,
        unit: "events/s",
        better: "higher",
        ...(await rate(
          port,
          BATCH_CONNECTIONS,
          { commands: add.repeat(BATCH), answers: BATCH, events: BATCH },
          options,
        )),
      });
      for (const page of PAGES) {
        const range = redisCommand("XRANGE", STREAM, "-", "+", "COUNT", String(page));
        figures.push({
          id: `peer/redis/pull/${page}`,
          what: `Redis Streams: XRANGE, pages of ${page.toLocaleString("en-US")}, not parsed`,
          unit: "events/s",
          better: "higher",
          ...(await rate(port, 1, { commands: range, answers: 1, events: page }, options)),
        });
      }
      return figures;
    } finally {
      await server.stop();
    }
  },
};
