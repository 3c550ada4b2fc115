/** Owns the event that deletes an entity (flux-wire 1.6), whoever asks for it. */
import { canonicalJson } from "./canonical.ts";
import type { GivenEvent } from "./event.ts";

/** @param source `api` for a request, `ttl` when the entity's time was over */
export function tombstone(
  entityId: string,
  source: "api" | "ttl",
  nowMs: number,
  expectedVersion: number | undefined,
): GivenEvent {
  return {
    eventId: undefined,
    stream: "flux.events.deletions",
    source,
    timestamp: nowMs,
    key: entityId,
    schema: null,
    payload: canonicalJson(
      JSON.stringify({ entity_id: entityId, properties: { __deleted__: true, __deleted_at__: nowMs } }),
    ),
    remove: [],
    ttlS: undefined,
    expectedVersion,
  };
}
