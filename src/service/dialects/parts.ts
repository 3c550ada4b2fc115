/** Owns what both dialects build requests and events from. */

import { AgentruxError } from "../../errors.ts";

/** Ids are opaque, but they become part of a path: nothing that could leave it. */
const PATH_SAFE_ID = /^[A-Za-z0-9_-]{1,128}$/;

/**
 * `id` as a path segment.
 *
 * @throws AgentruxError `invalid` when it could name something else than an id.
 */
export function segment(id: string, what: "topic" | "object"): string {
  if (!PATH_SAFE_ID.test(id))
    throw new AgentruxError("invalid", `This is no ${what} id: only letters, digits, - and _ may stand in one`);
  return id;
}

/** `path` with the parameters that are set. */
export function withQuery(path: string, parameters: Readonly<Record<string, string | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) query.set(name, value);
  }
  return query.size === 0 ? path : `${path}?${query.toString()}`;
}

/** The entries of `fields` that are there: `null` and `undefined` are how the wire says "absent". */
export function present<T extends object>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const kept: { [K in keyof T]?: NonNullable<T[K]> } = {};
  for (const key of Object.keys(fields) as (keyof T)[]) {
    const value = fields[key];
    if (value !== undefined && value !== null) kept[key] = value;
  }
  return kept;
}

/** The object a `data:` line holds; empty when it holds none. Hints are no truth: a broken one still means "look". */
export function frameData(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return {};
  }
}
