/**
 * NATS JetStream on file storage. Its acknowledgement comes before the data is synced to disk (Debian's 2.9 has no
 * `sync_interval`, and syncs every two minutes): a faster promise than the hub's, not a faster way to keep the same one.
 */

import { freePort } from "../../scripts/lib/ports.ts";
import type { Benchmark, RunOptions } from "../lib/benchmark.ts";
import type { Figure } from "../lib/figure.ts";
import { NatsConnection } from "../lib/nats-connection.ts";
import { startPeer } from "../lib/peer-server.ts";
import { commandEvent } from "../lib/place.ts";
import { measureRate } from "../lib/rounds.ts";

const CONNECTIONS = [1, 16, 64, 256] as const;
const BATCH = 100;
const BATCH_CONNECTIONS = 8;
const SUBJECT = "events.commands";
const NOTE = "acknowledged before it is synced to disk";

async function createStream(port: number): Promise<void> {
  const connection = await NatsConnection.open(port);
  const config = { name: "events", subjects: ["events.>"], storage: "file", retention: "limits", num_replicas: 1 };
  await connection.send(connection.message("$JS.API.STREAM.CREATE.events", JSON.stringify(config)));
  connection.close();
}

async function rate(
  port: number,
  count: number,
  batch: number,
  options: RunOptions,
): Promise<Pick<Figure, "value" | "latency" | "samples">> {
  const connections = await Promise.all(Array.from({ length: count }, () => NatsConnection.open(port)));
  const event = commandEvent("");
  const senders = connections.map((connection) => {
    const messages = connection.message(SUBJECT, event).repeat(batch);
    return async () => void (await connection.send(messages, batch));
  });
  const measured = await measureRate(senders, batch, options);
  for (const connection of connections) connection.close();
  return measured;
}

export const benchmark: Benchmark = {
  method:
    "nats-server with JetStream on file storage; messages of 1 KB published with an acknowledgement each, by a raw client " +
    "of its text protocol. Connections, sizes and times as in hub-publish.",
  async run(options) {
    const port = await freePort();
    const server = await startPeer(
      "nats-server",
      ["--addr", "127.0.0.1", "--port", String(port), "--jetstream", "--store_dir", options.dir],
      { dir: options.dir, port },
    );
    if (server === undefined) return [];
    try {
      await createStream(port);
      const figures: Figure[] = [];
      for (const connections of CONNECTIONS) {
        figures.push({
          id: `peer/nats/publish/${connections}`,
          what: `NATS JetStream: single publish, ${connections} connection${connections === 1 ? "" : "s"}`,
          unit: "events/s",
          better: "higher",
          ...(await rate(port, connections, 1, options)),
          note: NOTE,
        });
      }
      figures.push({
        id: `peer/nats/publish/batch-${BATCH}`,
        what: `NATS JetStream: ${BATCH} publishes under way, ${BATCH_CONNECTIONS} connections`,
        unit: "events/s",
        better: "higher",
        ...(await rate(port, BATCH_CONNECTIONS, BATCH, options)),
        note: NOTE,
      });
      return figures;
    } finally {
      await server.stop();
    }
  },
};
