/** Reading query parameters of the pull endpoints. */
import { HubError } from "../errors.ts";
import type { HubContext } from "../http/context.ts";

export const MAX_PAGE_EVENTS = 1000;
const DEFAULT_PAGE_EVENTS = 50;

/** `limit`, clamped rather than refused (wire spec 9.3). */
export function limitParam(c: HubContext): number {
  const text = c.req.query("limit");
  if (text === undefined || text === "") return DEFAULT_PAGE_EVENTS;
  const value = Number(text);
  if (Number.isNaN(value)) throw new HubError("INVALID", "limit: must be a number");
  return Math.min(MAX_PAGE_EVENTS, Math.max(1, Math.floor(value)));
}

/** @throws HubError INVALID when the parameter is there and no whole number from 0 */
export function sequenceParam(c: HubContext, name: string): number | undefined {
  const text = c.req.query(name);
  if (text === undefined || text === "") return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new HubError("INVALID", `${name}: must be a whole number, 0 or more`);
  }
  return value;
}

export function orderParam(c: HubContext): "asc" | "desc" | undefined {
  const text = c.req.query("order");
  if (text === undefined || text === "") return undefined;
  if (text === "asc" || text === "desc") return text;
  throw new HubError("INVALID", "order: must be asc or desc");
}

export function flagParam(c: HubContext, name: string): boolean {
  const text = c.req.query(name)?.toLowerCase();
  return text === "true" || text === "1";
}

/** A text parameter; empty counts as absent. */
export function textParam(c: HubContext, name: string): string | undefined {
  const text = c.req.query(name);
  return text === "" ? undefined : text;
}
