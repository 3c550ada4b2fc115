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
import { AgentruxError } from "../errors.ts";
import { jsonBody } from "../service/authorised.ts";
import { createHttpClient, type HttpClientOptions, type HttpRequest, labelOf } from "../service/http.ts";
import { checkShape, readJson } from "../service/json.ts";
import { fluxRefusal, isFluxError } from "./refusals.ts";

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

/** An event that was accepted. */
export interface Published extends FluxPublishResponse {
  /** The entity's version after it; stock servers have none, and what changed nothing made none. */
  readonly version?: number;
}

/** Looking at the world. */
export interface FluxReader {
  /** Undefined where there is no such entity, or none that may be seen. */
  entity(id: string, signal: AbortSignal): Promise<FluxEntity | undefined>;
  list(query: EntityQuery, signal: AbortSignal): Promise<Page<FluxEntity>>;
  /** Newest first. */
  history(query: HistoryQuery, signal: AbortSignal): Promise<Page<FluxEvent>>;
}

/**
 * A Flux server.
 *
 * Every call throws an AgentruxError: what the server said (`kind: "refused"`), or that there was no telling whether it
 * was done (`"unknown"`).
 */
export interface FluxClient extends FluxReader {
  readonly server: FluxServer;
  /** Looks without a token, and sees what everybody sees. */
  readonly anybody: FluxReader;
  /**
   * Whether the server has what this project's hub adds. To be asked before something is sent that must not be ignored:
   * a stock server writes whatever `expectedVersion` says, and deletes on a dry run.
   */
  extended(signal: AbortSignal): Promise<boolean>;
  /** A version conflict (`conflict`) has `ConflictDetails` as its details. */
  publish(event: FluxEventRequest, signal: AbortSignal): Promise<Published>;
  /** The answer is 200 also where every event of it failed: look at `failed` and `results`. */
  publishBatch(events: readonly FluxEventRequest[], signal: AbortSignal): Promise<FluxBatchResponse>;
  /** @throws AgentruxError `invalid` for an id that no URL can hold; {@link FluxClient.deleteMany} takes any */
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

/** An id of dots is not an id in a URL, but a way up: whoever reads the URL would ask for something else (S5). */
const NOT_IN_URL: ReadonlySet<string> = new Set([".", ".."]);
const ENTITIES = "/api/state/entities";

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

  /** By default as the agent, with the token of its namespace. */
  type As = "operator" | "anybody" | undefined;
  type Call = Pick<HttpRequest, "method" | "path" | "signal"> & { readonly body?: unknown; readonly as?: As };

  const ask = async ({ body, as, ...call }: Call) => {
    const bearer = { operator: adminToken, anybody: undefined, agent: token }[as ?? "agent"];
    const content = body === undefined ? undefined : jsonBody(body);
    const request: HttpRequest = {
      ...call,
      ...(content === undefined ? {} : { body: content.body }),
      headers: { ...content?.headers, ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }) },
      secrets,
    };
    return { answer: await http.send(request), label: labelOf(request) };
  };

  const send = async (call: Call) => {
    const { answer, label } = await ask(call);
    if (answer.status >= 300) throw fluxRefusal(answer, label, secrets);
    return { answer, label };
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

  const readerAs = (as: As): FluxReader => {
    const who = as === undefined ? {} : { as };
    const list: FluxReader["list"] = (query, signal) => {
      const path = `${ENTITIES}?${queryOf({ ...query, meta: true })}`;
      return page(fluxEntityListSchema, { method: "GET", path, signal, ...who });
    };
    /** For ids that a URL cannot hold, or behind which a stock server has another route (`delete`). */
    const listed: FluxReader["entity"] = async (id, signal) => {
      const { items } = await list({ prefix: id, limit: 1, sort: "id" }, signal);
      return items.find((entity) => entity.id === id);
    };
    return {
      list,
      async entity(id, signal) {
        if (NOT_IN_URL.has(id)) return await listed(id, signal);
        const path = `${ENTITIES}/${encodeURIComponent(id)}?meta=true`;
        const { answer, label } = await ask({ method: "GET", path, signal, ...who });
        // Any other 404 is no Flux server's: it says nothing of entities.
        if (answer.status === 404 && isFluxError(answer)) return undefined;
        if (answer.status === 405) return await listed(id, signal);
        if (answer.status >= 300) throw fluxRefusal(answer, label, secrets);
        return checkShape(fluxEntitySchema, readJson(answer, label));
      },
      history: (query, signal) =>
        page(events, { method: "GET", path: `/api/events?${queryOf({ ...query, meta: true })}`, signal, ...who }),
    };
  };

  let isExtended = false;

  return {
    server,
    ...readerAs(undefined),
    anybody: readerAs("anybody"),
    async extended(signal) {
      if (isExtended) return true;
      // No order of that name: ours says so, a stock server does not look. No namespace of that name: nothing is listed.
      const path = `${ENTITIES}?${queryOf({ namespace: "/", limit: 1, sort: "none" })}`;
      const { answer, label } = await ask({ method: "GET", path, signal });
      if (answer.status === 400 && isFluxError(answer)) return (isExtended = true);
      if (answer.status >= 300) throw fluxRefusal(answer, label, secrets);
      checkShape(fluxEntityListSchema, readJson(answer, label));
      return false;
    },
    async publish(event, signal) {
      const { answer, label } = await send({ method: "POST", path: "/api/events", body: event, signal });
      const published = checkShape(fluxPublishResponseSchema, readJson(answer, label));
      const version = /^"(\d{1,15})"$/.exec(answer.header("etag") ?? "")?.[1];
      return version === undefined ? published : { ...published, version: Number(version) };
    },
    publishBatch: (batch, signal) =>
      read(fluxBatchResponseSchema, { method: "POST", path: "/api/events/batch", body: { events: batch }, signal }),
    async delete(id, signal) {
      if (NOT_IN_URL.has(id)) throw new AgentruxError("invalid", `"${id}" cannot be deleted by its address`);
      const path = `${ENTITIES}/${encodeURIComponent(id)}`;
      return await read(fluxDeleteResponseSchema, { method: "DELETE", path, signal });
    },
    deleteMany: (filter, signal) =>
      read(fluxBatchDeleteResponseSchema, { method: "POST", path: `${ENTITIES}/delete`, body: filter, signal }),
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
