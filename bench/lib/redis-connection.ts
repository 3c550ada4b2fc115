/** Owns one connection to Redis: commands as RESP arrays, answers read far enough to count them and to notice errors. */

import { once } from "node:events";
import net from "node:net";

const CRLF_BYTES = 2;

/** A command as the bytes of a RESP array of strings. */
export function redisCommand(...parts: readonly string[]): string {
  const strings = parts.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`);
  return `*${parts.length}\r\n${strings.join("")}`;
}

export class RedisConnection {
  readonly #socket: net.Socket;
  #received: Buffer = Buffer.alloc(0);
  /** Answers still to come. */
  #missing = 0;
  /** Elements of the present answer still to come. */
  #elements = 1;
  #settle: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (data: Buffer) => this.#onData(data));
    socket.on("error", (error) => this.#settle?.reject(error));
  }

  static async open(port: number): Promise<RedisConnection> {
    const socket = net.connect({ host: "127.0.0.1", port });
    await once(socket, "connect");
    return new RedisConnection(socket);
  }

  /** Sends commands in one write; resolves when all `answers` are there. */
  send(commands: string, answers = 1): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#missing = answers;
      this.#settle = { resolve, reject };
      this.#socket.write(commands);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #onData(data: Buffer): void {
    const bytes = this.#received.length === 0 ? data : Buffer.concat([this.#received, data]);
    let at = 0;
    while (this.#missing > 0) {
      const lineEnd = bytes.indexOf("\r\n", at, "latin1");
      if (lineEnd < 0) break;
      const line = bytes.toString("latin1", at, lineEnd);
      const size = line.startsWith("$") ? Math.max(0, Number(line.slice(1)) + CRLF_BYTES) : 0;
      const end = lineEnd + CRLF_BYTES + size;
      if (end > bytes.length) break;
      at = end;
      if (line.startsWith("-")) return this.#settle?.reject(new Error(`Redis answered ${line}`));
      // An array stands for its elements: the answer is complete when nothing is left to read.
      this.#elements += line.startsWith("*") ? Number(line.slice(1)) - 1 : -1;
      if (this.#elements > 0) continue;
      this.#missing -= 1;
      this.#elements = 1;
    }
    this.#received = bytes.subarray(at);
    if (this.#missing === 0) this.#settle?.resolve();
  }
}
