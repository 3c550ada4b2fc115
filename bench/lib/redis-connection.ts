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
  #missing = 0;
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
    this.#received = this.#received.length === 0 ? data : Buffer.concat([this.#received, data]);
    while (this.#missing > 0) {
      if (this.#received[0] === "-".charCodeAt(0)) {
        this.#settle?.reject(new Error(`Redis answered ${this.#received.toString("utf8", 0, 200)}`));
        return;
      }
      const end = answerEnd(this.#received, 0);
      if (end < 0) return;
      this.#received = this.#received.subarray(end);
      this.#missing -= 1;
    }
    this.#settle?.resolve();
  }
}

/** One past the answer that begins at `start`; -1 when it is not all there. */
function answerEnd(bytes: Buffer, start: number): number {
  const lineEnd = bytes.indexOf("\r\n", start, "latin1");
  if (lineEnd < 0) return -1;
  const kind = String.fromCharCode(bytes[start] ?? 0);
  let end = lineEnd + CRLF_BYTES;
  if (kind !== "$" && kind !== "*") return end;
  const size = Number(bytes.toString("latin1", start + 1, lineEnd));
  if (kind === "$") {
    end += size < 0 ? 0 : size + CRLF_BYTES;
    return end <= bytes.length ? end : -1;
  }
  for (let i = 0; i < size; i += 1) {
    end = answerEnd(bytes, end);
    if (end < 0) return -1;
  }
  return end;
}
