/**
 * Owns what an agent's presence looks like in the world (docs/flux.md, "Presence"), and what of it has to be said anew.
 * Pure. World state can be read by everybody, so nothing is in it but what is named here.
 */

import { isDeepStrictEqual } from "node:util";
import type { FluxEventRequest } from "agentrux-wire";
import type { AgentStanding } from "./agent-activity.ts";

export const PRESENCE_STREAM = "agents.status";

export type Properties = Readonly<Record<string, unknown>>;

export interface PresentAgent extends AgentStanding {
  readonly agentId: string;
  readonly capabilities: readonly string[];
}

export interface PresenceFacts {
  /** The plugin's. */
  readonly version: string;
  readonly hostVersion?: string;
}

/** What stays the same between two heartbeats. */
export function propertiesOf(agent: PresentAgent, facts: PresenceFacts, ttlS: number): Properties {
  const { status, task, since, lastRun, capabilities } = agent;
  return {
    type: "agent",
    status,
    // Null and not absent: stock servers cannot take a property away.
    task: task ?? null,
    since: iso(since),
    ...(lastRun === undefined
      ? {}
      : { last_run: { at: iso(lastRun.at), outcome: lastRun.outcome, duration_ms: lastRun.durationMs } }),
    capabilities,
    version: facts.version,
    ...(facts.hostVersion === undefined ? {} : { host_version: facts.hostVersion }),
    ttl_s: ttlS,
  };
}

/** What is left behind by an agent whose gateway stops. */
export function offlineProperties(now: number, ttlS: number): Properties {
  return { type: "agent", status: "offline", task: null, since: iso(now), ttl_s: ttlS };
}

/** The properties of `now` that differ from what the world was told. */
export function changesOf(now: Properties, told: Properties | undefined): Properties {
  if (told === undefined) return now;
  return Object.fromEntries(Object.entries(now).filter(([name, value]) => !isDeepStrictEqual(value, told[name])));
}

/** Every event is a heartbeat: who hears nothing for `ttl_s` after `heartbeat_at` takes the agent for dead. */
export function presenceEvent(
  namespace: string,
  agentId: string,
  properties: Properties,
  { now, ttlS }: { readonly now: number; readonly ttlS: number },
): FluxEventRequest {
  return {
    stream: PRESENCE_STREAM,
    source: `openclaw/${agentId}`,
    timestamp: now,
    payload: { entity_id: `${namespace}/${agentId}`, properties: { ...properties, heartbeat_at: iso(now) } },
    ttlSeconds: ttlS,
  };
}

function iso(time: number): string {
  return new Date(time).toISOString();
}
