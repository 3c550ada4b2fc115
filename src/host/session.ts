/**
 * Where a command's conversation lives in the host: one isolated session per (topic, producer, conversation key).
 *
 * A host that could not resume a session after several crashes gives it up for good and refuses every later turn in it,
 * until a person replaces it by a chat command (SDK page "Restart recovery"). Nobody types commands into a topic, so the
 * conversation goes on in a fresh session, with nothing remembered; which one is counted from what the host has stored.
 */

import { createHash } from "node:crypto";
import { buildAgentSessionKey } from "openclaw/plugin-sdk/core";
import { CHANNEL_ID } from "../ids.ts";
import { conversationHash } from "../intake/command.ts";
import type { Command } from "../replies/turn.ts";
import { field, type ReadSession, readSession } from "./session-record.ts";

export interface TurnSession {
  readonly peerId: string;
  readonly sessionKey: string;
}

/** Sessions of one conversation that are looked at; whoever has lost that many has other troubles. */
const MOST_SESSIONS = 20;

/**
 * The session a conversation is in now.
 *
 * @throws Error when the host would put the conversation into the agent's main session.
 */
export function currentSession(
  account: { readonly agentId: string; readonly accountId: string },
  command: Command,
  read: ReadSession = readSession,
): TurnSession {
  const { agentId, accountId } = account;
  let session = turnSession(agentId, accountId, conversationHash(command));
  for (let replaced = 1; replaced < MOST_SESSIONS && isGivenUp(agentId, session, read); replaced += 1) {
    session = turnSession(agentId, accountId, successorOf(conversationHash(command), replaced));
  }
  return session;
}

function isGivenUp(agentId: string, { sessionKey }: TurnSession, read: ReadSession): boolean {
  try {
    return field(read(agentId, sessionKey), "mainRestartRecovery", "tombstone") !== undefined;
  } catch {
    return false;
  }
}

function successorOf(conversation: string, replaced: number): string {
  const digest = createHash("sha256").update(`${conversation}\0${replaced}`).digest("hex");
  return digest.slice(0, conversation.length);
}

/**
 * The peer is a `group`, because all direct peers of an agent share one session, and its id is a hash, because the host
 * lowercases ids and would let two keys meet (SDK spec, section 17.6). The producer is part of it, so that one sender
 * cannot enter another's conversation by guessing its key.
 */
function turnSession(agentId: string, accountId: string, peerId: string): TurnSession {
  const sessionKey = buildAgentSessionKey({
    agentId,
    channel: CHANNEL_ID,
    accountId,
    peer: { kind: "group", id: peerId },
    groupScope: "per-group",
  });
  if (!sessionKey.includes(peerId)) {
    throw new Error(`the host would not isolate this conversation: it chose the session ${sessionKey}`);
  }
  return { peerId, sessionKey };
}
