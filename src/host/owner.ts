/**
 * After a restart: whether the host itself is going to answer an attempt that was under way when the process died.
 *
 * The host marks such sessions and resumes them one after another, answering through the outbound adapter. Its marks are
 * internal fields, so a shape we do not know is "unknown", which the caller treats as "wait a while" (SDK spec, 17.2).
 */

import type { AccountConfig } from "../config/account.ts";
import { CHANNEL_ID } from "../ids.ts";
import type { TurnRequest } from "../replies/turn.ts";
import { currentSession } from "./session.ts";
import { field, type ReadSession, readSession } from "./session-record.ts";

export function turnOwner(
  account: AccountConfig,
  request: TurnRequest,
  read: ReadSession = readSession,
): "host" | "nobody" | "unknown" {
  const { sessionKey } = currentSession(account, request.command, read);
  let entry: unknown;
  try {
    entry = read(account.agentId, sessionKey);
  } catch {
    return "unknown";
  }
  if (field(entry, "status") !== "running") return "nobody";
  const to = field(entry, "restartRecoveryDeliveryContext", "to");
  if (typeof to !== "string") return "unknown";
  return to === `${CHANNEL_ID}:${request.address}` || to === request.address ? "host" : "nobody";
}
