/**
 * Where a command's conversation lives in the host: one isolated session per (topic, producer, conversation key).
 *
 * A host that could not resume a session after several crashes gives it up for good and refuses every later turn in it,
 * until a person replaces it by a chat command (SDK page "Restart recovery"). Nobody types commands into a topic, so the
 * conversation goes on in a successor, with nothing remembered; so it does where the host passes a session over
 * (passed-over.ts). That a session is lost is known only from the turn that was asked for; that there is a successor,
 * from the host's store: it is where the conversation is from then on.
 */

import { createHash } from "node:crypto";
import { buildAgentSessionKey } from "openclaw/plugin-sdk/core";
import { CHANNEL_ID } from "../ids.ts";
import { type Conversation, conversationHash } from "../intake/command.ts";
import { type ReadSession, readSession } from "./session-record.ts";

export interface TurnSession {
  readonly peerId: string;
  readonly sessionKey: string;
}

/** Sessions of one conversation that are looked at; whoever has lost that many has other troubles. */
const MOST_SESSIONS = 20;
/** Refused sessions whose successor the host has not stored yet. More than this at once is something else. */
const MOST_GIVEN_UP = 1_000;

const givenUp = new Set<string>();

/** The host begins no turn in this session any more. @returns false when that was known, and so has not helped */
export function giveUp({ sessionKey }: TurnSession): boolean {
  if (givenUp.has(sessionKey)) return false;
  const [oldest] = givenUp;
  if (givenUp.size >= MOST_GIVEN_UP && oldest !== undefined) givenUp.delete(oldest);
  givenUp.add(sessionKey);
  return true;
}

/**
 * The session a conversation is in now.
 *
 * @throws Error when the host would put the conversation into the agent's main session.
 */
export function currentSession(
  account: { readonly agentId: string; readonly accountId: string },
  command: Conversation,
  read: ReadSession = readSession,
): TurnSession {
  const { agentId, accountId } = account;
  const conversation = conversationHash(command);
  let session = turnSession(agentId, accountId, conversation);
  for (let replaced = 1; replaced < MOST_SESSIONS; replaced += 1) {
    const successor = turnSession(agentId, accountId, successorOf(conversation, replaced));
    if (!givenUp.has(session.sessionKey) && !exists(agentId, successor, read)) return session;
    session = successor;
  }
  return session;
}

function exists(agentId: string, { sessionKey }: TurnSession, read: ReadSession): boolean {
  try {
    const entry = read(agentId, sessionKey);
    return entry !== undefined && entry !== null;
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
