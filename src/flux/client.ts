/**
 * Owns the Flux API over HTTP, as a client of any server that speaks it (Flux wire spec, sections 1 and 3): addresses and
 * shapes, nothing of what is done with them. Nothing is retried here; what only this project's hub knows (pages, versions,
 * time to live) is optional, and stock servers ignore it.
 */

import {
  FLUX_CURSOR_HEADER,
  type FluxBatchDeleteResponse,
  fluxBatchDeleteResponseSchema,
  type FluxBatchResponse,
  fluxBatchResponseSchema,
  type FluxConfig as FluxServerConfig,
  fluxConfigSchema,
  type FluxConnector,
  fluxConnectorListSchema,
  fluxConnectorSchema,
  type FluxDeleteFilter,
  type FluxDeleteResponse,
  fluxDeleteResponseSchema,
  type FluxEntity,
  fluxEntityListSchema,
  fluxEntitySchema,
  type FluxEvent,
  type FluxEventRequest,
  fluxEventSchema,
  type FluxNamespace,
  fluxNamespaceSchema,
  type FluxNamespaceToken,
  fluxNamespaceTokenSchema,
  type FluxPublishResponse,
  fluxPublishResponseSchema,
} from "agentrux-wire";
import { z, type ZodType } from "zod";
import { isAgentruxError } from "../errors.ts";
import { jsonBody } from "../service/authorised.ts";
import { createHttpClient, type HttpClientOptions, type HttpRequest, labelOf } from "../service/http.ts";
import { checkShape, readJson } from "../service/json.ts";

export interface FluxServer {
  /** Without trailing slash. */
  readonly url: string;
  /** Of the agent's namespace. */
  readonly token?: string;
  /** The operator's, for what only the operator may do. */
  readonly adminToken?: string;
}

export interface EntityQuery {
  readonly prefix?: string;
  readonly namespace?: string;
  /** Servers without pages send everything. */
  readonly limit?: number;
  readonly sort?: "id" | "-id" | "updated" | "-updated";
  readonly cursor?: string;
}

export interface HistoryQuery {
  readonly entity: string;
  readonly limit?: number;
  /** RFC 3339 with a zone; servers take the last 24 hours where it is absent. */
  readonly since?: string;
  readonly cursor?: string;
}

/** A part of a listing, and where the next one begins; `next` is absent at the end, and on servers without pages. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next?: string;
}

/**
 * A Flux server.
 *
 * Every call throws an AgentruxError: what the server said (`kind: "refused"`), or that there was no telling whether it
 * was done (`"unknown"`).
 */
export interface FluxClient {
  readonly server: FluxServer;
  publish(event: FluxEventRequest, signal: AbortSignal): Promise<FluxPublishResponse>;
  /** The answer is 200 also where every event of it failed: look at `failed` and `results`. */
  publishBatch(events: readonly FluxEventRequest[], signal: AbortSignal): Promise<FluxBatchResponse>;
  /** Undefined where there is no such entity, or none that may be seen. */
  entity(id: string, signal: AbortSignal): Promise<FluxEntity | undefined>;
  list(query: EntityQuery, signal: AbortSignal): Promise<Page<FluxEntity>>;
  /** Newest first. */
  history(query: HistoryQuery, signal: AbortSignal): Promise<Page<FluxEvent>>;
  delete(id: string, signal: AbortSignal): Promise<FluxDeleteResponse>;
  deleteMany(filter: FluxDeleteFilter, signal: AbortSignal): Promise<FluxBatchDeleteResponse>;
  connectors(signal: AbortSignal): Promise<readonly FluxConnector[]>;
  connector(name: string, signal: AbortSignal): Promise<FluxConnector>;
  saveConnectorToken(name: string, token: string, signal: AbortSignal): Promise<void>;
  removeConnectorToken(name: string, signal: AbortSignal): Promise<void>;
  namespace(name: string, signal: AbortSignal): Promise<FluxNamespace>;
  /** With the admin token. The answer's token is shown this once. */
  createNamespace(name: string, isPrivate: boolean, signal: AbortSignal): Promise<FluxNamespaceToken>;
  config(signal: AbortSignal): Promise<FluxServerConfig>;
  /** With the admin token. */
  updateConfig(change: Partial<FluxServerConfig>, signal: AbortSignal): Promise<FluxServerConfig>;
  /** Cuts off what is in flight and closes the connections. Idempotent. */
  close(): Promise<void>;
}

const events = z.array(fluxEventSchema);
const done = z.looseObject({ success: z.literal(true) });

/**
 * @throws AgentruxError `config` or `insecure_url` for an address that must not be used.
 * @example
 * const flux = createFluxClient({ url: "http://127.0.0.1:8787" });
 * const room = await flux.entity("lab/room-1", AbortSignal.timeout(5_000));
 */
export function createFluxClient(server: FluxServer, options: Omit<HttpClientOptions, "baseUrl"> = {}): FluxClient {
  const http = createHttpClient({ ...options, baseUrl: server.url });
  const { token, adminToken } = server;
  const secrets = [token, adminToken].filter((secret) => secret !== undefined);

  type Call = Pick<HttpRequest, "method" | "path" | "signal"> & { readonly body?: unknown; readonly as?: "operator" };

  const send = async ({ body, as, ...call }: Call) => {
    const bearer = as === "operator" ? adminToken : token;
    const content = body === undefined ? undefined : jsonBody(body);
    const request: HttpRequest = {
      ...call,
      ...(content === undefined ? {} : { body: content.body }),
      headers: { ...content?.headers, ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }) },
      secrets,
    };
    return { answer: await http.sendOk(request), label: labelOf(request) };
  };

  const read = async <T>(schema: ZodType<T>, call: Call): Promise<T> => {
    const { answer, label } = await send(call);
    return checkShape(schema, readJson(answer, label));
  };

  const page = async <T>(schema: ZodType<T[]>, call: Call): Promise<Page<T>> => {
    const { answer, label } = await send(call);
    const next = answer.header(FLUX_CURSOR_HEADER.toLowerCase());
    const items = checkShape(schema, readJson(answer, label));
    return next === undefined ? { items } : { items, next: decodeURIComponent(next) };
  };

  return {
    server,
    publish: (event, signal) =>
      read(fluxPublishResponseSchema, { method: "POST", path: "/api/events", body: event, signal }),
    publishBatch: (batch, signal) =>
      read(fluxBatchResponseSchema, { method: "POST", path: "/api/events/batch", body: { events: batch }, signal }),
    async entity(id, signal) {
      const path = `/api/state/entities/${encodeURIComponent(id)}?meta=true`;
      return await read(fluxEntitySchema, { method: "GET", path, signal }).catch((error: unknown) => {
        if (isAgentruxError(error, "not_found")) return undefined;
        throw error;
      });
    },
    list: (query, signal) =>
      page(fluxEntityListSchema, {
        method: "GET",
        path: `/api/state/entities?${queryOf({ ...query, meta: true })}`,
        signal,
      }),
    history: (query, signal) =>
      page(events, { method: "GET", path: `/api/events?${queryOf({ ...query, meta: true })}`, signal }),
    delete: (id, signal) =>
      read(fluxDeleteResponseSchema, {
        method: "DELETE",
        path: `/api/state/entities/${encodeURIComponent(id)}`,
        signal,
      }),
    deleteMany: (filter, signal) =>
      read(fluxBatchDeleteResponseSchema, { method: "POST", path: "/api/state/entities/delete", body: filter, signal }),
    connectors: async (signal) =>
      (await read(fluxConnectorListSchema, { method: "GET", path: "/api/connectors", signal })).connectors,
    connector: (name, signal) => read(fluxConnectorSchema, { method: "GET", path: connectorPath(name), signal }),
    async saveConnectorToken(name, secret, signal) {
      await read(done, { method: "POST", path: `${connectorPath(name)}/token`, body: { token: secret }, signal });
    },
    async removeConnectorToken(name, signal) {
      await read(done, { method: "DELETE", path: `${connectorPath(name)}/token`, signal });
    },
    namespace: (name, signal) =>
      read(fluxNamespaceSchema, { method: "GET", path: `/api/namespaces/${encodeURIComponent(name)}`, signal }),
    createNamespace: (name, isPrivate, signal) =>
      read(fluxNamespaceTokenSchema, {
        method: "POST",
        path: "/api/namespaces",
        body: { name, ...(isPrivate ? { private: true } : {}) },
        as: "operator",
        signal,
      }),
    config: (signal) => read(fluxConfigSchema, { method: "GET", path: "/api/admin/config", signal }),
    updateConfig: (change, signal) =>
      read(fluxConfigSchema, { method: "PUT", path: "/api/admin/config", body: change, as: "operator", signal }),
    close: () => http.close(),
  };
}

function connectorPath(name: string): string {
  return `/api/connectors/${encodeURIComponent(name)}`;
}

function queryOf(parameters: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, String(value));
  return query.toString();
}
