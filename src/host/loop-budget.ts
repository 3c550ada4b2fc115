/**
 * The host's budget for two agents that answer each other (its bot loop protection), applied to requests that another
 * agent passed on. A request straight from a program does not count: a program that sends many of them is no loop.
 */

import type { OpenClawConfig } from "openclaw/plugin-sdk/core";
import type { AccountConfig } from "../config/account.ts";
import type { TurnRequest } from "../replies/turn.ts";
import type { TurnSession } from "./session.ts";

/** The reason the host gives for a turn it dropped. */
const DROP_REASON = "bot-loop-protection";

export function loopFacts(cfg: OpenClawConfig, account: AccountConfig, request: TurnRequest, session: TurnSession) {
  const { command } = request;
  return {
    scopeId: account.accountId,
    conversationId: session.peerId,
    senderId: command.producer ?? "unknown",
    receiverId: account.agentId,
    // A repeated attempt of one command uses up no further budget.
    eventId: command.commandId,
    config: account.botLoopProtection,
    defaultsConfig: cfg.channels?.defaults?.botLoopProtection,
    defaultEnabled: command.hops > 0,
  };
}

export function isLoopRefusal(turn: {
  readonly admission: { readonly kind: string; readonly reason?: string };
}): boolean {
  return turn.admission.kind === "drop" && turn.admission.reason === DROP_REASON;
}
