/**
 * Owns the world-state part of the main job: what the agent shows of itself there, what it watches, and a second client
 * that changes it.
 */

import { setTimeout as sleep } from "node:timers/promises";

const NAMESPACE = "demo";
const ROOM = `${NAMESPACE}/room-1`;
const REMARK = `${NAMESPACE}/remark`;
const COLD = 21;
const HOT = 31;
/** The watch has seen the room cold by then: a change back and forth within its time is none. */
const BETWEEN_MS = 1_500;
const DEBOUNCE_MS = 100;
const WAIT_MS = 90_000;
const POLL_MS = 100;
const CALL_MS = 10_000;

type Properties = Readonly<Record<string, unknown>>;

/** The plugin's key `flux`. A scripted model cannot make up a remark, so it is told the call to make. */
export function worldSettings(model: "scripted" | "real"): object {
  const call = JSON.stringify({ entity: REMARK, properties: { text: "It has become warm in room 1." } });
  const instruction =
    model === "scripted"
      ? `TOOL:flux_publish:${call}`
      : `Call the tool flux_publish for the entity ${REMARK}: set its property text to one sentence about what changed.`;
  return {
    namespace: NAMESPACE,
    presence: { enabled: true },
    watch: [
      {
        id: "warm-room",
        entity: ROOM,
        when: "temperature > 30",
        instruction,
        debounceMs: DEBOUNCE_MS,
        cooldownSeconds: 0,
      },
    ],
  };
}

/** What the agent shows of itself, in words. */
export async function presence(hubUrl: string, agentId: string): Promise<string> {
  const id = `${NAMESPACE}/${agentId}`;
  const shown = await until(async () => (await entity(hubUrl, id))?.properties);
  return shown === undefined ? `${id} has not appeared` : `${id} is ${String(shown["status"])}`;
}

/** Lets the room become hot, and waits for what the agent has to say about it. */
export async function wakeByChange(hubUrl: string): Promise<string> {
  await publish(hubUrl, ROOM, { temperature: COLD });
  const before = (await entity(hubUrl, REMARK))?.version;
  await sleep(BETWEEN_MS);
  await publish(hubUrl, ROOM, { temperature: HOT });
  const remark = await until(async () => {
    const now = await entity(hubUrl, REMARK);
    return now?.version === before ? undefined : now?.properties;
  });
  return remark === undefined
    ? "the agent has not said anything about it"
    : `${REMARK} says "${String(remark["text"])}"`;
}

async function publish(hubUrl: string, id: string, properties: Properties): Promise<void> {
  const payload = { entity_id: id, properties };
  const event = { stream: "sensors", source: "thermometer", timestamp: Date.now(), payload };
  const answer = await fetch(`${hubUrl}/api/events`, {
    method: "POST",
    body: JSON.stringify(event),
    signal: AbortSignal.timeout(CALL_MS),
  });
  if (!answer.ok) throw new Error(`the hub does not take an event of the world: ${answer.status}`);
}

async function entity(
  hubUrl: string,
  id: string,
): Promise<{ readonly version: number; readonly properties: Properties } | undefined> {
  const url = `${hubUrl}/api/state/entities/${encodeURIComponent(id)}?meta=true`;
  const answer = await fetch(url, { signal: AbortSignal.timeout(CALL_MS) });
  return answer.ok ? ((await answer.json()) as { version: number; properties: Properties }) : undefined;
}

async function until<T>(look: () => Promise<T | undefined>): Promise<T | undefined> {
  for (const end = performance.now() + WAIT_MS; performance.now() < end; await sleep(POLL_MS)) {
    const found = await look();
    if (found !== undefined) return found;
  }
  return undefined;
}
