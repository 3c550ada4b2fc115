/** Owns finding ports that are free on loopback. */

import { once } from "node:events";
import net from "node:net";
import { randomInt } from "node:crypto";

/** A gateway derives further ports from its own, up to 110 above it. */
const GATEWAY_PORTS_APART = 120;
/** Slots lie below the range from which systems hand out ports by themselves. */
const FIRST_GATEWAY_PORT = 19_200;
const GATEWAY_SLOTS = 110;

/** Whether nothing listens on this loopback port. */
export async function isPortFree(port: number): Promise<boolean> {
  return (await tryListen(port)) !== undefined;
}

/** `preferred` when it is free, else a port of the system's choice. */
export async function freePort(preferred = 0): Promise<number> {
  const port = (await tryListen(preferred)) ?? (await tryListen(0));
  if (port === undefined) throw new Error("no free port on loopback");
  return port;
}

/** A free port for a gateway. Two ports this function gives are the same or at least 120 apart. */
export async function freeGatewayPort(preferred?: number): Promise<number> {
  if (preferred !== undefined && (await isPortFree(preferred))) return preferred;
  const first = randomInt(GATEWAY_SLOTS);
  for (let i = 0; i < GATEWAY_SLOTS; i++) {
    const port = FIRST_GATEWAY_PORT + ((first + i) % GATEWAY_SLOTS) * GATEWAY_PORTS_APART;
    if (await isPortFree(port)) return port;
  }
  throw new Error("no free port for a gateway on loopback");
}

async function tryListen(port: number): Promise<number | undefined> {
  const server = net.createServer();
  try {
    server.listen({ port, host: "127.0.0.1", exclusive: true });
    await once(server, "listening");
    const address = server.address();
    return typeof address === "object" ? address?.port : undefined;
  } catch {
    return undefined;
  } finally {
    server.close();
  }
}
