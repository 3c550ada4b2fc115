/**
 * Who is calling, and may they. A call passes when its token is genuine and current, its credential and script are
 * still good, and the action is both in the token's scope and granted at this moment: a token never gains rights
 * after it was issued, and loses them at once.
 */
import { bareTopicId, generationOfTopicId, scopeEntry } from "agentrux-wire";
import type { HubDeps } from "../deps.ts";
import { HubError } from "../errors.ts";
import type { HubContext } from "../http/context.ts";
import { bearerToken } from "../http/context.ts";
import { enforce } from "../http/rate-limits.ts";
import type { Access, Action, Generation, Topic } from "../store/port.ts";
import type { AccessTokenClaims } from "./access-tokens.ts";
import { mayNow } from "./grants.ts";

export interface Caller {
  readonly scriptId: string;
  readonly credentialId: string;
  readonly claims: AccessTokenClaims;
  readonly access: Access;
}

export interface TopicCall {
  readonly caller: Caller;
  readonly topic: Topic;
  /** The dialect of the request and its answer: bare UUID is A, `top_` is B. */
  readonly dialect: Generation;
}

/** @throws HubError UNAUTHORIZED, SUSPENDED, RATE_LIMITED */
export async function authenticate(c: HubContext, deps: HubDeps): Promise<Caller> {
  const token = bearerToken(c);
  if (token === undefined) throw new HubError("UNAUTHORIZED", "A Bearer access token is needed");
  const claims = await deps.tokens.verify(token);
  if (claims === undefined) throw new HubError("UNAUTHORIZED", "The access token is invalid or expired");
  const access = await deps.store.scripts.access(claims.scriptId);
  if (access === undefined || !access.credentials.has(claims.credentialId)) {
    throw new HubError("UNAUTHORIZED", "The credential of this access token was revoked");
  }
  if (access.script.disabledAt !== null) throw new HubError("SUSPENDED", "The script is disabled");
  enforce(deps.limits.request, claims.credentialId, "requests");
  return { scriptId: claims.scriptId, credentialId: claims.credentialId, claims, access };
}

/**
 * Authenticates a call on `/topics/{topic_id}/…` and checks that it may do `action` there.
 * @throws HubError as {@link authenticate}, NOT_FOUND for an unknown topic, FORBIDDEN without the grant
 */
export async function authorizeTopic(c: HubContext, deps: HubDeps, action: Action): Promise<TopicCall> {
  const caller = await authenticate(c, deps);
  const given = c.req.param("topic_id") ?? "";
  const dialect = generationOfTopicId(given);
  const topic = dialect === undefined ? undefined : await deps.store.topics.get(bareTopicId(given).toLowerCase());
  if (dialect === undefined || topic === undefined) throw new HubError("NOT_FOUND", "No such topic");
  if (!callerMay(caller, topic.id, action)) {
    throw new HubError("FORBIDDEN", `This script has no ${action} grant on the topic, or its token predates the grant`);
  }
  return { caller, topic, dialect };
}

/** Whether a caller may do `action` on a topic: in its token's scope, and granted now. */
export function callerMay(caller: Caller, topicId: string, action: Action): boolean {
  return mayNow(caller.access, topicId, action) && caller.claims.scope.has(scopeEntry(topicId, action));
}
