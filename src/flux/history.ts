/**
 * Owns reading the newest events of an entity from any server. A stock one has no pages and gives the oldest events of the
 * window (F10); there the window is narrowed until it holds few enough to be whole.
 */

import { FLUX_HISTORY_MAX, type FluxEvent } from "agentrux-wire";
import type { FluxClient, HistoryQuery } from "./client.ts";

export interface History {
  /** Newest first. */
  readonly events: readonly FluxEvent[];
  /** Where the older ones begin, on servers with pages. */
  readonly next?: string;
  /** Newer events than these may be missing: more came in one second than the server gives at once. */
  readonly uncertain?: true;
}

/** Each halving of a day's window; sixteen of them are less than two seconds. */
const NARROWINGS = 16;
const DAY_MS = 86_400_000;

/** @param nowMs epoch milliseconds, by which a stock server's window is narrowed */
export async function newestEvents(
  client: Pick<FluxClient, "history">,
  query: HistoryQuery & { readonly limit: number },
  nowMs: number,
  signal: AbortSignal,
): Promise<History> {
  const { items, next } = await client.history(query, signal);
  if (next !== undefined) return { events: items, next };
  const isWhole = items.length < query.limit || items.some(({ version }) => version !== undefined);
  return isWhole ? { events: items } : await narrowed(client, query, nowMs, signal);
}

async function narrowed(
  client: Pick<FluxClient, "history">,
  { entity, limit, since }: HistoryQuery & { readonly limit: number },
  nowMs: number,
  signal: AbortSignal,
): Promise<History> {
  const ask = async (sinceMs: number) => {
    const window = { entity, limit: FLUX_HISTORY_MAX, since: new Date(sinceMs).toISOString() };
    return (await client.history(window, signal)).items;
  };
  let from = since === undefined ? nowMs - DAY_MS : Date.parse(since);
  let to = nowMs;
  let best = await ask(from);
  if (best.length < FLUX_HISTORY_MAX) return { events: best.slice(0, limit) };
  let isWhole = false;
  for (let step = 0; step < NARROWINGS && !(isWhole && best.length >= limit); step += 1) {
    const middle = from + (to - from) / 2;
    const events = await ask(middle);
    if (events.length === FLUX_HISTORY_MAX) {
      from = middle;
      if (!isWhole) best = events;
    } else {
      to = middle;
      if (events.length > (isWhole ? best.length : 0)) [best, isWhole] = [events, true];
    }
  }
  return { events: best.slice(0, limit), ...(isWhole ? {} : { uncertain: true }) };
}
