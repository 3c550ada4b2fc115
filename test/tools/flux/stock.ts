/**
 * A stock Flux server in the points in which it differs from the hub (Flux wire spec, sections 1, 3 and 5): it answers before
 * the state shows a write, knows no versions, pages, conditions and dry runs, ignores what it does not know, and has no
 * order in its listings. Kept in memory.
 */

import { type Peer, type Received, startPeer } from "../../service/peer.ts";

interface StockEvent {
  readonly eventId?: string;
  readonly stream: string;
  readonly source: string;
  readonly timestamp: number;
  readonly payload: { readonly entity_id: string; readonly properties: Record<string, unknown> };
}

export interface StockServer extends Peer {
  readonly entities: Map<string, { properties: Record<string, unknown>; lastUpdated: string }>;
  readonly log: (StockEvent & { readonly arrivedAt: number })[];
}

export interface StockOptions {
  /** Reads that still see the old state after each write; a thousand is for ever. */
  readonly delayReads?: number;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

const ok = (body: unknown): Answer => ({ status: 200, body });
const refuse = (status: number, error: string): Answer => ({ status, body: { error } });

export async function startStock({ delayReads = 0 }: StockOptions = {}): Promise<StockServer> {
  const entities: StockServer["entities"] = new Map();
  const log: StockServer["log"] = [];
  let waiting: (() => void)[] = [];
  let reads = 0;
  let ticks = 0;

  const apply = (event: StockEvent): void => {
    log.push({ ...event, arrivedAt: Date.now() });
    const { entity_id: id, properties } = event.payload;
    waiting.push(() => {
      if (properties["__deleted__"] === true) return void entities.delete(id);
      const lastUpdated = `2026-11-01T00:00:00.${String((ticks += 1)).padStart(9, "0")}+00:00`;
      entities.set(id, { properties: { ...entities.get(id)?.properties, ...properties }, lastUpdated });
    });
    if (delayReads === 0) settle();
  };
  const settle = (): void => {
    for (const write of waiting) write();
    waiting = [];
    reads = 0;
  };
  const read = (): void => {
    if (waiting.length > 0 && (reads += 1) > delayReads) settle();
  };
  const remove = (id: string): void =>
    apply({
      stream: "flux.events.deletions",
      source: "api",
      timestamp: 1,
      payload: { entity_id: id, properties: { __deleted__: true } },
    });
  const shown = (id: string): object => ({ id, ...entities.get(id) });

  const listed = (query: URLSearchParams): string[] => {
    const prefix = query.get("prefix") ?? "";
    const namespace = query.get("namespace");
    const all = [...entities.keys()].filter((id) => id.startsWith(prefix));
    return namespace === null ? all : all.filter((id) => id.includes("/") && id.split("/", 1)[0] === namespace);
  };

  const answerTo = ({ method, path, body }: Received): Answer => {
    const { pathname, searchParams } = new URL(path, "http://stock");
    // Raw: a URL parser would resolve dots and hide where a request really went.
    const raw = path.split("?", 1)[0] ?? "";
    if (method === "POST" && pathname === "/api/events") {
      const event = JSON.parse(body) as StockEvent;
      apply(event);
      return ok({ eventId: event.eventId ?? `made-${log.length}`, stream: event.stream });
    }
    if (method === "POST" && pathname === "/api/events/batch") {
      if (body.length > 2_097_152)
        return { status: 413, body: "Failed to buffer the request body: length limit exceeded" };
      const { events } = JSON.parse(body) as { events: StockEvent[] };
      for (const event of events) apply(event);
      const results = events.map(({ eventId, stream }) => ({ eventId, stream, error: null }));
      return ok({ successful: events.length, failed: 0, results });
    }
    if (method === "GET" && pathname === "/api/events") {
      const since = Date.parse(searchParams.get("since") ?? "1970-01-01T00:00:00Z");
      const limit = Math.min(500, Number(searchParams.get("limit") ?? 100));
      const whole = Math.floor(since / 1_000) * 1_000;
      const found = log.filter(
        (event) => event.payload.entity_id === searchParams.get("entity") && event.arrivedAt >= whole,
      );
      // The oldest of the window, turned round (F10).
      return ok(
        found
          .slice(0, limit)
          .map(({ arrivedAt: _arrivedAt, ...event }) => event)
          .toReversed(),
      );
    }
    if (method === "POST" && raw === "/api/state/entities/delete") {
      const filter = JSON.parse(body) as { namespace?: string; prefix?: string; entity_ids?: string[] };
      const start = filter.namespace === undefined ? filter.prefix : `${filter.namespace}/`;
      const ids =
        start === undefined ? (filter.entity_ids ?? []) : [...entities.keys()].filter((id) => id.startsWith(start));
      for (const id of ids) remove(id);
      return ok({ deleted: ids.length, failed: 0, errors: [] });
    }
    if (raw === "/api/state/entities/delete") return { status: 405, body: "" };
    read();
    if (method === "GET" && raw === "/api/state/entities") return ok(listed(searchParams).map(shown));
    const id = decodeURIComponent(/^\/api\/state\/entities\/([^/]+)$/.exec(raw)?.[1] ?? "");
    if (id === "") return { status: 404, body: "" };
    return entities.has(id) ? ok(shown(id)) : refuse(404, "Entity not found");
  };

  const peer = await startPeer((request, response) => {
    const { status, body } = answerTo(request);
    const isText = typeof body === "string";
    response.writeHead(status, { "content-type": isText ? "text/plain" : "application/json" });
    response.end(isText ? body : JSON.stringify(body));
  });
  return Object.assign(peer, { entities, log });
}
