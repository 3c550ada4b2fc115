/**
 * Owns one connection of a hint stream, on the `eventsource` package. The package parses; who is let in, whether the
 * line is alive and whether to connect again is decided here and in `stream.ts`. So that the package never reconnects by
 * itself, it is closed before it learns that the connection ended.
 */

import { EventSource, type FetchLikeResponse } from "eventsource";
import { AgentruxError } from "../errors.ts";
import type { Dialect, StreamRequest, StreamSignal } from "./dialects/dialect.ts";
import { refusal, transportError } from "./http-errors.ts";
import { labelOf, type HttpClient, type HttpRequest, type OpenAnswer } from "./http.ts";
import { watchBody, type WatchedBody } from "./stream-body.ts";
import type { TokenClient } from "./tokens.ts";

export interface ConnectionOptions {
  readonly http: HttpClient;
  readonly tokens: TokenClient;
  readonly dialect: Dialect;
  readonly request: StreamRequest;
  readonly silenceMs: number;
  readonly maxLineBytes: number;
  readonly signal: AbortSignal;
  readonly onOpen: () => void;
  readonly onHint: (position?: string) => void;
}

/** Why a connection ended. */
export interface ConnectionEnd {
  readonly reason: AgentruxError;
  /** The stream itself rejected the access token, which has been dropped. */
  readonly tokenRejected: boolean;
}

const FRAME_NAMES = ["message", "hint", "ready", "heartbeat", "resync_required", "error"] as const;

/** Runs one connection until it ends, for whatever reason. Never rejects. */
export function runConnection(options: ConnectionOptions): Promise<ConnectionEnd> {
  return new Promise((resolve) => new Connection(options, resolve).start());
}

class Connection {
  readonly #options: ConnectionOptions;
  readonly #resolve: (end: ConnectionEnd) => void;
  readonly #cut = new AbortController();
  readonly #onAbort = (): void => this.#end(fault("aborted", "The stream was stopped", { retryable: false }));
  readonly #label: string;
  #source: EventSource | undefined;
  #body: WatchedBody | undefined;
  #ended = false;

  constructor(options: ConnectionOptions, resolve: (end: ConnectionEnd) => void) {
    this.#options = options;
    this.#resolve = resolve;
    this.#label = labelOf({ method: "GET", path: options.request.path });
  }

  start(): void {
    const { signal, http, request, maxLineBytes } = this.#options;
    signal.addEventListener("abort", this.#onAbort, { once: true });
    if (signal.aborted) {
      this.#onAbort();
      return;
    }
    const source = new EventSource(http.baseUrl + request.path, {
      fetch: () => this.#connect(),
      maxBufferSize: maxLineBytes,
    });
    this.#source = source;
    for (const name of FRAME_NAMES) source.addEventListener(name, (event: Event) => this.#onEvent(name, event));
    source.addEventListener("open", (event: Event) => {
      // A frame may be named "open" too; it means nothing.
      if (!(event instanceof MessageEvent)) this.#tell(this.#options.onOpen);
    });
  }

  async #connect(): Promise<FetchLikeResponse> {
    try {
      const opened = await this.#ask();
      // Ended in the meantime: the cut has already taken the body down.
      if (this.#ended) throw fault("aborted", "The stream was stopped");
      const body = watchBody(opened.body, {
        silenceMs: this.#options.silenceMs,
        maxLineBytes: this.#options.maxLineBytes,
        onSilence: () => this.#end(fault("timeout", `${this.#label}: the stream fell silent`)),
        onLongLine: () => this.#end(fault("malformed_response", `${this.#label}: a line grew too long`)),
        onEnd: (cause) => this.#end(this.#closed(cause)),
      });
      this.#body = body;
      return {
        status: 200,
        url: "",
        redirected: false,
        headers: { get: () => "text/event-stream" },
        body: { getReader: () => body.reader },
      };
    } catch (cause) {
      this.#end(transportError(cause, this.#label, undefined));
      throw cause;
    }
  }

  /** @throws AgentruxError for every answer but an event stream. */
  async #ask(): Promise<Extract<OpenAnswer, { open: true }>> {
    const { tokens, http, request } = this.#options;
    const token = await tokens.get(this.#cut.signal);
    const call: HttpRequest = {
      method: "GET",
      path: request.path,
      headers: {
        accept: "text/event-stream",
        "cache-control": "no-cache",
        authorization: `Bearer ${token}`,
        ...(request.lastEventId === undefined ? {} : { "last-event-id": request.lastEventId }),
      },
      signal: this.#cut.signal,
    };
    const opened = await http.open(call);
    if (!opened.open) {
      const tokenRejected = opened.answer.status === 401;
      if (tokenRejected) tokens.invalidate(token);
      const error =
        opened.answer.status < 300
          ? fault("malformed_response", `${this.#label}: HTTP ${opened.answer.status} is no stream`)
          : refusal(opened.answer, this.#label, [token]);
      this.#end(error, tokenRejected);
      throw error;
    }
    if (!/^\s*text\/event-stream\s*(?:;|$)/i.test(opened.contentType ?? "")) {
      opened.body.on("error", () => {}).destroy();
      throw fault("malformed_response", `${this.#label}: the answer is no event stream`);
    }
    return opened;
  }

  #onEvent(name: string, event: Event): void {
    if (event instanceof MessageEvent) {
      this.#onSignal(this.#options.dialect.readFrame(name, String(event.data), event.lastEventId));
      return;
    }
    // The package's own complaint. All that is left to it is a frame of many lines that outgrew the limit.
    this.#end(fault("malformed_response", `${this.#label}: a frame grew too long`));
  }

  #onSignal(signal: StreamSignal): void {
    if (signal.kind === "alive") return;
    if (signal.kind === "hint") {
      this.#tell(() => this.#options.onHint(signal.position));
      return;
    }
    const error = new AgentruxError("server_error", `${this.#label}: the service ended the stream (${signal.code})`, {
      kind: "refused",
      retryable: true,
      serviceCode: signal.code,
      details: { reason: signal.reason },
    });
    this.#end(error);
  }

  /** Runs a handler. What it throws ends the connection, so that it comes up as the reason instead of being lost. */
  #tell(handler: () => void): void {
    if (this.#ended) return;
    try {
      handler();
    } catch (cause) {
      this.#end(fault("invalid", "A handler of the stream failed", { cause }));
    }
  }

  #closed(cause: unknown): AgentruxError {
    if (cause === undefined) return fault("network", `${this.#label}: the service closed the stream`);
    return transportError(cause, this.#label, undefined);
  }

  #end(reason: AgentruxError, tokenRejected = false): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.signal.removeEventListener("abort", this.#onAbort);
    this.#source?.close();
    this.#body?.release();
    this.#cut.abort();
    this.#resolve({ reason, tokenRejected });
  }
}

function fault(
  code: "aborted" | "timeout" | "network" | "malformed_response" | "invalid",
  message: string,
  options: { retryable?: boolean; cause?: unknown } = {},
): AgentruxError {
  return new AgentruxError(code, message, { kind: "unknown", retryable: true, ...options });
}
