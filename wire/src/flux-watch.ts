/**
 * Owns the Flux WebSocket, `GET /api/ws` (section 2 of the Flux wire spec), and this project's mode `?mode=explicit`, in
 * which a client gets what it asked for, whole events, and a cursor to go on from.
 */
import { z } from "zod";
import { fluxEntitySchema } from "./flux.ts";

/** What a client sends. Stock servers know `subscribe` and `unsubscribe` with `entity_id`, `*` for all. */
export const fluxWatchRequestSchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("subscribe"),
    entity_id: z.string().optional(),
    prefix: z.string().optional(),
    namespace: z.string().optional(),
    property: z.string().optional(),
    /** Send first what is there. */
    snapshot: z.boolean().optional(),
    /** Send first what has changed since. */
    cursor: z.string().optional(),
  }),
  z.object({
    type: z.literal("unsubscribe"),
    entity_id: z.string().optional(),
    prefix: z.string().optional(),
    namespace: z.string().optional(),
    property: z.string().optional(),
  }),
  z.object({ type: z.literal("ping") }),
]);
export type FluxWatchRequest = z.infer<typeof fluxWatchRequestSchema>;

/** What stock servers send, and this hub to clients that ask for no mode. */
export const fluxStockMessageSchema = z.discriminatedUnion("type", [
  z.looseObject({
    type: z.literal("state_update"),
    entity_id: z.string(),
    property: z.string(),
    value: z.unknown(),
    timestamp: z.string(),
  }),
  z.looseObject({ type: z.literal("entity_deleted"), entity_id: z.string(), timestamp: z.string() }),
  z.looseObject({
    type: z.literal("metrics_update"),
    timestamp: z.string(),
    entities: z.looseObject({ total: z.number() }),
    events: z.looseObject({ total: z.number(), rate_per_second: z.number() }),
    websocket: z.looseObject({ connections: z.number() }),
    publishers: z.looseObject({ active: z.number() }),
  }),
]);
export type FluxStockMessage = z.infer<typeof fluxStockMessageSchema>;

const subscription = z.looseObject({
  entity_id: z.string().optional(),
  prefix: z.string().optional(),
  property: z.string().optional(),
});

/** What this hub sends in mode `explicit`, besides `metrics_update` where it was asked for. */
export const fluxExplicitMessageSchema = z.discriminatedUnion("type", [
  z.looseObject({ type: z.literal("subscribed"), subscription, cursor: z.string() }),
  z.looseObject({ type: z.literal("unsubscribed"), subscription }),
  z.looseObject({ type: z.literal("pong"), cursor: z.string() }),
  z.looseObject({ type: z.literal("error"), error: z.string() }),
  /** A part of what a subscription holds. */
  z.looseObject({
    type: z.literal("snapshot"),
    subscription,
    entities: z.array(fluxEntitySchema),
    more: z.boolean(),
    cursor: z.string(),
  }),
  /** One event. */
  z.looseObject({
    type: z.literal("entity_update"),
    entity_id: z.string(),
    changes: z.record(z.string(), z.unknown()),
    removed: z.array(z.string()),
    version: z.number(),
    timestamp: z.string(),
    eventId: z.string(),
    stream: z.string(),
    source: z.string(),
    cursor: z.string(),
  }),
  z.looseObject({
    type: z.literal("entity_deleted"),
    entity_id: z.string(),
    version: z.number(),
    timestamp: z.string(),
    cursor: z.string(),
  }),
  /** All of an entity, in place of whatever the client held of it. */
  z.looseObject({ type: z.literal("entity_state"), entity: fluxEntitySchema, cursor: z.string() }),
  /** Events were missed; states follow until `synced`, or a snapshot when the cursor is too old. */
  z.looseObject({
    type: z.literal("resync"),
    reason: z.enum(["slow", "resumed", "cursor_expired"]),
    cursor: z.string(),
  }),
  z.looseObject({ type: z.literal("synced"), cursor: z.string() }),
]);
export type FluxExplicitMessage = z.infer<typeof fluxExplicitMessageSchema>;
