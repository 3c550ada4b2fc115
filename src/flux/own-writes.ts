/**
 * Owns knowing one's own writes to the world, so that a watch does not tell the agent what it has just done itself. A
 * server need not say who wrote what (stock ones never do), so a write is known again by what it wrote. Each one is
 * recognised once: whoever writes the same value later is somebody else.
 */

import { isDeepStrictEqual } from "node:util";
import type { FluxEventRequest } from "agentrux-wire";
import type { FluxClient } from "./client.ts";

/** Our writes that have not been seen in the world yet. */
export interface OwnWrites {
  /** To be called before the write is sent: it may be seen before its answer comes. Undefined: the property is taken away. */
  wrote(entity: string, properties: Readonly<Record<string, unknown>>): void;
  removed(entity: string): void;
  /** Whether `value` is what we wrote to this property last; true at most once for each write. */
  recognise(entity: string, property: string, value: unknown): boolean;
  /** Whether it was us who deleted the entity; true at most once for each deletion. */
  recogniseRemoval(entity: string): boolean;
}

/** How long a write may take to be seen. */
const KEPT_MS = 60_000;
const MOST = 10_000;
const REMOVED = Symbol("removed");

/** @param now Monotonic milliseconds. */
export function createOwnWrites(now: () => number): OwnWrites {
  const writes = new Map<string, { readonly value: unknown; readonly at: number }>();
  const key = (entity: string, property: string): string => JSON.stringify([entity, property]);

  const note = (at: string, value: unknown): void => {
    writes.delete(at);
    writes.set(at, { value, at: now() });
    const [oldest] = writes.keys();
    if (writes.size > MOST && oldest !== undefined) writes.delete(oldest);
  };

  const take = (at: string, value: unknown): boolean => {
    const write = writes.get(at);
    if (write === undefined || now() - write.at > KEPT_MS || !isDeepStrictEqual(write.value, value)) return false;
    return writes.delete(at);
  };

  return {
    wrote(entity, properties) {
      for (const [property, value] of Object.entries(properties)) note(key(entity, property), value);
    },
    removed: (entity) => note(key(entity, ""), REMOVED),
    // Asked of every value that is seen, and mostly there is nothing to recognise.
    recognise: (entity, property, value) => writes.size > 0 && take(key(entity, property), value),
    recogniseRemoval: (entity) => writes.size > 0 && take(key(entity, ""), REMOVED),
  };
}

/** A client whose writes are noted. What was refused stays noted until it is forgotten: it is then seen by nobody. */
export function notingWrites(client: FluxClient, own: OwnWrites): FluxClient {
  return {
    ...client,
    publish(event, signal) {
      own.wrote(event.payload.entity_id, writtenBy(event));
      return client.publish(event, signal);
    },
    publishBatch(events, signal) {
      for (const event of events) own.wrote(event.payload.entity_id, writtenBy(event));
      return client.publishBatch(events, signal);
    },
    delete(id, signal) {
      own.removed(id);
      return client.delete(id, signal);
    },
    deleteMany(filter, signal) {
      for (const id of filter.entity_ids ?? []) own.removed(id);
      return client.deleteMany(filter, signal);
    },
  };
}

function writtenBy({ payload, remove = [] }: FluxEventRequest): Readonly<Record<string, unknown>> {
  return { ...Object.fromEntries(remove.map((name) => [name, undefined])), ...payload.properties };
}
