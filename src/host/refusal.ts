/**
 * Reads an error that `dispatch()` rejected with: whether the host refused to begin the turn for now, so that nothing ran
 * and no attempt is spent, or the turn failed. The host exports none of these classes, so their names and, where there
 * is nothing else, their texts are all there is to go by (SDK spec, sections 17.2 and 17.3).
 *
 *   GatewayDrainingError                        draining    it stops
 *   "Restart recovery failed: ..."              starting    after a crash it still owes the session's last turn
 *   StateDatabaseCoordinatorContentionError     capacity    another process, a command line say, has its state locked
 *   SessionWorkStartChangedError                capacity    the session changed hands meanwhile
 */

import type { TurnResult } from "../replies/turn.ts";

type Reason = Extract<TurnResult, { kind: "not-started" }>["reason"];

const BY_NAME = new Map<string, Reason>([
  ["GatewayDrainingError", "draining"],
  ["StateDatabaseCoordinatorContentionError", "capacity"],
  ["SessionWorkStartChangedError", "capacity"],
]);

/** Why the host did not begin; undefined when the error is no refusal. */
export function refusalReason(error: unknown): Reason | undefined {
  if (!(error instanceof Error)) return undefined;
  return BY_NAME.get(error.name) ?? (error.message.startsWith("Restart recovery failed:") ? "starting" : undefined);
}

/** Whether the host will never take a turn in this session again. */
export function isGivenUp(error: unknown): boolean {
  return error instanceof Error && error.name === "SessionRestartRecoveryTombstoneError";
}
