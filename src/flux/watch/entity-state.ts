/**
 * Owns what is kept of an entity to tell later whether it has changed: each property's value as text, bounded. Pure.
 *
 * Where an entity is larger than its limit the largest values are kept as digests, which compare like the values they
 * stand for; where not even that fits, only that the entity is there.
 */

import { hash } from "node:crypto";

/** Property and value. A value is JSON text, a digest (`#`), or in the one entry of what is too large, `!`. */
export type EntityState = ReadonlyMap<string, string>;

/** What a digest or its size stands for cannot be shown. */
export interface Unshown {
  readonly chars: number;
}

const TOO_LARGE: EntityState = new Map([["", "!"]]);
const DIGEST_HEX = 32;
/** Values no longer than this gain nothing by a digest. */
const DIGEST_FROM = 64;
/** Deeper down differences are not seen. */
const MAX_DEPTH = 64;

function textOf(value: unknown, depth = 0): string {
  if (depth > MAX_DEPTH) return '"..."';
  if (Array.isArray(value)) return `[${value.map((one) => textOf(one, depth + 1)).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, one]) => `${JSON.stringify(name)}:${textOf(one, depth + 1)}`).join(",")}}`;
}

function digestOf(token: string): string {
  return token.startsWith("#") ? token : `#${hash("sha256", token, "hex").slice(0, DIGEST_HEX)}:${token.length}`;
}

export function sizeOf(state: EntityState | undefined): number {
  let size = 0;
  for (const [name, token] of state ?? []) size += name.length + token.length;
  return size;
}

function fitted(state: Map<string, string>, maxChars: number): EntityState {
  let size = sizeOf(state);
  if (size <= maxChars) return state;
  for (const [name, token] of [...state].toSorted(([, a], [, b]) => b.length - a.length)) {
    if (size <= maxChars || token.length <= DIGEST_FROM) break;
    const digest = digestOf(token);
    size += digest.length - token.length;
    state.set(name, digest);
  }
  return size <= maxChars ? state : TOO_LARGE;
}

/**
 * An entity as it is.
 *
 * @param only the one property that counts; an entity without it counts as absent
 */
export function stateOf(
  properties: Readonly<Record<string, unknown>>,
  maxChars: number,
  only?: string,
): EntityState | undefined {
  if (only !== undefined) {
    return Object.hasOwn(properties, only) ? fitted(new Map([[only, textOf(properties[only])]]), maxChars) : undefined;
  }
  return fitted(new Map(Object.entries(properties).map(([name, value]) => [name, textOf(value)])), maxChars);
}

/** An entity after some of its properties were written and others taken away. */
export function changedState(
  state: EntityState | undefined,
  changes: Readonly<Record<string, unknown>>,
  removed: readonly string[],
  maxChars: number,
  only?: string,
): EntityState | undefined {
  if (only !== undefined) {
    if (Object.hasOwn(changes, only)) return stateOf(changes, maxChars, only);
    return removed.includes(only) ? undefined : state;
  }
  if (state !== undefined && isTooLarge(state)) return state;
  const next = new Map(state);
  for (const name of removed) next.delete(name);
  for (const [name, value] of Object.entries(changes)) next.set(name, textOf(value));
  return fitted(next, maxChars);
}

/** `state` with these properties as they are in `from`. */
export function withPropertiesOf(state: EntityState, from: EntityState, names: Iterable<string>): EntityState {
  const next = new Map(state);
  for (const name of names) {
    const token = from.get(name);
    if (token === undefined) next.delete(name);
    else next.set(name, token);
  }
  return next;
}

export function isTooLarge(state: EntityState): boolean {
  return state.get("") === "!";
}

function sameToken(a: string | undefined, b: string | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined || a === "!" || b === "!") return false;
  return (a.startsWith("#") || b.startsWith("#")) && digestOf(a) === digestOf(b);
}

export function sameState(a: EntityState | undefined, b: EntityState | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined || a.size !== b.size) return false;
  for (const [name, token] of a) if (!sameToken(token, b.get(name))) return false;
  return true;
}

/** Properties in which the two differ, in order. */
export function differences(a: EntityState | undefined, b: EntityState | undefined): readonly string[] {
  const names = new Set([...(a?.keys() ?? []), ...(b?.keys() ?? [])]);
  return [...names].filter((name) => !sameToken(a?.get(name), b?.get(name))).toSorted();
}

/** A property's value; undefined where it is absent. */
export function valueIn(state: EntityState | undefined, name: string): unknown {
  const token = state?.get(name);
  if (token === undefined) return undefined;
  if (token === "!") return { chars: 0 } satisfies Unshown;
  if (token.startsWith("#")) return { chars: Number(token.slice(token.indexOf(":") + 1)) } satisfies Unshown;
  return JSON.parse(token) as unknown;
}

export function encodeState(state: EntityState): string {
  return JSON.stringify([...state]);
}

export function decodeState(text: string): EntityState {
  return new Map(JSON.parse(text) as [string, string][]);
}
