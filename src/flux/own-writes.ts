/**
 * Owns knowing one's own writes to the world, so that a watch does not tell the agent what it has just done itself. A
 * server need not say who wrote what (stock ones never do), so a write is known again by what it wrote. Each one is
 * recognised once: whoever writes the same value later is somebody else.
 */

import { isDeepStrictEqual } from "node:util";
import type { FluxEventRequest } from "agentrux-wire";
import { isAgentruxError } from "../errors.ts";
import type { FluxClient } from "./client.ts";

/** Takes back what was noted, unless it has been seen or written over meanwhile. */
type TakeBack = () => void;

/** Our writes that have not been seen in the world yet. */
export interface OwnWrites {
  /** To be called before the write is sent: it may be seen before its answer comes. Undefined: the property is taken away. */
  wrote(entity: string, properties: Readonly<Record<string, unknown>>): TakeBack;
  removed(entity: string): TakeBack;
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

  const note = (at: string, value: unknown): TakeBack => {
    const write = { value, at: now() };
    writes.delete(at);
    writes.set(at, write);
    const [oldest] = writes.keys();
    if (writes.size > MOST && oldest !== undefined) writes.delete(oldest);
    return () => {
      if (writes.get(at) === write) writes.delete(at);
    };
  };

  const take = (at: string, value: unknown): boolean => {
    const write = writes.get(at);
    if (write === undefined || now() - write.at > KEPT_MS || !isDeepStrictEqual(write.value, value)) return false;
    return writes.delete(at);
  };

  return {
    wrote(entity, properties) {
      const notes = Object.entries(properties).map(([property, value]) => note(key(entity, property), value));
      return () => notes.forEach((takeBack) => takeBack());
    },
    removed: (entity) => note(key(entity, ""), REMOVED),
    // Asked of every value that is seen, and mostly there is nothing to recognise.
    recognise: (entity, property, value) => writes.size > 0 && take(key(entity, property), value),
    recogniseRemoval: (entity) => writes.size > 0 && take(key(entity, ""), REMOVED),
  };
}

/**
 * A client whose writes are noted. What was refused is nobody's: whoever writes the same value next is not us. What may
 * have been carried out stays noted.
 */
export function notingWrites(client: FluxClient, own: OwnWrites): FluxClient {
  const noteEvent = (event: FluxEventRequest) => own.wrote(event.payload.entity_id, writtenBy(event));
  return {
    ...client,
    publish: (event, signal) => send([noteEvent(event)], () => client.publish(event, signal)),
    publishBatch: (events, signal) =>
      send(
        events.map(noteEvent),
        () => client.publishBatch(events, signal),
        ({ results }, index) => (results[index]?.error ?? "") !== "",
      ),
    delete: (id, signal) => send([own.removed(id)], () => client.delete(id, signal)),
    deleteMany(filter, signal) {
      const ids = filter.entity_ids ?? [];
      return send(
        ids.map((id) => own.removed(id)),
        () => client.deleteMany(filter, signal),
        // Each error begins with the id it is about, on stock servers too.
        ({ deleted, errors }, index) => deleted === 0 || errors.some((error) => error.startsWith(`${ids[index]}: `)),
      );
    },
  };
}

/** @param isRefused whether the server has not done what the note of this index is about */
async function send<T>(
  notes: readonly TakeBack[],
  call: () => Promise<T>,
  isRefused: (answer: T, index: number) => boolean = () => false,
): Promise<T> {
  try {
    const answer = await call();
    for (const [index, takeBack] of notes.entries()) if (isRefused(answer, index)) takeBack();
    return answer;
  } catch (error) {
    if (isAgentruxError(error) && error.kind !== "unknown") for (const takeBack of notes) takeBack();
    throw error;
  }
}

function writtenBy({ payload, remove = [] }: FluxEventRequest): Readonly<Record<string, unknown>> {
  return { ...Object.fromEntries(remove.map((name) => [name, undefined])), ...payload.properties };
}
