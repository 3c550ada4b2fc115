/**
 * Owns what the world knows of one id. A record is never changed: an event puts a new one in its place, so whoever holds
 * one (an answer being written, a snapshot) sees an entity as it was between two events, never half of one.
 *
 * Ids that were deleted, or only mentioned, keep a record without properties: it knows where their history begins, and
 * lets a watcher that was away learn of the deletion.
 */
import { isoMicros } from "./instants.ts";

export interface EntityFields {
  readonly id: string;
  /** JSON object in canonical form; undefined when there is no such entity (any more). */
  readonly properties: string | undefined;
  /** Sequence number of the last event that changed it; 0 when none did. */
  readonly version: number;
  /** Sequence number of the newest event about it, whether it changed anything or not. */
  readonly newest: number;
  /** Sequence number of the event that made it, of the present life. */
  readonly born: number;
  /** When it was changed last, epoch microseconds. */
  readonly at: number;
  /** When it goes by itself, epoch milliseconds; 0 when it stays. */
  readonly expiresAt: number;
}

export class Entity implements EntityFields {
  readonly id: string;
  readonly properties: string | undefined;
  readonly version: number;
  readonly newest: number;
  readonly born: number;
  readonly at: number;
  readonly expiresAt: number;
  /** Neighbours in the order of change; kept by `Recency` only. */
  older: Entity | undefined = undefined;
  newer: Entity | undefined = undefined;

  constructor(fields: EntityFields) {
    this.id = fields.id;
    this.properties = fields.properties;
    this.version = fields.version;
    this.newest = fields.newest;
    this.born = fields.born;
    this.at = fields.at;
    this.expiresAt = fields.expiresAt;
  }
}

export type LiveFields = EntityFields & { readonly properties: string };
/** An entity that exists. */
export type LiveEntity = Entity & LiveFields;

export function isLive<T extends EntityFields>(entity: T | undefined): entity is T & { readonly properties: string } {
  return entity?.properties !== undefined;
}

/** The entity as REST serves it (flux-wire 1.5). */
export function entityText(entity: LiveFields): string {
  return `{"id":${JSON.stringify(entity.id)},"properties":${entity.properties},"lastUpdated":"${isoMicros(entity.at)}+00:00"}`;
}

/** The same with what only this hub tells: the version that conditional writes name, and the end of its life. */
export function entityTextWithMeta(entity: LiveFields): string {
  const expires = entity.expiresAt === 0 ? "" : `,"expiresAt":"${isoMicros(entity.expiresAt * 1000)}+00:00"`;
  return `${entityText(entity).slice(0, -1)},"version":${entity.version}${expires}}`;
}

/** The part of an id before its first slash; undefined for a bare id. */
export function namespaceOf(id: string): string | undefined {
  const slash = id.indexOf("/");
  return slash < 0 ? undefined : id.slice(0, slash);
}
