/**
 * What an operator does to a hub: topics, scripts, grants, codes. The console's routes call these; secrets made here
 * are returned once and kept as hashes.
 */
import { RETENTION_MAX_S, RETENTION_MIN_S, TOPIC_NAME_PATTERN, UUID_PATTERN, bareTopicId } from "agentrux-wire";
import { hashSecret, newSecret } from "../auth/secrets.ts";
import type { HubDeps } from "../deps.ts";
import { HubError } from "../errors.ts";
import { uuidV4 } from "../ids.ts";
import type { Action, Credential, Generation, Grant, Script, Topic } from "../store/port.ts";

export type AdminDeps = Pick<HubDeps, "store" | "clock" | "random" | "config">;

export interface CreateTopic {
  readonly name: string;
  readonly displayName?: string;
  /** 3600 to 2592000; the hub's default when absent. */
  readonly retentionS?: number;
}

/** @throws HubError INVALID (name, retention), CONFLICT (name taken) */
export async function createTopic(deps: AdminDeps, request: CreateTopic): Promise<Topic> {
  const { name, displayName, retentionS = deps.config.defaultRetentionS } = request;
  if (!TOPIC_NAME_PATTERN.test(name)) {
    throw new HubError("INVALID", "name: must be 1 to 128 characters of a-z, 0-9, dot, underscore and hyphen");
  }
  assertRetention(retentionS);
  return deps.store.topics.create({
    id: uuidV4(deps.random),
    name,
    displayName: displayName ?? null,
    retentionS,
    createdAt: deps.clock.now(),
  });
}

export async function listTopics(deps: AdminDeps): Promise<readonly Topic[]> {
  return deps.store.topics.list();
}

/** @throws HubError INVALID, NOT_FOUND */
export async function setTopicRetention(deps: AdminDeps, topicRef: string, retentionS: number): Promise<Topic> {
  assertRetention(retentionS);
  const topic = await resolveTopic(deps, topicRef);
  await deps.store.topics.setRetention(topic.id, retentionS);
  return { ...topic, retentionS };
}

/**
 * Finds a topic by id in either form, or by name.
 * @throws HubError NOT_FOUND
 */
export async function resolveTopic(deps: AdminDeps, topicRef: string): Promise<Topic> {
  const id = bareTopicId(topicRef).toLowerCase();
  const byId = UUID_PATTERN.test(id) ? await deps.store.topics.get(id) : undefined;
  const topic = byId ?? (await deps.store.topics.byName(topicRef));
  if (topic === undefined) throw new HubError("NOT_FOUND", `No topic has the id or name ${topicRef}`);
  return topic;
}

export interface CreateScript {
  readonly name: string;
  readonly description?: string;
  /** Topics to read, by id or name. */
  readonly read?: readonly string[];
  /** Topics to write, by id or name. */
  readonly write?: readonly string[];
}

export interface ScriptWithGrants extends Script {
  readonly grants: readonly Grant[];
}

/**
 * Creates a script with its grants, or nothing.
 * @throws HubError INVALID (name), NOT_FOUND (a topic)
 */
export async function createScript(deps: AdminDeps, request: CreateScript): Promise<ScriptWithGrants> {
  const { name, description, read = [], write = [] } = request;
  if (name.length === 0 || name.length > 128 || /\p{Cc}/u.test(name)) {
    throw new HubError("INVALID", "name: must be 1 to 128 characters without control characters");
  }
  const now = deps.clock.now();
  const script: Script = {
    id: `scr_${uuidV4(deps.random)}`,
    name,
    description: description ?? null,
    createdAt: now,
    disabledAt: null,
  };
  const wanted = [
    ...read.map((topicRef) => ({ topicRef, action: "read" as const })),
    ...write.map((topicRef) => ({ topicRef, action: "write" as const })),
  ];
  const grants: Grant[] = [];
  for (const { topicRef, action } of wanted) {
    const topic = await resolveTopic(deps, topicRef);
    grants.push(newGrant(deps, script.id, topic.id, action));
  }
  await deps.store.scripts.create(script, grants);
  return { ...script, grants: await deps.store.scripts.grants(script.id) };
}

export async function listScripts(deps: AdminDeps): Promise<readonly ScriptWithGrants[]> {
  const grants = Map.groupBy(await deps.store.scripts.grants(), (grant) => grant.scriptId);
  const scripts = await deps.store.scripts.list();
  return scripts.map((script) => ({ ...script, grants: grants.get(script.id) ?? [] }));
}

/**
 * Finds a script by id, or by name when only one has it.
 * @throws HubError NOT_FOUND, CONFLICT (several scripts of that name)
 */
export async function resolveScript(deps: AdminDeps, scriptRef: string): Promise<Script> {
  const byId = await deps.store.scripts.get(scriptRef);
  if (byId !== undefined) return byId;
  const [named, another] = (await deps.store.scripts.list()).filter((script) => script.name === scriptRef);
  if (named === undefined) throw new HubError("NOT_FOUND", `No script has the id or name ${scriptRef}`);
  if (another !== undefined) throw new HubError("CONFLICT", `Several scripts are named ${scriptRef}; use the id`);
  return named;
}

/** A disabled script can neither get tokens nor use those it has. */
export async function setScriptDisabled(deps: AdminDeps, scriptRef: string, disabled: boolean): Promise<void> {
  const script = await resolveScript(deps, scriptRef);
  await deps.store.scripts.setDisabled(script.id, disabled ? deps.clock.now() : null);
}

/** Idempotent: a grant that exists is returned. @throws HubError NOT_FOUND */
export async function grant(deps: AdminDeps, scriptRef: string, topicRef: string, action: Action): Promise<Grant> {
  const script = await resolveScript(deps, scriptRef);
  const topic = await resolveTopic(deps, topicRef);
  return deps.store.scripts.grant(newGrant(deps, script.id, topic.id, action));
}

/** Acts at once, on tokens already issued too. @throws HubError NOT_FOUND */
export async function revokeGrant(deps: AdminDeps, grantId: string): Promise<void> {
  if (!(await deps.store.scripts.revokeGrant(grantId))) throw new HubError("NOT_FOUND", "No such grant");
}

export async function listGrants(deps: AdminDeps, scriptId?: string): Promise<readonly Grant[]> {
  return deps.store.scripts.grants(scriptId);
}

export async function listCredentials(deps: AdminDeps, scriptRef: string): Promise<readonly Credential[]> {
  const script = await resolveScript(deps, scriptRef);
  return deps.store.credentials.ofScript(script.id);
}

/** Ends a credential with everything got by it. @throws HubError NOT_FOUND */
export async function revokeCredential(deps: AdminDeps, credentialId: string): Promise<void> {
  if (!(await deps.store.credentials.revoke(credentialId, deps.clock.now()))) {
    throw new HubError("NOT_FOUND", "No such credential");
  }
}

export interface IssueActivationCode {
  /** By id or name. */
  readonly script: string;
  /** 1 h, 6 h or 24 h; one hour when absent. */
  readonly ttlS?: number;
  /** Which client the code is made for; `a` when absent. */
  readonly generation?: Generation;
}

export interface IssuedActivationCode {
  /** Shown this once. */
  readonly code: string;
  readonly scriptId: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

const ACTIVATION_TTLS_S: readonly number[] = [3600, 6 * 3600, 24 * 3600];

/** Existing credentials of the script stay good: several machines may share one. @throws HubError INVALID, NOT_FOUND */
export async function issueActivationCode(
  deps: AdminDeps,
  request: IssueActivationCode,
): Promise<IssuedActivationCode> {
  const { ttlS = 3600, generation = "a" } = request;
  if (!ACTIVATION_TTLS_S.includes(ttlS)) throw new HubError("INVALID", "ttl: must be 1 h, 6 h or 24 h");
  const script = await resolveScript(deps, request.script);
  const code = newSecret(deps.random, generation === "a" ? "ac_" : "act_");
  const createdAt = deps.clock.now();
  const expiresAt = createdAt + ttlS * 1000;
  await deps.store.codes.createActivationCode({
    hash: hashSecret(code),
    scriptId: script.id,
    generation,
    createdAt,
    expiresAt,
  });
  return { code, scriptId: script.id, expiresAt };
}

export interface CreateInvite {
  /** By id or name. */
  readonly topic: string;
  readonly action: Action;
  /** One day when absent. */
  readonly ttlS?: number;
}

export interface CreatedInvite {
  /** Shown this once. */
  readonly code: string;
  readonly topicId: string;
  readonly action: Action;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

/** @throws HubError NOT_FOUND */
export async function createInvite(deps: AdminDeps, request: CreateInvite): Promise<CreatedInvite> {
  const { action, ttlS = 24 * 3600 } = request;
  const topic = await resolveTopic(deps, request.topic);
  const code = newSecret(deps.random, "inv_");
  const createdAt = deps.clock.now();
  const expiresAt = createdAt + ttlS * 1000;
  await deps.store.codes.createInviteCode({
    hash: hashSecret(code),
    topicId: topic.id,
    action,
    createdAt,
    expiresAt,
  });
  return { code, topicId: topic.id, action, expiresAt };
}

function newGrant(deps: AdminDeps, scriptId: string, topicId: string, action: Action): Grant {
  return { id: uuidV4(deps.random), scriptId, topicId, action, createdAt: deps.clock.now() };
}

function assertRetention(retentionS: number): void {
  if (Number.isInteger(retentionS) && retentionS >= RETENTION_MIN_S && retentionS <= RETENTION_MAX_S) return;
  throw new HubError("INVALID", `retention_s: must be ${RETENTION_MIN_S} to ${RETENTION_MAX_S} seconds`);
}
