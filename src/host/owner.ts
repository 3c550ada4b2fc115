/**
 * After a restart: whether the host itself is going to answer an attempt that was under way when the process died.
 *
 * The host marks such sessions and resumes them one after another, answering through the outbound adapter; or it passes
 * one over for good (passed-over.ts). Its marks are internal fields, so a shape we do not know is "unknown" (SDK spec,
 * 17.2).
 */

import type { AccountConfig } from "../config/account.ts";
import { CHANNEL_ID } from "../ids.ts";
import type { TurnOwner, TurnRequest } from "../replies/turn.ts";
import { currentSession } from "./session.ts";
import { field, isMarked, type ReadSession, readSession } from "./session-record.ts";

export function turnOwner(account: AccountConfig, request: TurnRequest, read: ReadSession = readSession): TurnOwner {
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
  if (to !== `${CHANNEL_ID}:${request.address}` && to !== request.address) return "nobody";
  return isMarked(entry) ? "later" : "host";
}
