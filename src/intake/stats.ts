/** Counts what delivery has done: the numbers behind the channel's health. */

import type { TerminalStatus } from "../replies/compose.ts";
import type { TurnResult } from "../replies/turn.ts";
import type { IgnoredReason, RejectedReason } from "./command.ts";

export interface DeliveryCounts {
  /** Events handed over by the intake. */
  events: number;
  /** Of these, the ones nothing could be made of. */
  malformed: number;
  commands: number;
  /** Events that had been taken over before. */
  duplicates: number;
  /** Other events with a request id that had been taken over before. */
  repeatedRequests: number;
  ignored: Partial<Record<IgnoredReason, number>>;
  rejected: Partial<Record<RejectedReason, number>>;
  turns: Partial<Record<TurnResult["kind"], number>>;
  replies: Partial<Record<TerminalStatus, number>>;
  published: number;
  expired: number;
}

/** Epoch milliseconds of the last success of each kind of work. */
export interface DeliveryTimes {
  admitted?: number;
  turn?: number;
  published?: number;
}

export interface DeliveryStats {
  readonly counts: DeliveryCounts;
  readonly last: DeliveryTimes;
  deadLetters: number;
  turnEnded(kind: TurnResult["kind"], at: number): void;
  replied(status: TerminalStatus, dead: boolean): void;
  done(end: "published" | "expired", at: number): void;
}

export function addOne<K extends string>(counts: Partial<Record<K, number>>, key: K): void {
  counts[key] = (counts[key] ?? 0) + 1;
}

export function copyCounts(counts: DeliveryCounts): DeliveryCounts {
  return {
    ...counts,
    ignored: { ...counts.ignored },
    rejected: { ...counts.rejected },
    turns: { ...counts.turns },
    replies: { ...counts.replies },
  };
}

export function createStats(): DeliveryStats {
  const counts: DeliveryCounts = {
    events: 0,
    malformed: 0,
    commands: 0,
    duplicates: 0,
    repeatedRequests: 0,
    ignored: {},
    rejected: {},
    turns: {},
    replies: {},
    published: 0,
    expired: 0,
  };
  const last: DeliveryTimes = {};
  const stats: DeliveryStats = {
    counts,
    last,
    deadLetters: 0,
    turnEnded(kind, at) {
      addOne(counts.turns, kind);
      if (kind === "replied" || kind === "silent") last.turn = at;
    },
    replied(status, dead) {
      addOne(counts.replies, status);
      if (dead) stats.deadLetters += 1;
    },
    done(end, at) {
      counts[end] += 1;
      if (end === "published") last.published = at;
      else stats.deadLetters += 1;
    },
  };
  return stats;
}
