/** The account's numbers for status and metrics, flat, from work done. */

import type { DeliveryHealth } from "../intake/delivery.ts";
import type { IntakeHealth } from "../intake/intake.ts";

export function healthOf(intake: IntakeHealth, delivery: DeliveryHealth): Record<string, string | number | boolean> {
  const { counts, last } = delivery;
  const sum = (by: Readonly<Record<string, number | undefined>>) =>
    Object.values(by).reduce<number>((total, count) => total + (count ?? 0), 0);
  return {
    streamOpen: intake.connected,
    lagging: intake.lagging,
    ...(intake.lastPullAt === undefined ? {} : { lastPullAt: intake.lastPullAt }),
    ...(last.turn === undefined ? {} : { lastTurnAt: last.turn }),
    ...(last.published === undefined ? {} : { lastPublishAt: last.published }),
    backlog: delivery.backlog,
    oldestAgeMs: delivery.oldestAgeMs,
    turnsRunning: delivery.running,
    waitingForHost: delivery.waitingForHost,
    unsentReplies: delivery.unsentReplies,
    deadLetters: delivery.deadLetters,
    commands: counts.commands,
    duplicates: counts.duplicates,
    repeatedRequests: counts.repeatedRequests,
    ignored: sum(counts.ignored),
    rejected: sum(counts.rejected),
    malformed: intake.malformed + counts.malformed,
  };
}
