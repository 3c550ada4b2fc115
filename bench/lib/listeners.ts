/** Owns many open hint streams in one process: raw sockets, so that ten thousand of them cost little. */

import { once } from "node:events";
import net from "node:net";
import { requestBytes } from "./connection.ts";

const OPEN_AT_ONCE = 100;

/** Event streams that note when each of them was told of something. */
export class Listeners {
  readonly #sockets: net.Socket[] = [];
  #hinted: Float64Array = new Float64Array(0);
  #told = 0;
  #allTold: (() => void) | undefined;

  get count(): number {
    return this.#sockets.length;
  }

  /** Opens `count` more streams of a topic. */
  async open(streamUrl: string, token: string, count: number): Promise<void> {
    const request = requestBytes({ method: "GET", url: streamUrl, token });
    for (let opened = 0; opened < count; opened += OPEN_AT_ONCE) {
      const some = Array.from({ length: Math.min(OPEN_AT_ONCE, count - opened) }, () => openOne(streamUrl, request));
      for (const socket of await Promise.all(some)) this.#listen(socket);
    }
  }

  /** Milliseconds from `begin`, on the clock of `performance.now()`, to each stream's hint; resolves when all have it. */
  async hintsAfter(begin: number, act: () => Promise<void>, timeoutMs: number): Promise<number[]> {
    this.#hinted = new Float64Array(this.count);
    this.#told = 0;
    const all = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`only ${this.#told} of ${this.count} were told`)), timeoutMs);
      this.#allTold = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    await Promise.all([all, act()]);
    this.#allTold = undefined;
    return [...this.#hinted].map((at) => at - begin);
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #listen(socket: net.Socket): void {
    const index = this.#sockets.push(socket) - 1;
    socket.on("data", (data: Buffer) => {
      if (this.#allTold === undefined || this.#hinted[index] !== 0 || !data.includes("data:")) return;
      this.#hinted[index] = performance.now();
      this.#told += 1;
      if (this.#told === this.count) this.#allTold();
    });
    // Streams that break are missed when the next hint is awaited.
    socket.on("error", () => undefined);
  }
}

async function openOne(streamUrl: string, request: string): Promise<net.Socket> {
  const { hostname, port } = new URL(streamUrl);
  const socket = net.connect({ host: hostname, port: Number(port) });
  await once(socket, "connect");
  socket.write(request);
  const [head] = (await once(socket, "data")) as [Buffer];
  if (!head.toString("latin1", 0, 12).endsWith("200")) throw new Error(`no stream: ${head.toString("latin1", 0, 200)}`);
  return socket;
}
