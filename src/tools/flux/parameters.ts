/** Parameters that several of the world-state tools have. */

import { FLUX_STREAM_PATTERN } from "agentrux-wire";
import { z } from "zod";
import { AgentruxError } from "../../errors.ts";

export const ENTITY_ID_MAX_CHARS = 512;

/** Any text is an id; where the server has namespaces, `<namespace>/<name>`. */
export const entityId = z
  .string()
  .min(1)
  .max(ENTITY_ID_MAX_CHARS)
  .refine((id) => id.isWellFormed(), { error: "holds half of a surrogate pair" });

/** One id or several; models write both. */
export function entityIds(max: number) {
  return z.union([entityId, z.array(entityId).min(1).max(max)]);
}

export function listOf(ids: string | readonly string[] | undefined): readonly string[] {
  if (ids === undefined) return [];
  return typeof ids === "string" ? [ids] : [...new Set(ids)];
}

export const stream = z.string().max(255).regex(FLUX_STREAM_PATTERN, {
  error: "must be lower-case letters and digits, in parts joined by dots",
});

export const source = z.string().min(1).max(255);

/** An object; models now and then write it as a string of JSON. */
export const properties = z.union([z.record(z.string(), z.unknown()), z.string()]);

/** @throws AgentruxError `invalid` */
export function propertiesOf(given: z.infer<typeof properties>): Readonly<Record<string, unknown>> {
  const value: unknown = typeof given === "string" ? parsed(given) : given;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new AgentruxError("invalid", "properties must be a JSON object");
  }
  // To servers this deletes the entity, whatever else is said of it.
  if ("__deleted__" in value && value.__deleted__ === true) {
    throw new AgentruxError("invalid", "__deleted__ is how a deletion is written; use flux_delete");
  }
  return { ...value };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AgentruxError("invalid", "properties must be a JSON object, and this is no JSON", { cause });
  }
}
