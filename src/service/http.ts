/**
 * Owns HTTP: one undici agent per client, with a limit on everything a peer could make unlimited: time to connect, to
 * answer, between two bytes and altogether, and bytes kept. Redirects are never followed, nothing is retried here.
 */

import type { IncomingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";
import { Agent, type Dispatcher } from "undici";
import { AgentruxError } from "../errors.ts";
import { normaliseBaseUrl, splitObjectUrl, type Target } from "./base-url.ts";
import { readBounded } from "./body.ts";
import { systemClock, type Clock } from "./clock.ts";
import { Flight } from "./flight.ts";
import { refusal, transportError } from "./http-errors.ts";
import { retryAfterMs, serverTimeMs } from "./retry-after.ts";
import { USER_AGENT } from "./version.ts";

/** Time limits of one request, in milliseconds. */
export interface HttpTimeouts {
  /** TCP and TLS handshake: three SYN retransmissions fit in. */
  readonly connectMs: number;
  /** Until the answer's headers: the vendor's own clients give event calls 15 s. */
  readonly headersMs: number;
  /** Between two pieces of the answer's body. */
  readonly bodyIdleMs: number;
  /** From the call to the last byte: ends what trickles a byte at a time. */
  readonly totalMs: number;
}

export const DEFAULT_TIMEOUTS: HttpTimeouts = {
  connectMs: 10_000,
  headersMs: 15_000,
  bodyIdleMs: 15_000,
  totalMs: 60_000,
};
/** A page of a thousand 64 KB events. Larger answers are refused while they are read. */
export const MAX_BODY_BYTES: number = 64 * 1024 * 1024;
/** An error document is small; of a larger one the beginning tells enough. */
const MAX_ERROR_BODY_BYTES = 64 * 1024;
/** Open connections to one origin; each hint stream keeps one for itself. */
const MAX_CONNECTIONS = 64;
/** Idle connections outlive the pauses between hints; a server that closes sooner says so in `Keep-Alive`. */
const KEEP_ALIVE_MS = 30_000;

export interface HttpClientOptions {
  readonly baseUrl: string;
  readonly clock?: Clock;
  readonly timeouts?: Partial<HttpTimeouts>;
  /** Largest successful answer kept, in bytes. */
  readonly maxBodyBytes?: number;
}

export interface HttpRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path below the base URL, with its query; or an absolute URL the service handed out, sent verbatim. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | Readable;
  readonly signal: AbortSignal;
  /** In place of the client's limits. */
  readonly timeouts?: Partial<HttpTimeouts>;
  /** Values that must not stand in an error, should the service echo them. */
  readonly secrets?: readonly string[];
}

/** A complete answer, whatever its status. */
export interface HttpAnswer {
  readonly status: number;
  readonly contentType: string | undefined;
  /** The body, decoded as UTF-8 once. Of an error body at most the first 64 KB. */
  readonly text: string;
  /** What `Retry-After` asks for, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** The server's clock by its `Date` header, epoch milliseconds. */
  readonly serverTimeMs: number | undefined;
  /** A header's value, by its lower-case name. */
  header(name: string): string | undefined;
}

/** An answer being streamed (status 200), or the complete answer that came in its place. */
export type OpenAnswer =
  | { readonly open: true; readonly contentType: string | undefined; readonly body: Readable }
  | { readonly open: false; readonly answer: HttpAnswer };

/** HTTP to one service. */
export interface HttpClient {
  /** Without trailing slash. */
  readonly baseUrl: string;
  /**
   * Sends a request and reads the whole answer. Any status is an answer.
   *
   * @throws AgentruxError `timeout`, `network`, `malformed_response`, `response_too_large`, `insecure_url`, `aborted`,
   * `stopped`. Its `kind` is `local` when the request surely never left.
   */
  send(request: HttpRequest): Promise<HttpAnswer>;
  /** {@link HttpClient.send}, with every status of 300 and more turned into its error. */
  sendOk(request: HttpRequest): Promise<HttpAnswer>;
  /** Sends a request whose answer goes on for ever. The time limits hold until its headers are there. */
  open(request: HttpRequest): Promise<OpenAnswer>;
  /** Cuts off what is in flight (`stopped`) and closes the connections. Idempotent. */
  close(): Promise<void>;
}

/**
 * @throws AgentruxError `config` or `insecure_url` for a base URL that must not be used.
 *
 * @example
 * const http = createHttpClient({ baseUrl: "https://api.agentrux.com" });
 * const answer = await http.send({ method: "GET", path: "/topics", signal });
 */
export function createHttpClient(options: HttpClientOptions): HttpClient {
  return new UndiciHttpClient(options);
}

/** How a request is named in messages: never with a query, and a presigned URL only by its host. */
export function labelOf(request: Pick<HttpRequest, "method" | "path">): string {
  if (request.path.startsWith("/")) return `${request.method} ${request.path.split("?", 1)[0]}`;
  return `${request.method} an object at ${URL.parse(request.path)?.host ?? "an unreadable URL"}`;
}

class UndiciHttpClient implements HttpClient {
  readonly baseUrl: string;
  readonly #agent: Agent;
  readonly #clock: Clock;
  readonly #timeouts: HttpTimeouts;
  readonly #maxBodyBytes: number;
  readonly #flights = new Set<Flight>();
  #closed: Promise<void> | undefined;

  constructor(options: HttpClientOptions) {
    this.baseUrl = normaliseBaseUrl(options.baseUrl);
    this.#clock = options.clock ?? systemClock;
    this.#timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts };
    this.#maxBodyBytes = options.maxBodyBytes ?? MAX_BODY_BYTES;
    this.#agent = new Agent({
      connections: MAX_CONNECTIONS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      // HTTP/1.1 only: its half-open and cut-off behaviour is what the limits above are tested against.
      allowH2: false,
      connect: { timeout: this.#timeouts.connectMs },
    });
  }

  async send(request: HttpRequest): Promise<HttpAnswer> {
    const flight = this.#takeOff(request);
    try {
      const response = await this.#dispatch(request, flight, this.#limits(request).bodyIdleMs);
      return await this.#complete(request, response);
    } catch (cause) {
      throw transportError(cause, labelOf(request), flight.cutOff);
    } finally {
      this.#land(flight);
    }
  }

  async sendOk(request: HttpRequest): Promise<HttpAnswer> {
    const answer = await this.send(request);
    if (answer.status >= 300) throw refusal(answer, labelOf(request), request.secrets);
    return answer;
  }

  async open(request: HttpRequest): Promise<OpenAnswer> {
    const flight = this.#takeOff(request);
    try {
      const response = await this.#dispatch(request, flight, 0);
      if (response.statusCode !== 200) {
        const answer = await this.#complete(request, response);
        this.#land(flight);
        return { open: false, answer };
      }
      flight.disarm();
      response.body.once("close", () => this.#land(flight));
      return { open: true, contentType: headerOf(response.headers, "content-type"), body: response.body };
    } catch (cause) {
      this.#land(flight);
      throw transportError(cause, labelOf(request), flight.cutOff);
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#shutDown();
    return this.#closed;
  }

  async #shutDown(): Promise<void> {
    for (const flight of this.#flights) flight.cut("closed");
    await this.#agent.destroy();
  }

  #takeOff(request: HttpRequest): Flight {
    const label = labelOf(request);
    if (this.#closed !== undefined) throw new AgentruxError("stopped", `${label}: the client was closed`);
    if (request.signal.aborted) {
      throw new AgentruxError("aborted", `${label}: aborted`, { cause: request.signal.reason });
    }
    const flight = new Flight(request.signal, this.#limits(request).totalMs);
    this.#flights.add(flight);
    return flight;
  }

  #land(flight: Flight): void {
    flight.disarm();
    flight.release();
    this.#flights.delete(flight);
  }

  #limits(request: HttpRequest): HttpTimeouts {
    return { ...this.#timeouts, ...request.timeouts };
  }

  #dispatch(request: HttpRequest, flight: Flight, bodyTimeout: number): Promise<Dispatcher.ResponseData> {
    return this.#agent.request({
      ...this.#target(request.path),
      method: request.method,
      headers: { ...request.headers, "user-agent": USER_AGENT },
      body: request.body ?? null,
      signal: flight.signal,
      headersTimeout: this.#limits(request).headersMs,
      bodyTimeout,
    });
  }

  #target(path: string): Target {
    if (!path.startsWith("/")) return splitObjectUrl(path, this.baseUrl);
    const base = new URL(this.baseUrl);
    return { origin: base.origin, path: (base.pathname === "/" ? "" : base.pathname) + path };
  }

  async #complete(request: HttpRequest, response: Dispatcher.ResponseData): Promise<HttpAnswer> {
    const refused = response.statusCode >= 300;
    const limit = refused ? MAX_ERROR_BODY_BYTES : this.#maxBodyBytes;
    const { text, truncated } = await readBounded(response.body, limit, refused ? "keep-what-came" : "all-or-nothing");
    if (truncated && !refused) {
      throw new AgentruxError("response_too_large", `${labelOf(request)}: the answer is larger than ${limit} bytes`, {
        kind: "unknown",
        status: response.statusCode,
      });
    }
    const serverTime = serverTimeMs(headerOf(response.headers, "date"));
    return {
      status: response.statusCode,
      contentType: headerOf(response.headers, "content-type"),
      text,
      retryAfterMs: retryAfterMs(headerOf(response.headers, "retry-after"), serverTime ?? this.#clock.now()),
      serverTimeMs: serverTime,
      header: (name) => headerOf(response.headers, name),
    };
  }
}

function headerOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}
