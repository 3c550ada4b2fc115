/**
 * Owns the watches of an account's world: what they find becomes turns of the agent, through the journal and lanes that
 * commands go through. Trouble with them is theirs: it is told in the log, the status and the numbers, and the account
 * goes on.
 */

import type { FluxWatch } from "../config/flux.ts";
import { errorText } from "../errors.ts";
import type { FeedTimes } from "../flux/watch/feed.ts";
import type { WatchRegistry } from "../flux/watch/types.ts";
import { noWatches, startWatches, type WatchNumbers } from "../flux/watch/watch-set.ts";
import type { Delivery } from "../intake/delivery.ts";
import { watchLane, watchRow } from "../intake/watching.ts";
import type { Journal } from "../journal/types.ts";
import type { Clock, Random } from "../replies/ports.ts";
import type { AccountLog } from "./types.ts";
import type { AccountWorld } from "./world.ts";

export interface AccountWatchOptions {
  readonly watches: readonly FluxWatch[];
  readonly world: AccountWorld;
  readonly journal: Journal;
  readonly delivery: Pick<Delivery, "admitTurns" | "isBusy">;
  readonly log: AccountLog;
  readonly clock: Clock;
  readonly random: Random;
  readonly times?: Partial<FeedTimes>;
}

export interface AccountWatches {
  readonly registry: WatchRegistry;
  /** Undefined where the account has no world-state server. */
  numbers(): WatchNumbers | undefined;
  health(): Record<string, string | number | boolean>;
  stop(): Promise<void>;
}

/** Begins to watch. @throws AgentruxError of the journal */
export async function openWatches(options: AccountWatchOptions): Promise<AccountWatches> {
  const { watches, world, journal, delivery, log } = options;
  if (world.client === undefined) return unable(watches.length, world.problem, log);
  const set = await startWatches({
    ...options,
    client: world.client,
    own: world.own,
    journal,
    rowOf: watchRow,
    admit: (rows, write, signal) => delivery.admitTurns(rows, write, signal),
    isBusy: (watch) => delivery.isBusy(watchLane(watch)),
  });
  return { registry: set, numbers: () => set.numbers(), health: () => healthOf(set.numbers()), stop: () => set.stop() };
}

function unable(watches: number, problem: unknown, log: AccountLog): AccountWatches {
  const reason = errorText(problem);
  if (watches > 0) log.error(`[agentrux] Nothing of the world is watched: ${reason}`);
  return {
    registry: noWatches(problem),
    numbers: () => undefined,
    health() {
      const nothing: Record<string, string | number | boolean> = {};
      return watches === 0 ? nothing : { watches, watchesConnected: false, watchProblem: reason };
    },
    stop: () => Promise.resolve(),
  };
}

function healthOf(numbers: WatchNumbers): Record<string, string | number | boolean> {
  if (numbers.watches === 0) return {};
  return {
    watches: numbers.watches,
    watchesConnected: numbers.connected,
    ...(numbers.starting === 0 ? {} : { watchesStarting: numbers.starting }),
    watchedEntities: numbers.entities,
    watchedChangesHeld: numbers.held,
    watchTurns: numbers.turns,
    ...(numbers.lastToldAt === undefined ? {} : { lastWatchTurnAt: numbers.lastToldAt }),
    ...(numbers.problem === undefined ? {} : { watchProblem: numbers.problem }),
  };
}
