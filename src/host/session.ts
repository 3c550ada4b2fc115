/** Where a command's conversation lives in the host: one isolated session per (topic, producer, conversation key). */

import { buildAgentSessionKey } from "openclaw/plugin-sdk/core";
import { CHANNEL_ID } from "../ids.ts";
import { conversationHash } from "../intake/command.ts";
import type { Command } from "../replies/turn.ts";

export interface TurnSession {
  readonly peerId: string;
  readonly sessionKey: string;
}

/**
 * The peer is a `group`, because all direct peers of an agent share one session, and its id is a hash, because the host
 * lowercases ids and would let two keys meet (SDK spec, section 17.6). The producer is part of it, so that one sender
 * cannot enter another's conversation by guessing its key.
 *
 * @throws Error when the host would put the conversation into the agent's main session.
 */
export function turnSession(agentId: string, accountId: string, command: Command): TurnSession {
  const peerId = conversationHash(command);
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
