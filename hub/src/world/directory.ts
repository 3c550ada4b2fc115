/**
 * Owns `flux-core/directory`: which namespaces there are and how much is in them, as an entity that is made when it is asked
 * for. It stands in no listing and has no history; an entity that somebody publishes under its id takes its place.
 */
import type { Caller } from "./access.ts";
import { isoMicros } from "./instants.ts";
import type { World } from "./world.ts";

export const DIRECTORY_ID = "flux-core/directory";
/** The largest are named; the totals count all. */
const NAMED = 1000;

export function directoryText({ state, access }: World, caller: Caller): string {
  const visible = [...state.namespaceCounts()].filter(([name]) => access.mayRead(caller, name));
  const namespaces = visible
    .toSorted(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1))
    .slice(0, NAMED)
    .map(([name, entities]) => ({ entities, name }));
  const hidden = [...state.namespaceCounts()].reduce(
    (sum, [name, n]) => sum + (access.mayRead(caller, name) ? 0 : n),
    0,
  );
  const properties = {
    namespaces,
    total_entities: state.size - hidden,
    total_namespaces: visible.length,
  };
  return JSON.stringify({ id: DIRECTORY_ID, properties, lastUpdated: `${isoMicros(state.at)}+00:00` });
}
