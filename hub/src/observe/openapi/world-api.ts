/** Owns the notes on the Flux API: world state. */
import type { OperationNote, OperationNotes, Parameter } from "./operation.ts";

const common = { tag: "world", caller: "namespace", status: 200 } as const;
const open = { ...common, caller: "anybody" } as const;
const operator = { ...common, caller: "admin" } as const;
const json = "application/json";
const text = { type: "string" } as const;
const whole = { type: "integer" } as const;

const meta: Parameter = { name: "meta", description: "`true` adds what only this hub tells", schema: text };
const cursor: Parameter = {
  name: "cursor",
  description: "From the `Flux-Next-Cursor` header of the page before",
  schema: text,
};
const ifMatch: Parameter = {
  name: "If-Match",
  description: "The version the entity must have; otherwise 409 with what is there",
  schema: text,
  in: "header",
};
const config: Pick<OperationNote, "answer"> = { answer: "FluxConfig" };

export const WORLD_API: OperationNotes = {
  "POST /api/events": {
    summary: "Publish an event",
    ...common,
    parameters: [ifMatch],
    body: "FluxEventRequest",
    answer: "FluxPublishResponse",
    refusals: [400, 401, 403, 409, 413, 429, 503, 507],
  },
  "POST /api/events/batch": {
    summary: "Publish events in one commit; the answer tells of each",
    ...common,
    body: "FluxBatchRequest",
    answer: "FluxBatchResponse",
    refusals: [400, 401, 403, 413, 503, 507],
  },
  "GET /api/events": {
    summary: "History of an entity, newest first",
    ...open,
    parameters: [
      { name: "entity", description: "Id of the entity", schema: text, required: true },
      { name: "since", description: "Time of arrival, RFC 3339; 24 hours ago where absent", schema: text },
      { name: "limit", description: "1 to 500, 100 where absent", schema: whole },
      cursor,
      meta,
    ],
    answer: "FluxHistory",
    refusals: [400, 503],
  },
  "GET /api/state/entities": {
    summary: "Entities; all in one array unless there is a limit",
    ...open,
    parameters: [
      { name: "namespace", description: "Only ids that begin with this and a slash", schema: text },
      { name: "prefix", description: "Only ids that begin so", schema: text },
      { name: "sort", description: "id, -id, updated or -updated", schema: text },
      { name: "limit", description: "1 to 1000", schema: whole },
      cursor,
      meta,
    ],
    answer: "FluxEntityList",
    refusals: [400, 503],
  },
  "GET /api/state/entities/{entity_id}": {
    summary: "An entity",
    ...open,
    parameters: [meta],
    answer: "FluxEntity",
    refusals: [400, 404, 503],
  },
  "DELETE /api/state/entities/{entity_id}": {
    summary: "Delete an entity, whether it is there or not",
    ...common,
    parameters: [ifMatch],
    answer: "FluxDeleteResponse",
    refusals: [400, 401, 403, 409, 429, 503, 507],
  },
  "POST /api/state/entities/delete": {
    summary: "Delete the entities that match",
    ...common,
    body: "FluxDeleteFilter",
    answer: "FluxBatchDeleteResponse",
    refusals: [400, 401, 403, 413, 422, 429, 503, 507],
  },
  "POST /api/namespaces": {
    summary: "Register a namespace; its token is shown this once",
    ...operator,
    body: "FluxNamespaceRequest",
    answer: "FluxNamespaceToken",
    refusals: [400, 401, 404, 409, 422],
  },
  "GET /api/namespaces": { summary: "All namespaces", ...operator, answerType: json, refusals: [401] },
  "GET /api/namespaces/{namespace}": { summary: "A namespace", ...open, answer: "FluxNamespace", refusals: [404] },
  "PATCH /api/namespaces/{namespace}": {
    summary: "Make a namespace private, or public",
    ...common,
    bodyType: json,
    answer: "FluxNamespace",
    refusals: [400, 401, 403, 404, 422],
  },
  "POST /api/namespaces/{namespace}/token": {
    summary: "A new token; the old one ends at once",
    ...common,
    answer: "FluxNamespaceToken",
    refusals: [401, 403, 404],
  },
  "DELETE /api/namespaces/{namespace}": {
    summary: "Delete a namespace and its entities",
    ...operator,
    status: 204,
    parameters: [{ name: "entities", description: "`keep` leaves the entities", schema: text }],
    refusals: [401, 404, 503, 507],
  },
  "GET /api/connectors": { summary: "Connectors", ...common, answer: "FluxConnectorList", refusals: [401] },
  "GET /api/connectors/{connector}": {
    summary: "A connector",
    ...common,
    answer: "FluxConnector",
    refusals: [401, 404],
  },
  "POST /api/connectors/{connector}/token": {
    summary: "Store a connector's credential",
    ...common,
    body: "FluxConnectorTokenRequest",
    answerType: json,
    refusals: [400, 401, 404, 422],
  },
  "DELETE /api/connectors/{connector}/token": {
    summary: "Remove a connector's credential",
    ...common,
    answerType: json,
    refusals: [401, 404],
  },
  "GET /api/admin/config": { summary: "Runtime configuration", ...open, ...config, refusals: [] },
  "PUT /api/admin/config": {
    summary: "Change some of the runtime configuration",
    ...operator,
    ...config,
    body: "FluxConfigChange",
    refusals: [400, 401, 422],
  },
};
