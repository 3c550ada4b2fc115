/**
 * Owns bringing the world back: the newest snapshot that is whole and belongs to this log, then every event after it. The
 * log's end is fixed before, so traffic cannot keep a world from going live. Without a usable snapshot the log is read
 * from its first event; where that event was dropped, the world cannot be whole and the restore says so. Snapshots that do
 * not fit the log go aside once the world is whole, and stay where they are when it cannot be: then it may be the database
 * that is the wrong one.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { HubError } from "../errors.ts";
import type { WorldLog, WorldLogEntry } from "../store/world-port.ts";
import { subjectOf } from "./event.ts";
import type { ChangeExtras } from "./fold.ts";
import { changeOf, fold, NO_EXTRAS } from "./fold.ts";
import type { Snapshots } from "./snapshots.ts";
import type { WorldState } from "./state.ts";

/** Read at a time, so that other work gets its turn. */
const PAGE = 1000;

/**
 * Fills an empty state.
 * @param signal ends it early, with the signal's reason
 * @returns the sequence number of the snapshot it began with, 0 without one
 * @throws HubError DATA_FOLDER_UNUSABLE when snapshots and log together do not hold the whole world
 */
export async function restore(
  state: WorldState,
  log: WorldLog,
  snapshots: Snapshots,
  signal: AbortSignal,
): Promise<number> {
  const { lastSeq, droppedThrough } = await log.bounds();
  const snapshot = await snapshots.newestUsable(log, signal);
  if (snapshot !== undefined) state.load(snapshot.records, snapshot.seq, snapshot.at, snapshot.forgottenThrough);
  else if (droppedThrough > 0) {
    throw new HubError(
      "DATA_FOLDER_UNUSABLE",
      "No snapshot of the world is usable, and its oldest events were dropped; bring a snapshot back from a backup",
    );
  }
  while (state.seq < lastSeq) {
    signal.throwIfAborted();
    const entries = await log.after(state.seq, PAGE);
    if (entries.length === 0) throw new HubError("DATA_FOLDER_UNUSABLE", "The world's log ends too early");
    for (const entry of entries) replay(state, entry);
    await nextTurn();
  }
  snapshots.setUnusableAside();
  return snapshot?.seq ?? 0;
}

function replay(state: WorldState, entry: WorldLogEntry): void {
  const { seq, at } = entry;
  const { entityId, properties } = subjectOf(entry.payload);
  if (entityId === undefined) return void state.put(undefined, seq, at);
  const change = changeOf(properties, extrasOf(entry));
  state.put(fold(entityId, state.record(entityId), change, { seq, at }), seq, at);
}

function extrasOf({ extras }: WorldLogEntry): ChangeExtras {
  return extras === null ? NO_EXTRAS : { ...NO_EXTRAS, ...(JSON.parse(extras) as Partial<ChangeExtras>) };
}
