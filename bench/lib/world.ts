/** Owns the world that is measured: entities of one size, and the peers that keep the same as keys and values. */

import { freePort } from "../../scripts/lib/ports.ts";
import { Connection, requestBytes } from "./connection.ts";
import { assertSuccess } from "./load.ts";
import { NatsConnection } from "./nats-connection.ts";
import { type PeerServer, startPeer } from "./peer-server.ts";

const FILL_BATCH = 1_000;
const PROPERTIES = '{"humidity":40.5,"label":"measured in the middle of the room","temperature":22.5,"unit":"celsius"}';

/** What an entity holds, as JSON. */
export const ENTITY_JSON: string = PROPERTIES;

export function entityId(n: number): string {
  return `bench/sensor-${String(n).padStart(7, "0")}`;
}

/** The JSON of an event about an entity. */
export function worldEvent(n: number, properties: string = PROPERTIES): string {
  const payload = `{"entity_id":"${entityId(n)}","properties":${properties}}`;
  return `{"stream":"sensors","source":"bench","timestamp":1739290200000,"payload":${payload}}`;
}

/** Publishes one event for each of `count` entities, before anything is measured. */
export async function fillWorld(hubUrl: string, count: number): Promise<void> {
  const connection = await Connection.open(hubUrl);
  for (let sent = 0; sent < count; sent += FILL_BATCH) {
    const events = Array.from({ length: Math.min(FILL_BATCH, count - sent) }, (_, n) => worldEvent(sent + n));
    const json = `{"events":[${events.join(",")}]}`;
    assertSuccess(await connection.send(requestBytes({ method: "POST", url: `${hubUrl}/api/events/batch`, json })));
  }
  connection.close();
}

/** Redis with every write on disk before it is answered; undefined where it is not installed. */
export async function startRedis(dir: string): Promise<{ port: number; server: PeerServer } | undefined> {
  const port = await freePort();
  const listen = ["--bind", "127.0.0.1", "--port", String(port), "--dir", dir];
  const durable = ["--save", "", "--appendonly", "yes", "--appendfsync", "always"];
  const server = await startPeer("redis-server", [...listen, ...durable], { dir, port });
  return server === undefined ? undefined : { port, server };
}

/** NATS with a key-value bucket on file storage; undefined where it is not installed. */
export async function startNatsKv(dir: string): Promise<{ port: number; server: PeerServer } | undefined> {
  const port = await freePort();
  const args = ["--addr", "127.0.0.1", "--port", String(port), "--jetstream", "--store_dir", dir];
  const server = await startPeer("nats-server", args, { dir, port });
  if (server === undefined) return undefined;
  const connection = await NatsConnection.open(port);
  const bucket = { name: "KV_world", subjects: ["$KV.world.>"], storage: "file", max_msgs_per_subject: 1 };
  const config = JSON.stringify({
    ...bucket,
    retention: "limits",
    num_replicas: 1,
    discard: "new",
    allow_direct: true,
  });
  await connection.send(connection.message("$JS.API.STREAM.CREATE.KV_world", config));
  connection.close();
  return { port, server };
}
