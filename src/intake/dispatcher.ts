/**
 * Owns the life of a command from being taken over to being answered.
 *
 *   received -> running(n)   the attempt is counted on disk before its turn starts; the first one may be counted in
 *                            the taking over itself, when nothing stands in its way
 *   running(n) -> replied    the first reply that is written down wins, wherever it comes from: the turn, the host
 *                            speaking by itself at the attempt's address, or this file giving up
 *              -> received   another attempt, later: after a failure (counted), or when the host took no work (not)
 *              -> running(n) the host may still answer by itself; the lane waits, its slot does not
 *   replied -> published     the outbox
 *
 * A command found running at the start is one that was interrupted: the host is asked whether it will answer, and if
 * not the command runs once more as attempt n+1. Attempts have numbers that are never used twice, because the host
 * swallows what it has seen before; tries are what counts against the limit.
 *
 * Nothing here throws out. A command whose handling fails unexpectedly is taken up again like an interrupted one.
 */

import { errorText } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import type { Journal, OpenCommand, OpenCommandWithBody } from "../journal/types.ts";
import { pause, type Random } from "../replies/ports.ts";
import type { Command, TurnRequest, TurnResult, TurnRunner } from "../replies/turn.ts";
import { type BackoffLimits, fullJitter } from "../service/backoff.ts";
import { addressOf, parseAddress } from "./address.ts";
import { type AnsweringOptions, createAnswering } from "./answering.ts";
import { runAttempt } from "./attempt.ts";
import { afterFailure, type AttemptLimits, type AttemptVerdict, judgeAttempt } from "./attempt-policy.ts";
import { createHostGate, type Trial } from "./host-gate.ts";
import { createHostWait } from "./host-wait.ts";
import { createLanes, type LaneEntry } from "./lanes.ts";

export interface DispatcherOptions extends AnsweringOptions {
  /** A steady journal: what is asked of it here is already owed. */
  readonly journal: Journal;
  readonly runner: TurnRunner;
  readonly random: Random;
  readonly limits: AttemptLimits;
  readonly maxConcurrency: () => number;
  readonly retry: BackoffLimits;
  /** Whether there is room for another reply, and turns are wanted at all. */
  readonly mayStart: () => boolean;
  /** A command is done with. */
  readonly onFinished: (command: number) => void;
}

/** What became of something the host said by itself. */
export type HostReplyFate = "accepted" | "closed" | "unknown_address" | "empty" | "failed";

export interface Dispatcher {
  /** Commands not yet answered. */
  readonly open: number;
  readonly running: number;
  readonly waitingForHost: number;
  /** Refusals of the host in a row. */
  readonly refusals: number;
  /** Takes in a command; one that is `running` was interrupted. */
  add(command: LaneEntry & Pick<OpenCommand, "state" | "notBefore">): void;
  /**
   * Which of these new commands could start at once, by their places in the list. Their first attempts may be counted
   * when they are taken over; they then come in through `addBegun`.
   */
  startable(lanes: readonly string[]): ReadonlySet<number>;
  /** Takes in a command whose first attempt is counted on disk and has not started. */
  addBegun(command: OpenCommandWithBody): void;
  /** Whether a lane has commands that are not answered. */
  isBusy(lane: string): boolean;
  /** Starts what may start. */
  pump(): void;
  acceptHostReply(address: string, text: string, media: readonly string[]): Promise<HostReplyFate>;
  /** Starts no more turns; lets the running ones end until the deadline, then aborts them. */
  stop(deadlineMs: number): Promise<void>;
}

/** How long aborted turns are waited for at a stop. */
const STOP_GRACE_MS = 500;
/** After an unexpected fault in the handling itself. */
const FAULT_PAUSE_MS = 30_000;
/** The host swallows an attempt it has seen before; more than this is something else. */
const MAX_SWALLOWED = 3;

export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { journal, runner, clock, random, log, stats, limits } = options;
  const lanes = createLanes(options.maxConcurrency);
  /** Aborts at the deadline of a stop. */
  const stopping = new AbortController();
  const answer = createAnswering(options, stopping.signal);
  const waitForHost = createHostWait(runner, clock);
  /** Commands whose state on disk is `running`: taken up again only after the host was asked. */
  const begunOnDisk = new Set<number>();
  /** Commands whose next attempt is counted on disk and has not started. */
  const counted = new Map<number, OpenCommandWithBody>();
  /** Commands being handled, and the way to end a wait for the host: it has answered, or we stop. */
  const handled = new Map<number, AbortController>();
  /** Turns that run, and the way to break one off. */
  const turns = new Map<number, { readonly attempt: number; readonly breakOff: AbortController }>();
  const swallowed = new Map<number, number>();
  const work = new Set<Promise<void>>();
  let stopped = false;
  let cancelWake = (): void => {};

  const pump = (): void => {
    // One moment for both questions: a lane that becomes ready between them would be neither started nor waited for.
    const now = clock.monotonic();
    while (options.mayStart() && gate.allows()) {
      const entry = stopped ? undefined : lanes.next(now);
      if (entry === undefined) break;
      handle(entry);
    }
    cancelWake();
    const wakeAt = lanes.nextWake(now);
    if (wakeAt !== undefined && !stopped) cancelWake = clock.after(wakeAt - now, pump);
  };
  const gate = createHostGate(clock, random, pump);

  const handle = (entry: LaneEntry): void => {
    const waiting = new AbortController();
    handled.set(entry.id, waiting);
    const task = (begunOnDisk.has(entry.id) ? recover(entry, waiting.signal) : start(entry, waiting.signal))
      .catch((error: unknown) => setBack(entry, error))
      .finally(() => {
        handled.delete(entry.id);
        work.delete(task);
        pump();
      });
    work.add(task);
  };

  const setBack = (entry: LaneEntry, error: unknown): void => {
    if (stopped) return;
    log.error(`[agentrux] A command could not be handled, trying again later: ${errorText(error)}`);
    begunOnDisk.add(entry.id);
    lanes.retry(entry, clock.monotonic() + FAULT_PAUSE_MS);
  };

  const finish = (entry: LaneEntry): void => {
    begunOnDisk.delete(entry.id);
    swallowed.delete(entry.id);
    counted.delete(entry.id);
    lanes.finish(entry);
    options.onFinished(entry.id);
  };

  const requestOf = (command: Command, attemptNumber: number): TurnRequest => ({
    command,
    attempt: attemptNumber,
    address: addressOf(command.commandId, attemptNumber),
    timeoutMs: limits.timeoutMs,
  });

  const start = async (entry: LaneEntry, signal: AbortSignal): Promise<void> => {
    // Before anything is waited for: the gate lets one through at a time after a refusal.
    const trial = gate.begin();
    try {
      await attempt(entry, trial, signal);
    } finally {
      trial.end("unasked");
    }
  };

  const attempt = async (entry: LaneEntry, trial: Trial, signal: AbortSignal): Promise<void> => {
    failpoint("turn.beginning");
    const begun = counted.get(entry.id) ?? (await journal.begin(entry.id));
    counted.delete(entry.id);
    if (begun === undefined) {
      finish(entry);
      return;
    }
    begunOnDisk.add(entry.id);
    if (stopped) {
      await putBack(entry, begun, true, 0);
      return;
    }
    const command = JSON.parse(begun.body) as Command;
    log.info(`[agentrux] Processing event ${command.eventId} req=${command.requestId}`);
    failpoint("turn.begun");
    trial.asked();
    const breakOff = new AbortController();
    turns.set(entry.id, { attempt: begun.attempt, breakOff });
    const result = await runAttempt(runner, requestOf(command, begun.attempt), clock, breakOff.signal);
    turns.delete(entry.id);
    const isOvertaken = breakOff.signal.aborted && !stopping.signal.aborted;
    failpoint("turn.ended");
    trial.end(result.kind === "not-started" && !isOvertaken ? "refused" : "taken");
    stats.turnEnded(result.kind, clock.now());
    await conclude(entry, begun, command, judgeAttempt(result, begun.tries, limits), mediaOf(result), signal);
  };

  const recover = async (entry: LaneEntry, signal: AbortSignal): Promise<void> => {
    lanes.hold(entry);
    const found = await journal.openCommand(entry.id);
    if (found?.state !== "running") {
      begunOnDisk.delete(entry.id);
      if (found === undefined) finish(entry);
      else lanes.retry(entry, clock.monotonic());
      return;
    }
    const command = JSON.parse(found.body) as Command;
    log.warn(`[agentrux] Event ${command.eventId} was interrupted in attempt ${found.attempt}`);
    await waitForHost(requestOf(command, found.attempt), signal);
    if (stopped) return;
    failpoint("turn.recovering");
    const verdict = afterFailure("interrupted", found.tries, limits);
    await conclude(entry, found, command, verdict, [], signal, 0);
  };

  const conclude = async (
    entry: LaneEntry,
    begun: OpenCommandWithBody,
    command: Command,
    verdict: AttemptVerdict,
    media: readonly string[],
    signal: AbortSignal,
    delayMs = fullJitter(begun.tries - 1, options.retry, random),
  ): Promise<void> => {
    switch (verdict.kind) {
      case "answer":
        if (verdict.death !== undefined) logDeath(command, begun, verdict.death);
        await answer(begun, command, verdict.ending, media, verdict.death);
        finish(entry);
        return;
      case "retry":
        log.warn(
          `[agentrux] dispatch failed for ${command.eventId} (attempt ${begun.tries}/${limits.maxAttempts}): ${verdict.reason}`,
        );
        await putBack(entry, begun, false, delayMs);
        return;
      case "not-now":
        await putBack(entry, begun, true, 0);
        return;
      case "wait-for-host":
        await hostAnswers(entry, begun, command, verdict.since, signal);
        return;
    }
  };

  /** The host has the message: its answer ends the command. If it does not come, what follows depends on why. */
  const hostAnswers = async (
    entry: LaneEntry,
    begun: OpenCommandWithBody,
    command: Command,
    since: "deferred" | "swallowed",
    signal: AbortSignal,
  ): Promise<void> => {
    lanes.hold(entry);
    pump();
    // Nothing is known of a deferred turn until it had its time.
    if (since === "deferred") await pause(clock, limits.timeoutMs, signal);
    await waitForHost(requestOf(command, begun.attempt), signal);
    if (stopped) return;
    const times = (swallowed.get(entry.id) ?? 0) + 1;
    if (since === "swallowed" && times <= MAX_SWALLOWED) {
      swallowed.set(entry.id, times);
      await putBack(entry, begun, true, fullJitter(times - 1, options.retry, random));
      return;
    }
    await conclude(entry, begun, command, afterFailure(`${since}, and no answer`, begun.tries, limits), [], signal);
  };

  const putBack = async (
    entry: LaneEntry,
    begun: OpenCommandWithBody,
    refund: boolean,
    delayMs: number,
  ): Promise<void> => {
    const waits = await journal.putBack(begun.id, begun.attempt, refund, delayMs > 0 ? clock.now() + delayMs : 0);
    failpoint("turn.put-back");
    // Answered meanwhile, by the host.
    if (!waits) {
      finish(entry);
      return;
    }
    begunOnDisk.delete(entry.id);
    lanes.retry(entry, clock.monotonic() + delayMs);
  };

  const logDeath = (command: Command, begun: OpenCommandWithBody, death: string): void => {
    log.error(`[agentrux] dispatch failed ${begun.tries} times for ${command.eventId}, skipping: ${death}`);
  };

  return {
    get open() {
      return lanes.size;
    },
    get running() {
      return lanes.running;
    },
    get waitingForHost() {
      return lanes.held;
    },
    get refusals() {
      return gate.refusals;
    },
    add(command) {
      if (command.state === "running") begunOnDisk.add(command.id);
      // A pause that was written down is never longer than the longest one made now, whatever the clock did.
      const delayMs = Math.min(command.notBefore - clock.now(), options.retry.capMs);
      const { id, lane, producer } = command;
      lanes.add({ id, lane, producer }, delayMs > 0 ? clock.monotonic() + delayMs : 0);
    },
    startable(keys) {
      const first = new Map<string, number>();
      for (const [place, key] of keys.entries()) {
        if (!first.has(key) && !lanes.has(key)) first.set(key, place);
      }
      // All or none: whose turn it is among too many is for the lanes to say.
      const free = options.maxConcurrency() - lanes.running - lanes.ready;
      const none = stopped || gate.refusals > 0 || !options.mayStart() || first.size > free;
      return new Set(none ? [] : first.values());
    },
    addBegun(command) {
      counted.set(command.id, command);
      const { id, lane, producer } = command;
      lanes.add({ id, lane, producer });
    },
    isBusy: (lane) => lanes.has(lane),
    pump,
    async acceptHostReply(address, text, media) {
      const named = parseAddress(address);
      if (named === undefined) return "unknown_address";
      if (text === "" && media.length === 0) return "empty";
      try {
        const open = await journal.findOpen(named.commandId);
        if (open === undefined) return "closed";
        const command = JSON.parse(open.body) as Command;
        if (!(await answer(open, command, { status: "completed", message: text }, media))) return "closed";
        const waiting = handled.get(open.id);
        // The host has resumed an earlier attempt before it let this one begin: it need not run any more.
        const turn = turns.get(open.id);
        if (turn !== undefined && turn.attempt !== named.attempt) turn.breakOff.abort();
        // A turn that is still running keeps its lane until it ends: the host would mix the next one into it.
        if (waiting === undefined) finish(open);
        else waiting.abort();
        pump();
        return "accepted";
      } catch (error) {
        log.error(`[agentrux] A reply of the host could not be written down: ${errorText(error)}`);
        return "failed";
      }
    },
    async stop(deadlineMs) {
      stopped = true;
      cancelWake();
      gate.stop();
      for (const waiting of handled.values()) waiting.abort();
      // What was counted and never started costs no try; where the disk refuses that, it counts as interrupted.
      for (const { id, attempt: number } of counted.values()) {
        work.add(journal.putBack(id, number, true, 0).then(ignore, ignore));
      }
      const cancelAbort = clock.after(deadlineMs, () => {
        stopping.abort();
        for (const { breakOff } of turns.values()) breakOff.abort();
      });
      const settled = new AbortController();
      await Promise.race([Promise.all(work), pause(clock, deadlineMs + STOP_GRACE_MS, settled.signal)]);
      settled.abort();
      cancelAbort();
    },
  };
}

function ignore(): void {}

function mediaOf(result: TurnResult): readonly string[] {
  return result.kind === "replied" ? result.media : [];
}
