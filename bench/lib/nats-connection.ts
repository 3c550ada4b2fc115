/** Owns one connection to NATS: its text protocol as far as publishing into a stream and reading it back needs it. */

import { once } from "node:events";
import net from "node:net";
import { randomUUID } from "node:crypto";

const CRLF = "\r\n";
const STATUS_LINE = /^NATS\/1\.0 (\d{3})/;

export class NatsConnection {
  readonly #socket: net.Socket;
  readonly #inbox = `_INBOX.${randomUUID()}`;
  #received: Buffer = Buffer.alloc(0);
  #missing = 0;
  #first = "";
  #settle: { readonly resolve: (first: string) => void; readonly reject: (error: Error) => void } | undefined;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (data: Buffer) => this.#onData(data));
    socket.on("error", (error) => this.#settle?.reject(error));
    const options = { verbose: false, pedantic: false, headers: true, no_responders: true, lang: "node", version: "1" };
    socket.write(`CONNECT ${JSON.stringify(options)}${CRLF}SUB ${this.#inbox} 1${CRLF}`);
  }

  static async open(port: number): Promise<NatsConnection> {
    const socket = net.connect({ host: "127.0.0.1", port });
    await once(socket, "connect");
    return new NatsConnection(socket);
  }

  /** A message to `subject` whose answer comes to this connection, as bytes to pass to `send`. */
  message(subject: string, payload: string): string {
    return `PUB ${subject} ${this.#inbox} ${Buffer.byteLength(payload)}${CRLF}${payload}${CRLF}`;
  }

  /**
   * Sends messages in one write; resolves with the first answer's payload when all `answers` are there.
   *
   * @throws when the server reports an error, in the protocol or in an answer
   */
  send(messages: string, answers = 1): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#missing = answers;
      this.#first = "";
      this.#settle = { resolve, reject };
      this.#socket.write(messages);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #onData(data: Buffer): void {
    this.#received = this.#received.length === 0 ? data : Buffer.concat([this.#received, data]);
    let at = 0;
    for (;;) {
      const lineEnd = this.#received.indexOf(CRLF, at, "latin1");
      if (lineEnd < 0) break;
      const [operation = "", ...fields] = this.#received.toString("latin1", at, lineEnd).split(" ");
      let end = lineEnd + CRLF.length;
      if (operation === "MSG" || operation === "HMSG") {
        const bodyStart = end;
        end += Number(fields.at(-1)) + CRLF.length;
        if (end > this.#received.length) break;
        this.#onAnswer(this.#received.toString("utf8", bodyStart, end - CRLF.length));
      } else if (operation === "PING") this.#socket.write(`PONG${CRLF}`);
      else if (operation === "-ERR") this.#settle?.reject(new Error(`NATS answered ${fields.join(" ")}`));
      at = end;
    }
    this.#received = this.#received.subarray(at);
  }

  #onAnswer(text: string): void {
    const status = STATUS_LINE.exec(text)?.[1];
    if (status !== undefined || text.includes('"error":')) {
      this.#settle?.reject(new Error(`NATS answered ${text.slice(0, 200)}`));
      return;
    }
    if (this.#first === "") this.#first = text;
    this.#missing -= 1;
    if (this.#missing === 0) this.#settle?.resolve(this.#first);
  }
}
