/**
 * Owns one WebSocket to a Flux server: opening it within a time limit, bounded messages, and an end that is told once,
 * whatever it came by.
 */

import { Agent, WebSocket } from "undici";
import { normaliseBaseUrl } from "../../service/base-url.ts";
import { USER_AGENT } from "../../service/version.ts";
import type { Clock } from "../../replies/ports.ts";
import type { FluxServer } from "../client.ts";

export interface SocketOptions {
  readonly server: FluxServer;
  readonly clock: Clock;
  readonly maxMessageBytes: number;
  /** Until the connection stands. */
  readonly openMs: number;
  readonly onOpen: () => void;
  readonly onText: (text: string) => void;
  /** Nothing comes after this. */
  readonly onEnd: (reason: string) => void;
}

export interface WatchSocket {
  send(message: object): void;
  /** Ends it. `onEnd` is called before this returns. */
  end(reason: string): void;
}

const NORMAL = 1000;

/** @throws AgentruxError `config` or `insecure_url` for an address that must not be used. */
export function openSocket(options: SocketOptions): WatchSocket {
  const { server, clock, onEnd } = options;
  const url = `${normaliseBaseUrl(server.url).replace(/^http/, "ws")}/api/ws?mode=explicit`;
  const agent = new Agent({
    allowH2: false,
    connect: { timeout: options.openMs },
    webSocket: { maxPayloadSize: options.maxMessageBytes },
  });
  const bearer = server.token === undefined ? {} : { authorization: `Bearer ${server.token}` };
  const socket = new WebSocket(url, { dispatcher: agent, headers: { ...bearer, "user-agent": USER_AGENT } });
  let fault: string | undefined;
  let ended = false;

  const end = (reason: string): void => {
    if (ended) return;
    ended = true;
    cancel();
    socket.close(NORMAL);
    // The other side's goodbye is not waited for: it may be long gone.
    agent.destroy().catch(() => undefined);
    onEnd(reason);
  };
  const cancel = clock.after(options.openMs, () => end(`no connection within ${options.openMs} ms`));

  socket.addEventListener("open", () => {
    cancel();
    if (!ended) options.onOpen();
  });
  socket.addEventListener("message", ({ data }: { readonly data: unknown }) => {
    if (ended) return;
    if (typeof data === "string") options.onText(data);
    else end("the server sent bytes where text was due");
  });
  socket.addEventListener("error", ({ error, message }) => {
    fault = causeOf(error) ?? (message === "" ? "the connection broke" : message);
  });
  socket.addEventListener("close", ({ code, reason }) => {
    end(fault ?? `the server closed the connection (${[code, reason].filter((one) => one !== "").join(" ")})`);
  });
  return {
    send(message) {
      if (!ended && socket.readyState === socket.OPEN) socket.send(JSON.stringify(message));
    },
    end,
  };
}

/** The innermost message of an error. */
function causeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  return causeOf(error.cause) ?? (error.message === "" ? undefined : error.message);
}
