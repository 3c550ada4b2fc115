/**
 * Owns fetching files: one GET without credentials, no redirect, to an origin the url guard allows, with a limit on
 * time and bytes. What is fetched comes as a stream; nothing is kept here.
 *
 * Origins the service names in its own answers are remembered: they are its object store, and a URL in a request may
 * lead there, or to an object at the service's own origin, and nowhere else.
 */

import type { Readable } from "node:stream";
import { Agent } from "undici";
import { AgentruxError } from "../errors.ts";
import { checkedLookup, judgeUrl, type Resolver, type UrlRefusal } from "../guard/url.ts";
import { splitObjectUrl } from "./base-url.ts";
import { Flight } from "./flight.ts";
import { transportError } from "./http-errors.ts";
import { USER_AGENT } from "./version.ts";

/** Time limits of one download, in milliseconds. */
export interface DownloadLimits {
  readonly connectMs: number;
  readonly headersMs: number;
  readonly bodyIdleMs: number;
  /** From the call to the last byte. */
  readonly totalMs: number;
}

export const DOWNLOAD_LIMITS: DownloadLimits = {
  connectMs: 10_000,
  headersMs: 15_000,
  bodyIdleMs: 15_000,
  totalMs: 60_000,
};
/** Open connections to one origin. */
const MAX_CONNECTIONS = 8;

export interface DownloadsOptions {
  readonly limits?: Partial<DownloadLimits>;
  /** In place of the machine's resolver. */
  readonly resolver?: Resolver;
  /** Certificates to trust besides the machine's, as PEM. */
  readonly ca?: string;
}

export interface DownloadRequest {
  readonly url: string;
  /** Who named the URL: the service just now, or somebody in a request. */
  readonly given: "by_service" | "by_request";
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

export interface Download {
  /** As the server says; unknown where it does not. */
  readonly size: number | undefined;
  /**
   * The bytes, once. Throws AgentruxError `payload_too_large` beyond the limit, and `timeout`, `network`,
   * `malformed_response` or `aborted` when they do not all come. Leaving it early closes the connection.
   */
  readonly bytes: AsyncIterable<Uint8Array>;
}

export interface Downloads {
  /**
   * Begins to fetch a file.
   *
   * @throws AgentruxError `insecure_url` (with the reason as `details`) when the guard refuses it; `not_found`,
   * `forbidden`, `server_error` by the server's answer; else as {@link Download.bytes}.
   */
  open(request: DownloadRequest): Promise<Download>;
  /** Cuts off what is under way. Idempotent. */
  close(): Promise<void>;
}

/** @param baseUrl The configured service, already checked. */
export function createDownloads(baseUrl: string, options: DownloadsOptions = {}): Downloads {
  return new UndiciDownloads(baseUrl, options);
}

class UndiciDownloads implements Downloads {
  readonly #baseUrl: string;
  readonly #limits: DownloadLimits;
  /** For the configured origin, whose address the operator answers for. */
  readonly #trusted: Agent;
  /** For everybody else: connects to public addresses only. */
  readonly #guarded: Agent;
  readonly #storage = new Set<string>();
  readonly #flights = new Set<Flight>();
  #closed = false;

  constructor(baseUrl: string, { limits, resolver, ca }: DownloadsOptions) {
    this.#baseUrl = baseUrl;
    this.#limits = { ...DOWNLOAD_LIMITS, ...limits };
    const connect = { timeout: this.#limits.connectMs, ...(ca === undefined ? {} : { ca }) };
    const shared = { connections: MAX_CONNECTIONS, allowH2: false };
    this.#trusted = new Agent({ ...shared, connect });
    this.#guarded = new Agent({ ...shared, connect: { ...connect, lookup: checkedLookup(resolver) } });
  }

  async open({ url, given, maxBytes, signal }: DownloadRequest): Promise<Download> {
    const origins = given === "by_service" ? "any" : this.#storage;
    const verdict = judgeUrl(url, { baseUrl: this.#baseUrl, origins });
    if (!verdict.allowed) throw refused(verdict.reason);
    if (given === "by_service" && !verdict.trusted) this.#storage.add(verdict.origin);
    if (this.#closed) throw new AgentruxError("stopped", "The client was closed");
    if (signal.aborted) throw new AgentruxError("aborted", "The download was aborted", { cause: signal.reason });
    const flight = new Flight(signal, this.#limits.totalMs);
    this.#flights.add(flight);
    const land = (): void => {
      flight.disarm();
      flight.release();
      this.#flights.delete(flight);
    };
    const label = `GET a file at ${new URL(url).host}`;
    try {
      const response = await (verdict.trusted ? this.#trusted : this.#guarded).request({
        ...splitObjectUrl(url, this.#baseUrl),
        method: "GET",
        headers: { "user-agent": USER_AGENT, accept: "*/*" },
        signal: flight.signal,
        headersTimeout: this.#limits.headersMs,
        bodyTimeout: this.#limits.bodyIdleMs,
      });
      const { body, headers, statusCode } = response;
      body.on("error", () => {});
      body.once("close", land);
      const failure = judgeStatus(statusCode, label) ?? tooLarge(Number(headers["content-length"]), maxBytes);
      if (failure !== undefined) {
        body.destroy();
        throw failure;
      }
      const size = Number(headers["content-length"] ?? Number.NaN);
      return {
        size: Number.isSafeInteger(size) ? size : undefined,
        bytes: bounded(body, maxBytes, (cause) => transportError(cause, label, flight.cutOff)),
      };
    } catch (cause) {
      land();
      throw transportError(cause, label, flight.cutOff);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const flight of this.#flights) flight.cut("closed");
    await Promise.all([this.#trusted.destroy(), this.#guarded.destroy()]);
  }
}

async function* bounded(
  body: Readable,
  maxBytes: number,
  failureOf: (cause: unknown) => AgentruxError,
): AsyncGenerator<Uint8Array> {
  let size = 0;
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      size += chunk.byteLength;
      const failure = tooLarge(size, maxBytes);
      if (failure !== undefined) throw failure;
      yield chunk;
    }
  } catch (cause) {
    throw failureOf(cause);
  } finally {
    body.destroy();
  }
}

function tooLarge(size: number, maxBytes: number): AgentruxError | undefined {
  if (!(size > maxBytes)) return undefined;
  return new AgentruxError("payload_too_large", `larger than ${maxBytes} bytes`, { kind: "refused" });
}

function judgeStatus(status: number, label: string): AgentruxError | undefined {
  const refusal = (code: "insecure_url" | "not_found" | "forbidden" | "server_error", what: string) =>
    new AgentruxError(code, `${label}: ${what}`, { kind: "refused", status, retryable: code === "server_error" });
  if (status === 200) return undefined;
  if (status >= 500 || status === 429 || status === 408) return refusal("server_error", `HTTP ${status}`);
  if (status === 404 || status === 410) return refusal("not_found", `HTTP ${status}`);
  if (status >= 300 && status < 400)
    return refusal("insecure_url", `HTTP ${status}, a redirect, which is not followed`);
  return refusal("forbidden", `HTTP ${status}`);
}

function refused(reason: UrlRefusal): AgentruxError {
  return new AgentruxError("insecure_url", `This URL is not fetched: ${REASONS[reason]}`, { details: { reason } });
}

const REASONS: Readonly<Record<UrlRefusal, string>> = {
  unreadable: "it cannot be read as one",
  too_long: "it is too long",
  not_https: "it is not https",
  credentials: "it carries a user name or password",
  trailing_dot: "its host ends with a dot",
  not_the_service: "it does not lead to an object of the service",
  private_address: "it leads into a private network",
};
