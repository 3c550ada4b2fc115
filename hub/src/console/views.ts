/** Owns how the console shows what the store keeps. */
import type { ConsoleGrant, ConsoleScript, ConsoleTopic } from "agentrux-wire";
import type { ScriptWithGrants } from "../admin/operations.ts";
import type { Grant, InviteCode, Topic } from "../store/port.ts";
import { isoTime } from "../time.ts";

export function topicView(topic: Topic): ConsoleTopic {
  return {
    topic_id: topic.id,
    name: topic.name,
    display_name: topic.displayName,
    retention_s: topic.retentionS,
    created_at: isoTime(topic.createdAt),
  };
}

export function grantView(grant: Grant): ConsoleGrant {
  return { grant_id: grant.id, script_id: grant.scriptId, topic_id: grant.topicId, action: grant.action };
}

export function scriptView(script: ScriptWithGrants): ConsoleScript {
  return {
    script_id: script.id,
    name: script.name,
    description: script.description,
    created_at: isoTime(script.createdAt),
    disabled: script.disabledAt !== null,
    grants: script.grants.map(grantView),
  };
}

/** An invite as listed: the code itself was shown once and is not kept. */
export function inviteView(invite: InviteCode, now: number): object {
  const state = invite.consumedAt !== null ? "used" : invite.expiresAt <= now ? "expired" : "open";
  return {
    topic_id: invite.topicId,
    action: invite.action,
    state,
    created_at: isoTime(invite.createdAt),
    expires_at: isoTime(invite.expiresAt),
  };
}
