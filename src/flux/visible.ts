/**
 * Owns reading one's own writes: waiting, for a while, until the state shows them. This project's hub shows a write before it
 * answers, and numbers it; a stock server answers first, so there the written values are looked for.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { FluxEntity } from "agentrux-wire";
import type { FluxClient } from "./client.ts";

/** What the state is to show. */
export type Wanted =
  | { readonly id: string; readonly version: number }
  | { readonly id: string; readonly properties: Readonly<Record<string, unknown>> }
  | { readonly id: string; readonly gone: true };

/** How long to wait, and how long between two looks: at first and at most. */
const VISIBLE_WITHIN_MS = 2_000;
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 400;

/** Whether the state shows it. Never throws: the write itself was accepted, whatever becomes of the looking. */
export async function becomesVisible(
  client: Pick<FluxClient, "entity">,
  wanted: Wanted,
  signal: AbortSignal,
  withinMs: number = VISIBLE_WITHIN_MS,
): Promise<boolean> {
  const until = AbortSignal.any([signal, AbortSignal.timeout(withinMs)]);
  try {
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      if (shows(await client.entity(wanted.id, until), wanted)) return true;
      await sleep(pause, undefined, { signal: until });
    }
  } catch {
    return false;
  }
}

function shows(entity: FluxEntity | undefined, wanted: Wanted): boolean {
  if ("gone" in wanted) return entity === undefined;
  if (entity === undefined) return false;
  if ("version" in wanted) return (entity.version ?? 0) >= wanted.version;
  // As JSON says it: the server has seen nothing else.
  const written = Object.entries(JSON.parse(JSON.stringify(wanted.properties)) as object);
  return written.every(([name, value]) => isDeepStrictEqual(entity.properties[name], value));
}
