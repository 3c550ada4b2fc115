/**
 * Owns what an event does to an entity, as a pure function of the two: the same for an event that has just come and for
 * one that is read back after a restart.
 *
 * Properties merge one level deep: a property is replaced whole, `null` is a value. `__deleted__: true` deletes, whatever
 * stands beside it. An event without properties changes nothing, unless it removes some or sets a time to live. A later
 * event makes a deleted entity anew, from nothing (flux-wire 3).
 */
import { memberTexts } from "../json-text.ts";
import { objectText } from "./canonical.ts";
import type { EntityFields } from "./entity.ts";

/** What an event wants of its entity. */
export interface Change {
  readonly kind: "nothing" | "delete" | "merge";
  /** JSON texts by name. */
  readonly properties: ReadonlyMap<string, string>;
  /** Names of properties to take away; one that the same event sets is set. */
  readonly remove: readonly string[];
  /** Seconds until the entity goes unless it is set anew; 0 ends an earlier limit, undefined leaves it. */
  readonly ttlS: number | undefined;
}

/** Where in the order an event stands. */
export interface Position {
  readonly seq: number;
  /** Epoch microseconds. */
  readonly at: number;
}

export interface ChangeExtras {
  readonly remove: readonly string[];
  readonly ttlS: number | undefined;
}

const NO_PROPERTIES: ReadonlyMap<string, string> = new Map();
export const NO_EXTRAS: ChangeExtras = { remove: [], ttlS: undefined };

/** The change in a payload of canonical form. */
export function changeOf(propertiesText: string | undefined, extras: ChangeExtras): Change {
  const given = propertiesText?.startsWith("{") === true;
  const properties = given ? memberTexts(propertiesText) : NO_PROPERTIES;
  if (properties.get("__deleted__") === "true") return { kind: "delete", properties: NO_PROPERTIES, ...NO_EXTRAS };
  const kind = properties.size > 0 || extras.remove.length > 0 || extras.ttlS !== undefined ? "merge" : "nothing";
  return { kind, properties, ...extras };
}

/** What is known of `id` after the event. The result has the event's version exactly when the event changed it. */
export function fold(
  id: string,
  before: EntityFields | undefined,
  change: Change,
  { seq, at }: Position,
): EntityFields {
  const exists = before?.properties !== undefined;
  const unchanged = {
    ...(before ?? { id, properties: undefined, version: 0, born: 0, at: 0, expiresAt: 0 }),
    newest: seq,
  };
  if (change.kind === "nothing") return unchanged;
  if (change.kind === "delete") {
    return exists ? { ...unchanged, properties: undefined, version: seq, at, expiresAt: 0 } : unchanged;
  }
  // Taking away from nothing makes no entity.
  if (!exists && change.properties.size === 0) return unchanged;
  return {
    id: unchanged.id,
    properties: merged(before?.properties, change),
    version: seq,
    newest: seq,
    born: exists ? (before?.born ?? seq) : seq,
    at,
    expiresAt: expiryAfter(exists ? (before?.expiresAt ?? 0) : 0, change.ttlS, at),
  };
}

function merged(before: string | undefined, { properties, remove }: Change): string {
  if (before === undefined) return objectText(properties);
  const members = memberTexts(before);
  for (const name of remove) members.delete(name);
  for (const [name, value] of properties) members.set(name, value);
  return objectText(members);
}

function expiryAfter(before: number, ttlS: number | undefined, atMicros: number): number {
  if (ttlS === undefined) return before;
  return ttlS === 0 ? 0 : Math.ceil(atMicros / 1000) + ttlS * 1000;
}
