/**
 * Owns how a connection becomes a watcher: `GET /api/ws` (flux-wire 2), and with `?mode=explicit` this hub's own protocol,
 * in which nothing is sent that was not asked for, and every mistake is answered.
 *
 *   -> {"type":"subscribe","entity_id"|"prefix"|"namespace":…,"property"?,"snapshot"?:true,"cursor"?}
 *   <- {"type":"subscribed","subscription","cursor"}, then `snapshot` parts, or `resync` … `synced` after a cursor
 *   <- {"type":"entity_update"}, {"type":"entity_state"}, {"type":"entity_deleted"}, {"type":"error","error"}
 */
import { STATUS_CODES } from "node:http";
import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import type { RawData, WebSocket } from "ws";
import type { HubDeps } from "../../deps.ts";
import { callCheck } from "../http/origin.ts";
import { Allowance } from "./allowance.ts";
import { pongFrame, textFrame } from "./frames.ts";
import { readMessage } from "./subscriptions.ts";
import { Traffic } from "./traffic.ts";
import { Watcher } from "./watcher.ts";
import { Watchers } from "./watchers.ts";

const MAX_MESSAGE_BYTES = 64 * 1024;
const METRICS_EVERY_MS = 2000;
/** Figures and pings go to a part of the watchers at a time, so that ten thousand of them make no burst. */
const PARTS = 10;
const LOG_ID_LENGTH = 8;

export interface WatchEndpoint {
  /** Ends all connections and the work for them. */
  stop(): void;
}

/** Lets a server take watchers. */
export function attachWatch(server: Server, deps: HubDeps): WatchEndpoint {
  const { world, store, metrics, clock, config, log } = deps;
  const logId = store.world.log.id.slice(0, LOG_ID_LENGTH);
  const cursorText = (seq: number): string => `${logId}-${seq}`;
  const watchers = new Watchers(metrics, cursorText);
  const traffic = new Traffic(clock, world.state);
  const refusalOf = callCheck(config);
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
    autoPong: false,
    clientTracking: false,
  });

  /** What is thrown in a socket's event handler ends the process: it is to end that connection only. */
  function guarded(endConnection: () => void, work: () => void): void {
    try {
      work();
    } catch (error) {
      log.error({ err: error }, "a watcher's connection failed");
      endConnection();
    }
  }

  function refusal(request: IncomingMessage): number | undefined {
    const url = URL.parse(request.url ?? "/", "http://hub");
    if (url === null) return 400;
    if (url.pathname !== "/api/ws") return 404;
    if (refusalOf(request.headers) !== undefined) return 403;
    if (!world.health().isRestored || watchers.size >= config.flux.maxWatchers) return 503;
    return undefined;
  }

  function welcome(ws: WebSocket, socket: Socket, request: IncomingMessage): void {
    const query = new URL(request.url ?? "/", "http://hub").searchParams;
    const mode = query.get("mode") === "explicit" ? "explicit" : "stock";
    const watcher = new Watcher({
      world,
      mode,
      ws,
      socket,
      cursorText,
      caller: world.access.caller(request.headers.authorization),
      wantsMetrics: mode === "stock" || query.get("metrics") === "true",
      maxPendingBytes: config.flux.maxWatcherPendingBytes,
    });
    watchers.add(watcher);
    ws.on("message", (data, isBinary) => {
      watcher.isAnswering = true;
      guarded(
        () => ws.terminate(),
        () => hear(watcher, data, isBinary),
      );
    });
    ws.on("ping", (data) => {
      watcher.isAnswering = true;
      watcher.answer(pongFrame(data));
    });
    ws.on("pong", () => {
      watcher.isAnswering = true;
    });
    ws.on("close", () => watchers.remove(watcher));
    // What is wrong with the connection ends it; the close event tells.
    ws.on("error", () => ws.terminate());
  }

  function hear(watcher: Watcher, data: RawData, isBinary: boolean): void {
    const { ws } = watcher.options;
    // What came with the message that ended it.
    if (ws.readyState !== ws.OPEN) return undefined;
    const message = isBinary || !Buffer.isBuffer(data) ? "messages are text" : readMessage(data.toString("utf8"));
    // Stock clients expect silence.
    const answer = (body: object) => {
      if (!watcher.isStock) watcher.answer(textFrame(JSON.stringify(body)));
    };
    if (typeof message === "string") return answer({ type: "error", error: message });
    if (message.type === "ping") return answer({ type: "pong", cursor: cursorText(world.state.seq) });
    const subscription: unknown = JSON.parse(message.selector.label);
    if (message.type === "unsubscribe") {
      watchers.unsubscribe(watcher, message.selector);
      return answer({ type: "unsubscribed", subscription });
    }
    if (!watchers.subscribe(watcher, message.selector)) return watcher.end(`subscriptions: ${Allowance.bound}`);
    answer({ type: "subscribed", subscription, cursor: cursorText(world.state.seq) });
    if (watcher.isStock) return undefined;
    if (message.cursor === undefined) {
      if (message.snapshot) watcher.sendSnapshot(message.selector);
      return undefined;
    }
    const since = message.cursor.startsWith(`${logId}-`) ? Number(message.cursor.slice(logId.length + 1)) : Number.NaN;
    if (Number.isSafeInteger(since) && since >= world.state.forgottenThrough && since <= world.state.seq) {
      return watcher.fallBehind(since, "resumed");
    }
    // What was deleted since cannot be told any more: the client is to keep only what it is sent now.
    answer({ type: "resync", reason: "cursor_expired", cursor: cursorText(world.state.seq) });
    return watcher.sendSnapshot(message.selector);
  }

  function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const status = refusal(request);
    if (status === undefined) {
      return sockets.handleUpgrade(request, socket, head, (ws) => welcome(ws, request.socket, request));
    }
    socket.on("error", () => socket.destroy());
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  }

  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    guarded(
      () => socket.destroy(),
      () => upgrade(request, socket, head),
    );
  });

  const stopTelling = world.onApplied((applied) => {
    traffic.note(applied);
    watchers.tell(applied);
  });
  const stopRevoking = world.namespaces.onRevoked((namespace) => watchers.endOf(namespace));
  const rounds = tending(watchers, traffic, config.flux.watcherTimeoutMs);
  return {
    stop() {
      clearInterval(rounds);
      stopTelling();
      stopRevoking();
      watchers.endAll();
    },
  };
}

/** Figures every two seconds, and a ping in each half of the time after which silence means that nobody is there. */
function tending(watchers: Watchers, traffic: Traffic, timeoutMs: number): NodeJS.Timeout {
  const pingEvery = Math.max(1, Math.round(timeoutMs / 2 / METRICS_EVERY_MS));
  let round = 0;
  return setInterval(() => {
    const part = round % PARTS;
    const isPinging = Math.floor(round / PARTS) % pingEvery === 0;
    round += 1;
    let index = 0;
    let figures: Buffer | undefined;
    for (const watcher of watchers) {
      if ((index += 1) % PARTS !== part) continue;
      if (isPinging && !watcher.isAnswering) {
        watcher.options.ws.terminate();
        continue;
      }
      if (isPinging) {
        watcher.isAnswering = false;
        watcher.options.ws.ping();
      }
      const { socket, wantsMetrics, maxPendingBytes } = watcher.options;
      if (!wantsMetrics || socket.writableLength > maxPendingBytes) continue;
      figures ??= textFrame(traffic.text(watchers.size));
      watcher.send(figures);
    }
  }, METRICS_EVERY_MS / PARTS).unref();
}
