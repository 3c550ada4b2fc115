/**
 * Sees the runs of every agent of this gateway, for their presence.
 *
 * Two sources: the host's event stream, which tells of each run's beginning and end wherever it came from (chat, schedule,
 * sub-agent, topic), and our own turns, of which we know more. Of the hooks only `agent_end` would tell an end, and that
 * one gives a plugin every conversation to read; the stream is there without it, and only three fields of it are looked
 * at. It is one stream for the process, so it does not matter which copy of the plugin listens.
 */

import { AgentActivity, type RunOutcome } from "../flux/agent-activity.ts";
import { CHANNEL_ID } from "../ids.ts";
import type { Command, TurnRequest, TurnResult } from "../replies/turn.ts";
import { systemClock } from "../service/clock.ts";
import { isTopicRun } from "./origin.ts";
import { getRuntime } from "./runtime.ts";
import { isWatchSession } from "./watch-runs.ts";

/** What is looked at of the host's event. */
export interface AgentEvent {
  readonly runId: string;
  readonly stream: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly sessionKey?: string | undefined;
  readonly agentId?: string | undefined;
}

const SESSION_KEY = /^agent:([^:]+):(.*)$/s;
/** What a sender calls its request is shown only where it is a name and no sentence. */
const PLAIN_ID = /^[\w.:-]{1,64}$/;

/** The kind of a run, as its session tells it. A key may name a person, so no part of one is shown. */
export function taskOfSession(sessionKey: string | undefined): string {
  if (isWatchSession(sessionKey)) return "watch";
  if (isTopicRun({ channels: [], sessionKey })) return "request";
  const rest = SESSION_KEY.exec(sessionKey ?? "")?.[2] ?? sessionKey ?? "";
  if (rest.startsWith("cron:")) return "schedule";
  if (rest.startsWith("subagent:")) return "sub-agent";
  return "conversation";
}

/** `watch`: the operator's name for the watch that started the turn. */
export function taskOfCommand({
  requestId,
  isNotice,
  watch,
}: Pick<Command, "requestId" | "isNotice"> & { readonly watch?: string }): string {
  if (watch !== undefined) return `watch ${watch}`;
  if (isNotice) return "event";
  return PLAIN_ID.test(requestId) ? `request ${requestId}` : "request";
}

/** Takes note of what the host tells of a run. */
export function noteAgentEvent(activity: AgentActivity, event: AgentEvent): void {
  const { runId, stream, data, sessionKey } = event;
  if (stream !== "lifecycle") return activity.seen(runId);
  if (data["phase"] === "end") return activity.end(runId, data["aborted"] === true ? "stopped" : "completed");
  if (data["phase"] === "error") return activity.end(runId, data["aborted"] === true ? "stopped" : "failed");
  if (data["phase"] !== "start") return activity.seen(runId);
  const agentId = event.agentId ?? SESSION_KEY.exec(sessionKey ?? "")?.[1];
  if (agentId === undefined) return;
  // Our own turn, which is known already and whose outcome we can tell better.
  if (isTopicRun({ channels: [], sessionKey }) && activity.isAtWork(agentId)) return;
  activity.begin({ id: runId, agentId, task: taskOfSession(sessionKey), mayVanish: true });
}

/** Runs one of our turns in everybody's sight. */
export async function showTurn(
  activity: AgentActivity,
  agentId: string,
  { address, command }: Pick<TurnRequest, "address" | "command">,
  run: () => Promise<TurnResult>,
): Promise<TurnResult> {
  const id = `${CHANNEL_ID} ${address}`;
  activity.begin({ id, agentId, task: taskOfCommand(command) });
  try {
    const result = await run();
    activity.end(id, outcomeOf(result));
    return result;
  } catch (error) {
    activity.end(id, "failed");
    throw error;
  }
}

function outcomeOf(result: TurnResult): RunOutcome | undefined {
  switch (result.kind) {
    case "replied":
    case "silent":
      return "completed";
    case "failed":
    case "timeout":
      return result.kind;
    case "not-started":
      return result.reason === "aborted" ? "stopped" : undefined;
    case "refused":
    case "deferred":
    case "swallowed":
      return undefined;
  }
}

/** The work of this process's agents. */
export const activity: AgentActivity = new AgentActivity(systemClock);

let listeners = 0;
let stopListening = (): void => undefined;

/** Calls back after each change; the host is listened to while somebody wants to know. */
export function onActivityChange(listener: () => void): () => void {
  listeners += 1;
  if (listeners === 1) stopListening = getRuntime().events.onAgentEvent((event) => noteAgentEvent(activity, event));
  const unsubscribe = activity.onChange(listener);
  let isOver = false;
  return () => {
    if (isOver) return;
    isOver = true;
    unsubscribe();
    listeners -= 1;
    if (listeners > 0) return;
    stopListening();
    // Nobody will see their ends.
    activity.dropVanishing();
  };
}
