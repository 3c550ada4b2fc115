/**
 * Owns the Flux API over HTTP (sections 1 and 3 of the Flux wire spec). What only this project's hub adds is optional, and
 * stock clients and servers ignore it.
 */
import { z } from "zod";

/** Streams that are accepted. */
export const FLUX_STREAM_PATTERN: RegExp = /^[a-z0-9]+(\.[a-z0-9]+)*$/;
/** Names of namespaces. */
export const FLUX_NAMESPACE_PATTERN: RegExp = /^[a-z0-9_-]{3,32}$/;
/** History pages hold at most so many events. */
export const FLUX_HISTORY_MAX = 500;
/** Header in which this hub hands out the position of the next page of a listing or history. */
export const FLUX_CURSOR_HEADER = "Flux-Next-Cursor";

const properties = z.record(z.string(), z.unknown());

/** An event to publish (1.1). `timestamp` is epoch milliseconds. */
export const fluxEventRequestSchema = z.object({
  eventId: z.string().optional(),
  stream: z.string().regex(FLUX_STREAM_PATTERN, "must be lowercase letters and digits, with optional dots between"),
  source: z.string().min(1),
  timestamp: z.number().int().positive(),
  key: z.string().optional(),
  schema: z.string().optional(),
  payload: z.looseObject({ entity_id: z.string(), properties }),
  /** This hub's: names of properties to take away. */
  remove: z.array(z.string()).optional(),
  /** This hub's: seconds until the entity goes unless this is said anew; 0 ends an earlier limit. */
  ttlSeconds: z.number().int().nonnegative().optional(),
  /** This hub's: the version the entity must have, 0 for one that must not be there. */
  expectedVersion: z.number().int().nonnegative().optional(),
});
export type FluxEventRequest = z.infer<typeof fluxEventRequestSchema>;

/** Answer to a publish. */
export const fluxPublishResponseSchema = z.looseObject({
  eventId: z.string(),
  stream: z.string(),
  /** This hub's: the event was stored, and changes nothing for this reason. */
  warning: z.string().optional(),
});
export type FluxPublishResponse = z.infer<typeof fluxPublishResponseSchema>;

/** A batch (1.2); its answer tells of each event, in order. */
export const fluxBatchRequestSchema = z.object({ events: z.array(fluxEventRequestSchema).min(1) });
export type FluxBatchRequest = z.infer<typeof fluxBatchRequestSchema>;

export const fluxBatchResponseSchema = z.looseObject({
  successful: z.number().int(),
  failed: z.number().int(),
  results: z.array(
    z.looseObject({
      eventId: z.string().nullish(),
      stream: z.string().nullish(),
      error: z.string().nullish(),
      warning: z.string().optional(),
      /** This hub's: the entity's version after the event. */
      version: z.number().int().optional(),
    }),
  ),
});
export type FluxBatchResponse = z.infer<typeof fluxBatchResponseSchema>;

/** An entity (1.5). */
export const fluxEntitySchema = z.looseObject({
  id: z.string(),
  properties,
  /** RFC 3339; the fraction has 0, 3, 6 or 9 digits. */
  lastUpdated: z.string(),
  /** This hub's, where it was asked for with `meta=true`. */
  version: z.number().int().optional(),
  expiresAt: z.string().optional(),
});
export type FluxEntity = z.infer<typeof fluxEntitySchema>;

export const fluxEntityListSchema = z.array(fluxEntitySchema);

/** An event as history serves it (1.3). */
export const fluxEventSchema = z.looseObject({
  eventId: z.string(),
  stream: z.string(),
  source: z.string(),
  timestamp: z.number(),
  key: z.string().nullish(),
  schema: z.string().nullish(),
  payload: z.unknown(),
  /** This hub's, where it was asked for with `meta=true`. */
  version: z.number().int().optional(),
  storedAt: z.string().optional(),
});
export type FluxEvent = z.infer<typeof fluxEventSchema>;

export const fluxDeleteResponseSchema = z.looseObject({ entity_id: z.string(), eventId: z.string() });
export type FluxDeleteResponse = z.infer<typeof fluxDeleteResponseSchema>;

/** What to delete (1.7): one of the three. */
export const fluxDeleteFilterSchema = z.looseObject({
  namespace: z.string().optional(),
  prefix: z.string().optional(),
  entity_ids: z.array(z.string()).optional(),
  /** This hub's: yes, several filters or an empty prefix are meant. */
  confirm: z.boolean().optional(),
  /** This hub's: delete nothing, only tell how many match. */
  dry_run: z.boolean().optional(),
});
export type FluxDeleteFilter = z.infer<typeof fluxDeleteFilterSchema>;

export const fluxBatchDeleteResponseSchema = z.looseObject({
  deleted: z.number().int(),
  failed: z.number().int(),
  errors: z.array(z.string()),
  /** This hub's, for a dry run. */
  matched: z.number().int().optional(),
});
export type FluxBatchDeleteResponse = z.infer<typeof fluxBatchDeleteResponseSchema>;

/** Runtime configuration (1.10). */
export const fluxConfigSchema = z.object({
  rate_limit_enabled: z.boolean(),
  rate_limit_per_namespace_per_minute: z.number().int().positive(),
  body_size_limit_single_bytes: z.number().int().positive(),
  body_size_limit_batch_bytes: z.number().int().positive(),
});
export type FluxConfig = z.infer<typeof fluxConfigSchema>;

/** Registering a namespace (1.8). */
export const fluxNamespaceRequestSchema = z.object({
  name: z.string(),
  /** This hub's: reading needs the token too. */
  private: z.boolean().optional(),
});
export type FluxNamespaceRequest = z.infer<typeof fluxNamespaceRequestSchema>;

/** The only time the token is shown. */
export const fluxNamespaceTokenSchema = z.looseObject({ namespaceId: z.string(), name: z.string(), token: z.string() });
export type FluxNamespaceToken = z.infer<typeof fluxNamespaceTokenSchema>;

export const fluxNamespaceSchema = z.looseObject({
  namespaceId: z.string(),
  name: z.string(),
  createdAt: z.string(),
  entityCount: z.number().int(),
  /** This hub's. */
  private: z.boolean().optional(),
});
export type FluxNamespace = z.infer<typeof fluxNamespaceSchema>;

/** Connectors of the stock server (1.9). */
export const FLUX_CONNECTORS = ["github", "gmail", "linkedin", "calendar"] as const;

export const fluxConnectorSchema = z.looseObject({
  name: z.string(),
  enabled: z.boolean(),
  status: z.string(),
  poll_interval_seconds: z.number().optional(),
});
export type FluxConnector = z.infer<typeof fluxConnectorSchema>;
export const fluxConnectorListSchema = z.looseObject({ connectors: z.array(fluxConnectorSchema) });
export const fluxConnectorTokenRequestSchema = z.object({ token: z.string().min(1).max(16_384) });
export type FluxConnectorTokenRequest = z.infer<typeof fluxConnectorTokenRequestSchema>;

/** Errors of the API. Stock servers answer some of them with plain text, or nothing. */
export const fluxErrorSchema = z.looseObject({
  error: z.string(),
  /** This hub's: what kind of error it is, for programs. */
  code: z.string().optional(),
  /** With a version conflict: what is there, null when nothing is. */
  version: z.number().int().optional(),
  entity: fluxEntitySchema.nullish(),
});
export type FluxError = z.infer<typeof fluxErrorSchema>;
