/**
 * After a restart: whether the host itself is going to answer an attempt that was under way when the process died.
 *
 * The host marks such sessions and resumes them one after another, answering through the outbound adapter. Its marks are
 * internal fields, so a shape we do not know is "unknown", which the caller treats as "wait a while" (SDK spec, 17.2).
 */

import { getSessionEntry } from "openclaw/plugin-sdk/session-store-runtime";
import type { AccountConfig } from "../config/account.ts";
import { CHANNEL_ID } from "../ids.ts";
import type { TurnRequest } from "../replies/turn.ts";
import { turnSession } from "./session.ts";

function field(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}

export async function turnOwner(account: AccountConfig, request: TurnRequest): Promise<"host" | "nobody" | "unknown"> {
  const { sessionKey } = turnSession(account.agentId, account.accountId, request.command);
  let entry: unknown;
  try {
    entry = await Promise.resolve(getSessionEntry({ agentId: account.agentId, sessionKey }));
  } catch {
    return "unknown";
  }
  if (entry === undefined || entry === null) return "nobody";
  if (field(entry, "status") !== "running") return "nobody";
  const to = field(field(entry, "restartRecoveryDeliveryContext"), "to");
  if (typeof to !== "string") return "unknown";
  return to === `${CHANNEL_ID}:${request.address}` || to === request.address ? "host" : "nobody";
}
