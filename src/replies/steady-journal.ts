/**
 * A journal that does not give up on a full or read-only disk: it repeats an operation until it is written. For work
 * that is already taken over, where there is nothing better to do than to wait. Taking over new work uses the plain
 * journal, whose refusal stops the intake.
 */

import { isAgentruxError, type AgentruxError } from "../errors.ts";
import { journalOver } from "../journal/over.ts";
import type { Journal } from "../journal/types.ts";
import { fullJitter } from "../service/backoff.ts";
import { type Clock, pause, type Random } from "./ports.ts";

const BACKOFF = { baseMs: 200, capMs: 5_000 };

export interface SteadyJournalOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Ends the repeating; the fault is then thrown. */
  readonly signal: AbortSignal;
  /** Told of each fault, and with `undefined` of the first success after one. */
  readonly onTrouble: (fault: AgentruxError | undefined) => void;
}

export function steadyJournal(journal: Journal, options: SteadyJournalOptions): Journal {
  const { clock, random, signal, onTrouble } = options;
  let troubled = false;
  const report = (fault: AgentruxError | undefined): void => {
    if (fault === undefined && !troubled) return;
    troubled = fault !== undefined;
    onTrouble(fault);
  };

  return journalOver(async (operation, args) => {
    const once = journal[operation] as (...values: readonly unknown[]) => Promise<unknown>;
    for (let failures = 0; ; failures += 1) {
      try {
        const value = await once(...args);
        report(undefined);
        return value;
      } catch (error) {
        if (!isAgentruxError(error) || !error.retryable) throw error;
        report(error);
        if (signal.aborted) throw error;
        await pause(clock, fullJitter(failures, BACKOFF, random), signal);
      }
    }
  });
}
