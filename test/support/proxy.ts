/**
 * A TCP proxy on loopback that does to what passes through it what a test says. Bytes are passed on as they come; the
 * proxy reads requests only as far as it takes to tell which rule is meant for them.
 */

import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** What happens to one request and its answer. */
export type Fault =
  /** Both directions come late. */
  | { readonly kind: "delay"; readonly ms: number }
  /** Half-open: taken, then nothing is heard any more, and nothing is closed. */
  | { readonly kind: "swallow" }
  /** The connection is reset in place of the request being passed on. */
  | { readonly kind: "refuse" }
  /** The request is passed on; after so many bytes of the answer's body the connection is reset. */
  | { readonly kind: "reset"; readonly afterBytes: number }
  /** The same with an orderly end. */
  | { readonly kind: "truncate"; readonly afterBytes: number }
  /** The answer comes a byte at a time. */
  | { readonly kind: "trickle"; readonly everyMs: number }
  /** The proxy answers. `afterwards`: the request is passed on first, and the real answer dropped. */
  | { readonly kind: "answer"; readonly text: string; readonly afterwards?: boolean };

/** A request as the proxy saw it. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  /** By the clock the proxy was given, in milliseconds. */
  readonly at: number;
}

export type Match = (request: Seen) => boolean;

/** A rule that is in force until it is lifted or has been applied often enough. */
export interface Rule {
  /** The requests it was applied to. */
  readonly hits: readonly Seen[];
  lift(): void;
}

type Judge = (head: string) => { readonly request: Seen; readonly fault: Fault | undefined };

interface Standing {
  readonly match: Match;
  readonly fault: Fault;
  readonly times: number;
  readonly hits: Seen[];
}

export interface ProxyOptions {
  readonly monotonic: () => number;
  /** Request headers that do not arrive, in lower case: how a server looks that does not know them. */
  readonly drop?: readonly string[];
  /** Changes the path of a request on its way. */
  readonly reroute?: (path: string) => string;
}

/** An HTTP answer as text, ending the connection. */
export function httpAnswer(status: number, body: string, headers: Readonly<Record<string, string>> = {}): string {
  const all = { "content-type": "application/json", ...headers, "content-length": String(Buffer.byteLength(body)) };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Scripted\r\n${lines.join("")}connection: close\r\n\r\n${body}`;
}

const HEAD_END = "\r\n\r\n";

/**
 * @example
 * const proxy = await Proxy.start(hub.url, { monotonic: () => performance.now() });
 * const rule = proxy.harm((request) => request.path.startsWith("/auth/"), { kind: "refuse" }, 3);
 */
export class Proxy {
  readonly url: string;
  readonly port: number;
  readonly seen: Seen[] = [];
  readonly #server: Server;
  readonly #target: number;
  readonly #options: ProxyOptions;
  readonly #rules = new Set<Standing>();
  readonly #connections = new Set<Connection>();

  private constructor(server: Server, target: string, options: ProxyOptions) {
    this.#server = server;
    this.#target = Number(new URL(target).port);
    this.#options = options;
    this.port = (server.address() as AddressInfo).port;
    this.url = `http://127.0.0.1:${this.port}`;
    server.on("connection", (socket) => {
      const connection = new Connection(socket, this.#target, (head) => this.#judge(head), options);
      this.#connections.add(connection);
      socket.once("close", () => this.#connections.delete(connection));
    });
  }

  static async start(target: string, options: ProxyOptions): Promise<Proxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new Proxy(server, target, options);
  }

  /** Harms the next `times` requests that match. The oldest rule that matches counts. */
  harm(match: Match, fault: Fault, times: number = Number.POSITIVE_INFINITY): Rule {
    const rule: Standing = { match, fault, times, hits: [] };
    this.#rules.add(rule);
    return { hits: rule.hits, lift: () => void this.#rules.delete(rule) };
  }

  /** Makes open connections whose latest request matches half-open. Returns how many. */
  freeze(match: Match): number {
    return [...this.#connections].filter((connection) => connection.freeze(match)).length;
  }

  /** Resets open connections whose latest request matches. Returns how many. */
  cut(match: Match): number {
    return [...this.#connections].filter((connection) => connection.cut(match)).length;
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #judge(head: string): { readonly request: Seen; readonly fault: Fault | undefined } {
    const [method = "", path = ""] = head.split(" ", 2);
    const request: Seen = { method, path, at: this.#options.monotonic() };
    this.seen.push(request);
    const rule = [...this.#rules].find(({ match, hits, times }) => hits.length < times && match(request));
    rule?.hits.push(request);
    return { request, fault: rule?.fault };
  }
}

/** One client connection, and the one to the server that belongs to it. One request is under way at a time. */
class Connection {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #judge: Judge;
  readonly #options: ProxyOptions;
  /** After an upgrade there are no requests any more. */
  #isRaw = false;
  #unread = Buffer.alloc(0);
  #request: Seen | undefined;
  #fault: Fault | undefined;
  /** Of the answer under way: the head that has not gone out yet, then bytes of the body. */
  #head: Buffer | undefined;
  #bodyBytes = 0;
  #drops: number[] = [];
  #dripping: NodeJS.Timeout | undefined;

  constructor(client: Socket, port: number, judge: Judge, options: ProxyOptions) {
    this.#client = client;
    this.#judge = judge;
    this.#options = options;
    this.#server = connect(port, "127.0.0.1");
    for (const socket of [client, this.#server]) socket.setNoDelay(true).on("error", () => {});
    client.on("data", (chunk: Buffer) => this.#take(chunk));
    client.once("close", () => this.destroy());
    this.#server.on("data", (chunk: Buffer) => this.#give(chunk));
    this.#server.once("close", () => this.#later(() => this.#fault?.kind !== "swallow" && this.#client.end()));
  }

  freeze(match: Match): boolean {
    if (this.#request === undefined || !match(this.#request)) return false;
    this.#fault = { kind: "swallow" };
    return true;
  }

  cut(match: Match): boolean {
    if (this.#request === undefined || !match(this.#request)) return false;
    this.#reset();
    return true;
  }

  destroy(): void {
    clearInterval(this.#dripping);
    this.#client.destroy();
    this.#server.destroy();
  }

  /** Bytes from the client: passed on a whole request at a time. */
  #take(chunk: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, chunk]);
    for (;;) {
      if (this.#isRaw) {
        if (this.#fault?.kind !== "swallow") this.#server.write(this.#unread);
        this.#unread = Buffer.alloc(0);
        return;
      }
      const headEnd = this.#unread.indexOf(HEAD_END);
      if (headEnd < 0) return;
      const head = this.#unread.subarray(0, headEnd).toString("latin1");
      const end = headEnd + HEAD_END.length + Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
      if (this.#unread.length < end) return;
      const body = this.#unread.subarray(headEnd + HEAD_END.length, end);
      this.#unread = this.#unread.subarray(end);
      this.#begin(head, body);
    }
  }

  #begin(head: string, body: Buffer): void {
    const { request, fault } = this.#judge(head);
    this.#request = request;
    this.#fault = fault;
    this.#head = Buffer.alloc(0);
    this.#bodyBytes = 0;
    if (fault?.kind === "swallow") return;
    if (fault?.kind === "refuse") this.#reset();
    else if (fault?.kind === "answer" && fault.afterwards !== true) this.#client.end(fault.text);
    else {
      const { drop = [], reroute = (path: string) => path } = this.#options;
      const [first = "", ...lines] = head.split("\r\n");
      const [method = "", path = "", version = ""] = first.split(" ");
      const passed = lines.filter((line) => !drop.includes(line.split(":", 1)[0]?.toLowerCase() ?? ""));
      const kept = [`${method} ${reroute(path)} ${version}`, ...passed];
      this.#isRaw = lines.some((line) => /^upgrade: *websocket/i.test(line));
      const bytes = Buffer.concat([Buffer.from(kept.join("\r\n") + HEAD_END, "latin1"), body]);
      this.#later(() => this.#server.write(bytes));
    }
  }

  /** Bytes from the server. */
  #give(chunk: Buffer): void {
    const fault = this.#fault;
    switch (fault?.kind) {
      case "swallow":
        return;
      case "answer":
        this.#client.end(fault.text);
        this.#server.destroy();
        return;
      case "reset":
      case "truncate":
        return this.#cut(chunk, fault.afterBytes, fault.kind);
      case "trickle":
        return this.#drip(chunk, fault.everyMs);
      case "delay":
      case "refuse":
      case undefined:
        this.#later(() => this.#client.write(chunk));
    }
  }

  #cut(chunk: Buffer, afterBytes: number, how: "reset" | "truncate"): void {
    let body = chunk;
    if (this.#head !== undefined) {
      this.#head = Buffer.concat([this.#head, chunk]);
      const headEnd = this.#head.indexOf(HEAD_END);
      if (headEnd < 0) return;
      this.#client.write(this.#head.subarray(0, headEnd + HEAD_END.length));
      body = this.#head.subarray(headEnd + HEAD_END.length);
      this.#head = undefined;
    }
    const room = afterBytes - this.#bodyBytes;
    this.#bodyBytes += body.length;
    if (body.length <= room) this.#client.write(body);
    else if (how === "reset") this.#client.write(body.subarray(0, room), () => this.#reset());
    else {
      this.#client.end(body.subarray(0, room));
      this.#server.destroy();
    }
  }

  #drip(chunk: Buffer, everyMs: number): void {
    for (const byte of chunk) this.#drops.push(byte);
    this.#dripping ??= setInterval(() => {
      const byte = this.#drops.shift();
      if (byte !== undefined) this.#client.write(Buffer.of(byte));
    }, everyMs);
  }

  #later(action: () => void): void {
    if (this.#fault?.kind === "delay") setTimeout(action, this.#fault.ms);
    else action();
  }

  #reset(): void {
    this.#client.resetAndDestroy();
    this.#server.destroy();
  }
}
