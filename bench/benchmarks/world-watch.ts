/** From publishing an event to a watcher that hears of it: one watcher, and the last of ten thousand. */

import { once } from "node:events";
import net from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Benchmark, sized } from "../lib/benchmark.ts";
import { Connection, requestBytes } from "../lib/connection.ts";
import { assertSuccess } from "../lib/load.ts";
import { Place } from "../lib/place.ts";
import { residentMiB } from "../lib/process-memory.ts";
import { median, p50p99 } from "../lib/stats.ts";
import { worldEvent } from "../lib/world.ts";

const WATCHERS = 10_000;
const OPEN_AT_ONCE = 100;
const UPDATES = 500;
const UPDATES_TO_ALL = 20;
const PAUSE_MS = 5;
const PAUSE_TO_ALL_MS = 500;
const LIMIT_MS = 30_000;
const BUDGET_MS = 2;
const MASKED_TEXT = 0x81;

/** Watchers that note when each of them hears of a property. */
class WatcherPool {
  readonly #sockets: net.Socket[] = [];
  #heard: number[] = [];
  #waitingFor = "";
  #all: (() => void) | undefined;

  async open(hubUrl: string, count: number): Promise<void> {
    for (let opened = 0; opened < count; opened += OPEN_AT_ONCE) {
      const some = Array.from({ length: Math.min(OPEN_AT_ONCE, count - opened) }, () => openWatcher(hubUrl));
      for (const socket of await Promise.all(some)) {
        this.#sockets.push(socket);
        socket.on("data", (data: Buffer) => {
          if (this.#all === undefined || !data.includes(this.#waitingFor)) return;
          this.#heard.push(performance.now());
          if (this.#heard.length === this.#sockets.length) this.#all();
        });
      }
    }
  }

  /** Milliseconds from `act` until each watcher has heard of `text`. */
  async after(text: string, act: () => Promise<void>): Promise<number[]> {
    this.#heard = [];
    this.#waitingFor = text;
    const all = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.#heard.length} watchers have heard`)), LIMIT_MS);
      this.#all = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    const begin = performance.now();
    await Promise.all([act(), all]);
    this.#all = undefined;
    return this.#heard.map((at) => at - begin);
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

async function openWatcher(hubUrl: string): Promise<net.Socket> {
  const { hostname, port } = new URL(hubUrl);
  const socket = net.connect({ host: hostname, port: Number(port) });
  await once(socket, "connect");
  const upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13";
  const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
  socket.write(`GET /api/ws?mode=explicit HTTP/1.1\r\nHost: localhost\r\n${upgrade}\r\n${key}\r\n\r\n`);
  await once(socket, "data");
  socket.write(maskedText('{"type":"subscribe","entity_id":"*"}'));
  await once(socket, "data");
  return socket;
}

/** A client's frame, masked with zeros (RFC 6455 section 5.3). */
function maskedText(text: string): Buffer {
  return Buffer.concat([Buffer.from([MASKED_TEXT, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);
}

export const benchmark: Benchmark = {
  method:
    "A raw client publishes one event at a time and watchers of everything, on raw sockets in the same process, note when " +
    "their frame arrives: from the write of the request. One watcher hears 500 updates, 10,000 hear 20.",
  async run(options) {
    const place = await Place.open(path.join(options.dir, "place"));
    const pool = new WatcherPool();
    try {
      const { url } = place.hub;
      const publisher = await Connection.open(url);
      let last = 0;
      const update = async (): Promise<number[]> => {
        const mark = `"mark":${(last += 1)}`;
        const json = worldEvent(1, `{${mark}}`);
        const request = requestBytes({ method: "POST", url: `${url}/api/events`, json });
        return await pool.after(mark, async () => assertSuccess(await publisher.send(request)));
      };
      await pool.open(url, 1);
      const one: number[] = [];
      for (let i = 0; i < sized(options, UPDATES); i += 1) {
        one.push(...(await update()));
        await sleep(PAUSE_MS);
      }
      const emptyMiB = residentMiB(place.hubPid);
      const watchers = sized(options, WATCHERS);
      await pool.open(url, watchers - 1);
      const toAll: number[] = [];
      for (let i = 0; i < sized(options, UPDATES_TO_ALL); i += 1) {
        toAll.push(Math.max(...(await update())));
        await sleep(PAUSE_TO_ALL_MS);
      }
      publisher.close();
      const times = { unit: "ms", better: "lower" } as const;
      return [
        {
          ...times,
          id: "world/watch/one",
          what: "update to one watcher, median",
          value: median(one),
          latency: p50p99(one),
          samples: one.length,
          budget: BUDGET_MS,
        },
        {
          ...times,
          id: "world/watch/all",
          what: `update to the last of ${watchers.toLocaleString("en-US")} watchers, median`,
          value: median(toAll),
          samples: toAll.length,
          note: `${(((residentMiB(place.hubPid) - emptyMiB) * 1024) / watchers).toFixed(1)} KiB of the hub for each`,
        },
      ];
    } finally {
      pool.close();
      await place.close();
    }
  },
};
