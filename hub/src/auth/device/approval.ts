/** Owns the operator's decision about an access request, and what an approval makes. */
import type { TopologyEntry, TopologyGranted } from "agentrux-wire";
import { prefixedTopicId } from "agentrux-wire";
import { resolveScript, resolveTopic } from "../../admin/operations.ts";
import type { HubDeps } from "../../deps.ts";
import { HubError } from "../../errors.ts";
import { uuidV4 } from "../../ids.ts";
import type { AccessRequest, Approval } from "../../store/device-port.ts";
import type { Action, Grant, NewCredential, NewTopic, Script, Topic } from "../../store/port.ts";
import { hashSecret, newSecret } from "../secrets.ts";
import { wantedFromJson } from "./wanted.ts";
import type { Wanted } from "./wanted.ts";

export interface Decision {
  /** For a device request: the script the client acts as, by id or name. */
  readonly script?: string;
  /** For a device request without `script`: topics a new script may read and write, by id or name. */
  readonly read?: readonly string[];
  readonly write?: readonly string[];
  /** For a topology: topics that exist under the wanted names are used; else they are in the way. */
  readonly reuseTopics?: boolean;
}

export interface Approved {
  readonly scriptId: string;
  readonly credentialId: string;
}

/**
 * Says yes: makes script, topics, grants and credential in one step, and lets the client fetch its tokens.
 * @throws HubError NOT_FOUND (no such open request, script or topic), INVALID (what to grant is not said), CONFLICT (a
 *   topic's name is taken)
 */
export async function approve(deps: HubDeps, userCode: string, decision: Decision): Promise<Approved> {
  const request = await openRequest(deps, userCode);
  const wanted = wantedFromJson(request.wantedJson);
  const approval =
    wanted.kind === "device"
      ? await deviceApproval(deps, request, wanted, decision)
      : await topologyApproval(deps, wanted.entry, decision);
  if (!(await deps.store.devices.approve(request.userCode, deps.clock.now(), approval))) throw notOpen();
  return { scriptId: approval.scriptId, credentialId: approval.credential.id };
}

/** Says no. @throws HubError NOT_FOUND */
export async function deny(deps: HubDeps, userCode: string): Promise<void> {
  if (!(await deps.store.devices.deny(normalized(userCode), deps.clock.now()))) throw notOpen();
}

async function openRequest(deps: HubDeps, userCode: string): Promise<AccessRequest> {
  const request = await deps.store.devices.openRequest(normalized(userCode), deps.clock.now());
  if (request === undefined) throw notOpen();
  return request;
}

async function deviceApproval(
  deps: HubDeps,
  request: AccessRequest,
  wanted: Extract<Wanted, { kind: "device" }>,
  decision: Decision,
): Promise<Approval> {
  const common = { topics: [], credential: newCredential(deps), actions: wanted.actions, grantedJson: null };
  if (decision.script !== undefined) {
    return { ...common, scriptId: (await resolveScript(deps, decision.script)).id, grants: [] };
  }
  const { read = [], write = [] } = decision;
  if (read.length + write.length === 0) {
    throw new HubError("INVALID", "script: say which script the client acts as, or which topics it may read and write");
  }
  const script = newScript(deps, request.clientName, null);
  const grants: Grant[] = [];
  for (const [action, topicRefs] of [["read", read] as const, ["write", write] as const]) {
    if (topicRefs.length > 0 && !wanted.actions.includes(action)) {
      throw new HubError("INVALID", `${action}: the client did not ask to ${action}`);
    }
    for (const topicRef of topicRefs) {
      grants.push(newGrant(deps, script.id, (await resolveTopic(deps, topicRef)).id, action));
    }
  }
  return { ...common, script, scriptId: script.id, grants };
}

async function topologyApproval(deps: HubDeps, entry: TopologyEntry, decision: Decision): Promise<Approval> {
  const script = newScript(deps, entry.script.name, entry.script.description ?? null);
  const topics: NewTopic[] = [];
  const idOf = new Map<string, string>();
  for (const { ref, name, retention_s: retentionS } of entry.topics) {
    const existing = await deps.store.topics.byName(name);
    if (existing !== undefined) assertReuse(existing, decision);
    const known = existing?.id ?? topics.find((topic) => topic.name === name)?.id;
    const id = known ?? uuidV4(deps.random);
    idOf.set(ref, id);
    if (known !== undefined) continue;
    const retention = retentionS ?? deps.config.defaultRetentionS;
    topics.push({ id, name, displayName: null, retentionS: retention, createdAt: deps.clock.now() });
  }
  const topicIdOf = (ref: string) => prefixedTopicId(idOf.get(ref) ?? "");
  const granted: TopologyGranted = {
    script_id: script.id,
    alias_id: `als_${uuidV4(deps.random)}`,
    topic_id_map: Object.fromEntries(entry.topics.map(({ ref }) => [ref, topicIdOf(ref)])),
    grant_ids: {},
  };
  const grants = entry.grants.map(({ topic_ref: ref, scope, binding_name: bindingName }) => {
    const grant = newGrant(deps, script.id, idOf.get(ref) ?? "", scope);
    granted.grant_ids[`topic:${topicIdOf(ref)}:${scope}`] = { grant_id: grant.id, binding_name: bindingName ?? null };
    return grant;
  });
  const details = [{ type: entry.type, version: entry.version, granted }];
  return {
    topics,
    script,
    scriptId: script.id,
    grants,
    credential: newCredential(deps),
    actions: ["read", "write"],
    grantedJson: JSON.stringify(details),
  };
}

function assertReuse(topic: Topic, decision: Decision): void {
  if (decision.reuseTopics === true) return;
  throw new HubError(
    "CONFLICT",
    `A topic named ${topic.name} exists already; approve with reuse_topics to let it in there`,
  );
}

/** Nobody is ever told the secret of this credential: its client lives on refresh tokens. */
function newCredential(deps: HubDeps): NewCredential {
  const createdAt = deps.clock.now();
  return {
    id: `crd_${uuidV4(deps.random)}`,
    generation: "b",
    secretHash: hashSecret(newSecret(deps.random, "aks_")),
    createdAt,
    expiresAt: createdAt + deps.config.ttls.clientSecretMs,
  };
}

function newScript(deps: HubDeps, name: string, description: string | null): Script {
  const id = `scr_${uuidV4(deps.random)}`;
  return { id, name: name.slice(0, 128), description, createdAt: deps.clock.now(), disabledAt: null };
}

function newGrant(deps: HubDeps, scriptId: string, topicId: string, action: Action): Grant {
  return { id: uuidV4(deps.random), scriptId, topicId, action, createdAt: deps.clock.now() };
}

/** People leave out the hyphen, and do not shout. */
function normalized(userCode: string): string {
  const letters = userCode.toUpperCase().replace(/[^A-Z]/g, "");
  return `${letters.slice(0, 4)}-${letters.slice(4)}`;
}

function notOpen(): HubError {
  return new HubError("NOT_FOUND", "No request with this user code waits for a decision");
}
