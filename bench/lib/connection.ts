/**
 * Owns one keep-alive HTTP connection that writes requests prepared beforehand and reads answers of known length. A load
 * generator shares the two cores with what it measures, and this costs a fraction of a full client.
 */

import { once } from "node:events";
import net from "node:net";

export interface Answer {
  readonly status: number;
  readonly body: string;
}

interface Expected {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

const HEAD_END = "\r\n\r\n";

/** A connection that has one request under way at a time. */
export class Connection {
  readonly #socket: net.Socket;
  #received: Buffer = Buffer.alloc(0);
  #expected: Expected | undefined;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (data: Buffer) => this.#onData(data));
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("the server closed the connection")));
  }

  static async open(baseUrl: string): Promise<Connection> {
    const { hostname, port } = new URL(baseUrl);
    const socket = net.connect({ host: hostname, port: Number(port) });
    await once(socket, "connect");
    return new Connection(socket);
  }

  static openMany(baseUrl: string, count: number): Promise<Connection[]> {
    return Promise.all(Array.from({ length: count }, () => Connection.open(baseUrl)));
  }

  /** @throws when the connection breaks. Any status is an answer. */
  send(request: string | Buffer): Promise<Answer> {
    if (this.#expected !== undefined) throw new Error("a request is under way on this connection");
    return new Promise((resolve, reject) => {
      this.#expected = { resolve, reject };
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#socket.removeAllListeners("close");
    this.#socket.destroy();
  }

  #onData(data: Buffer): void {
    this.#received = this.#received.length === 0 ? data : Buffer.concat([this.#received, data]);
    const headEnd = this.#received.indexOf(HEAD_END, 0, "latin1");
    if (headEnd < 0) return;
    const head = this.#received.toString("latin1", 0, headEnd);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (length === undefined) return this.#fail(new Error(`an answer without a length: ${head.slice(0, 200)}`));
    const end = headEnd + HEAD_END.length + Number(length);
    if (this.#received.length < end) return;
    const body = this.#received.toString("utf8", headEnd + HEAD_END.length, end);
    this.#received = this.#received.subarray(end);
    const expected = this.#expected;
    this.#expected = undefined;
    expected?.resolve({ status: Number(head.slice(9, 12)), body });
  }

  #fail(error: Error): void {
    this.#expected?.reject(error);
    this.#expected = undefined;
  }
}

export interface RequestParts {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly token?: string;
  readonly json?: string;
}

/** The bytes of a request. */
export function requestBytes({ method, url, token, json }: RequestParts): string {
  const { host, pathname, search } = new URL(url);
  const lines = [`${method} ${pathname}${search} HTTP/1.1`, `Host: ${host}`];
  if (token !== undefined) lines.push(`Authorization: Bearer ${token}`);
  if (json !== undefined) lines.push("Content-Type: application/json", `Content-Length: ${Buffer.byteLength(json)}`);
  return `${lines.join("\r\n")}${HEAD_END}${json ?? ""}`;
}
