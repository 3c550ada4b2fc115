/**
 * Owns the reading of one topic, from the start position to the stop.
 *
 *     settling -> draining <-> waiting -> stopped
 *
 * Settling finds the start position. Draining reads to the end of the topic. Waiting ends with a hint, with the stream
 * opening (also again), with the safety poll, or with the end of a backoff; whatever rings while a drain runs starts
 * another one at once. There is one drain at a time. An operator may move the position: that breaks off a drain, and the
 * next one begins there. Stopping ends the reading at once and gives the page that is being
 * handed over until the deadline; the waterline is written last.
 */

import { AgentruxError, errorText, isAgentruxError } from "../errors.ts";
import { retryDelayMs, slowJitter } from "../service/backoff.ts";
import type { Clock, Random, Sleep } from "../service/clock.ts";
import type { Cursor, ServiceClient } from "../service/types.ts";
import { createTroubleLog, type TroubleLog } from "../trouble-log.ts";
import { drain, type DrainObserver } from "./drain.ts";
import { isBeyond, isPosition } from "./positions.ts";
import { type Log, type Remembered, settleStartPosition, SLOW_RETRY_MS, type StartPosition } from "./start-position.ts";
import { type IntakeTrouble, isPassing } from "./trouble.ts";
import type { AdmitPage } from "./types.ts";
import { type Cause, type Depth, Wake } from "./wake.ts";
import type { Waterline } from "./waterline.ts";

export interface IntakeOptions {
  /** Bare topic UUID. */
  readonly topicId: string;
  readonly client: Pick<ServiceClient, "pull" | "stream">;
  readonly waterline: Waterline;
  readonly admit: AdmitPage;
  readonly startFrom: "latest" | "earliest";
  /** Leaves the own script's events out, where the service can. */
  readonly excludeSelf: boolean;
  readonly pollIntervalMs: number;
  /** See {@link settleStartPosition}. */
  readonly recall?: (topicId: string) => Promise<Remembered | undefined>;
  readonly onStarted?: (position: StartPosition) => void;
  readonly onTrouble: (trouble: IntakeTrouble) => void;
  /** The first complete drain, and each one that ends a trouble. */
  readonly onHealthy: () => void;
  readonly log: Log;
  readonly clock: Clock;
  readonly sleep: Sleep;
  readonly random: Random;
  /** A pull that takes longer is abandoned; default {@link WATCHDOG_MS}. */
  readonly watchdogMs?: number;
}

/** Numbers for status and metrics. Times are epoch milliseconds. */
export interface IntakeHealth {
  readonly position: Cursor | undefined;
  /** The hint stream is open. Without it, reading goes on by the safety poll. */
  readonly connected: boolean;
  /** The position is not known to be at the topic's end: events are being taken over, or reading fails. */
  readonly lagging: boolean;
  readonly lastPullAt: number | undefined;
  readonly lastAdmitAt: number | undefined;
  readonly admitted: number;
  readonly malformed: number;
  /** Failed drains in a row. */
  readonly failures: number;
  readonly lastError: string | undefined;
  /** The read position could not be stored yet. */
  readonly unsaved: boolean;
}

/** A running intake. */
export interface Intake {
  health(): IntakeHealth;
  /** Drains once more, as a hint would. */
  wake(): void;
  /**
   * Reads on after `cursor`, at once: what is being read or handed over meanwhile is left and read again from there.
   * Resolves when the position is on disk.
   *
   * @throws AgentruxError `invalid` for what is no position, `disk`, `stopped`.
   */
  moveTo(cursor: Cursor): Promise<void>;
  /** Stops within `deadlineMs`, default {@link STOP_DEADLINE_MS}. Never rejects. */
  stop(deadlineMs?: number): Promise<void>;
}

interface Move {
  readonly cursor: Cursor;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Longer than any time limit of the service client: it ends only what that one has lost. */
export const WATCHDOG_MS = 90_000;
export const STOP_DEADLINE_MS = 5_000;
const RETRY_BACKOFF = { baseMs: 500, capMs: 30_000 } as const;
/** Polls spread over the last fifth of the interval, so that gateways do not poll in step. */
const POLL_SPREAD = 0.2;

/** Starts reading a topic. */
export function startIntake(options: IntakeOptions): Intake {
  return new TopicIntake(options);
}

class TopicIntake implements Intake, DrainObserver {
  readonly #options: IntakeOptions;
  readonly #wake: Wake;
  readonly #reading = new AbortController();
  readonly #admitting = new AbortController();
  readonly #done: Promise<void>;
  readonly #troubles: TroubleLog;
  readonly #moves: Move[] = [];
  /** Aborts when a move waits to be carried out. */
  #moving = new AbortController();
  #hinted: Cursor | undefined;
  #connected = false;
  #lagging = true;
  #healthy = false;
  #lastPullAt: number | undefined;
  #lastAdmitAt: number | undefined;
  #admitted = 0;
  #malformed = 0;
  #failures = 0;
  #lastError: string | undefined;

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#wake = new Wake(options.sleep);
    this.#troubles = createTroubleLog(options);
    this.#done = this.#run();
  }

  health(): IntakeHealth {
    const saved = this.#options.waterline.position(this.#options.topicId);
    return {
      position: saved.kind === "saved" ? saved.cursor : undefined,
      connected: this.#connected,
      lagging: this.#lagging,
      lastPullAt: this.#lastPullAt,
      lastAdmitAt: this.#lastAdmitAt,
      admitted: this.#admitted,
      malformed: this.#malformed,
      failures: this.#failures,
      lastError: this.#lastError,
      unsaved: this.#options.waterline.failing,
    };
  }

  wake(): void {
    this.#wake.ring("hint");
  }

  moveTo(cursor: Cursor): Promise<void> {
    if (!isPosition(this.#options.waterline.generation, cursor)) {
      return Promise.reject(new AgentruxError("invalid", "This is no read position of the credentials' generation"));
    }
    return new Promise((resolve, reject) => {
      this.#moves.push({ cursor, resolve, reject });
      this.#moving.abort();
      if (this.#reading.signal.aborted) this.#refuseMoves();
    });
  }

  async stop(deadlineMs: number = STOP_DEADLINE_MS): Promise<void> {
    const { sleep, waterline } = this.#options;
    this.#reading.abort();
    this.#refuseMoves();
    const settled = new AbortController();
    const deadline = sleep(deadlineMs, settled.signal).then(
      () => this.#admitting.abort(),
      () => {},
    );
    // What could not be written has been told through onProblem; a restart reads those events again.
    const orderly = this.#done.then(() => waterline.flush()).catch(() => {});
    await Promise.race([orderly, deadline]);
    settled.abort();
  }

  onPage(items: number): void {
    this.#lastPullAt = this.#options.clock.now();
    if (items > 0) this.#lagging = true;
  }

  onAdmitted(events: number): void {
    this.#lastAdmitAt = this.#options.clock.now();
    this.#admitted += events;
  }

  onMalformed(count: number): void {
    this.#malformed += count;
    const { log, topicId, onTrouble } = this.#options;
    log.warn(`[agentrux] Skipped ${count} event(s) that cannot be read as events topic=${topicId}`);
    onTrouble({ kind: "malformed", count });
  }

  onReanchored(): void {
    const { log, topicId } = this.#options;
    log.warn(`[agentrux] Cursor expired (ttl); re-anchoring to oldest retained (FIFO drain) topic=${topicId}`);
  }

  async #run(): Promise<void> {
    const signal = this.#reading.signal;
    try {
      const position = await this.#settle();
      this.#options.onStarted?.(position);
      await Promise.all([this.#drainUntilStopped(), this.#followHints()]);
    } catch (error) {
      if (signal.aborted) return;
      // Nothing of the above throws but a caller's own callback; without this line the topic would fall silent.
      this.#options.log.error(`[agentrux] Reading of topic=${this.#options.topicId} ended: ${errorText(error)}`);
    }
  }

  async #settle(): Promise<StartPosition> {
    const troubles = this.#troubles;
    const watchdogMs = this.#watchdogMs();
    for (;;) {
      const signal = this.#untilMove(this.#reading.signal);
      try {
        return await settleStartPosition({ ...this.#options, troubles, watchdogMs, signal });
      } catch (error) {
        if (this.#reading.signal.aborted || !this.#moving.signal.aborted) throw error;
        await this.#carryOutMoves();
      }
    }
  }

  #untilMove(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.#moving.signal]);
  }

  /** Between two drains: nobody else moves the position then. */
  async #carryOutMoves(): Promise<void> {
    if (this.#moves.length === 0) return;
    const { waterline, topicId, log } = this.#options;
    const moves = this.#moves.splice(0);
    this.#moving = new AbortController();
    this.#lagging = true;
    for (const { cursor } of moves) {
      waterline.reset(topicId, cursor);
      log.warn(`[agentrux] The read position was set to ${cursor === "" ? "the beginning" : cursor} topic=${topicId}`);
    }
    await waterline.flush().then(
      () => moves.forEach((move) => move.resolve()),
      (error: unknown) => moves.forEach((move) => move.reject(error)),
    );
  }

  #refuseMoves(): void {
    for (const move of this.#moves.splice(0)) move.reject(new AgentruxError("stopped", "Stopped before it was moved"));
  }

  async #drainUntilStopped(): Promise<void> {
    const signal = this.#reading.signal;
    let cause: Cause = "start";
    while (!signal.aborted) {
      await this.#carryOutMoves();
      const wait = await this.#drainOnce(cause);
      cause = await this.#wake.wait(wait.ms, wait.depth, this.#untilMove(signal));
      if (this.#moving.signal.aborted) cause = "start";
    }
  }

  /** Drains, and says how to wait afterwards. */
  async #drainOnce(cause: Cause): Promise<{ readonly ms: number; readonly depth: Depth }> {
    const { pollIntervalMs, random, waterline } = this.#options;
    // Where hints may have been missed, the last one does not tell where the topic ends.
    if (cause !== "hint") this.#hinted = undefined;
    try {
      await drain(
        {
          ...this.#options,
          watchdogMs: this.#watchdogMs(),
          isKnownEnd: (position) => this.#isKnownEnd(position),
          observer: this,
        },
        { pull: this.#untilMove(this.#reading.signal), admit: this.#untilMove(this.#admitting.signal) },
      );
      this.#succeeded();
      // A failed write is tried again with each drain; onProblem tells when that fails too.
      if (waterline.failing) await waterline.flush().catch(() => {});
      return { ms: pollIntervalMs * (1 - random() * POLL_SPREAD), depth: "light" };
    } catch (error) {
      if (this.#reading.signal.aborted || this.#moving.signal.aborted) return { ms: 0, depth: "light" };
      return this.#failed(error, cause);
    }
  }

  #succeeded(): void {
    this.#troubles.over("drain", "[agentrux] Reading goes on");
    this.#failures = 0;
    this.#lastError = undefined;
    this.#lagging = false;
    if (this.#healthy) return;
    this.#healthy = true;
    this.#options.onHealthy();
  }

  #failed(error: unknown, cause: Cause): { readonly ms: number; readonly depth: Depth } {
    const { random, onTrouble } = this.#options;
    this.#healthy = false;
    this.#lagging = true;
    this.#failures += 1;
    this.#lastError = errorText(error);
    const passing = isPassing(error);
    const ms = passing
      ? retryDelayMs(error, this.#failures - 1, RETRY_BACKOFF, random)
      : slowJitter(SLOW_RETRY_MS, random);
    this.#troubles.again(
      "drain",
      `[agentrux] ${cause === "poll" ? "Poller" : "drainEvents"} error: ${this.#lastError}`,
    );
    onTrouble({ kind: passing ? "passing" : "fatal", error, failures: this.#failures, retryInMs: ms });
    return { ms, depth: isAgentruxError(error) && error.retryAfterMs !== undefined ? "asked" : "backoff" };
  }

  async #followHints(): Promise<void> {
    const { client, topicId, waterline, excludeSelf, log } = this.#options;
    let firstOpening = true;
    await client.stream({
      topicId,
      excludeSelf,
      signal: this.#reading.signal,
      after: () => {
        const saved = waterline.position(topicId);
        return saved.kind === "saved" ? saved.cursor : undefined;
      },
      onOpen: () => {
        this.#connected = true;
        if (firstOpening) log.info("[agentrux] SSE connected");
        else this.#troubles.over("stream", "[agentrux] SSE connected");
        firstOpening = false;
        this.#wake.ring("open");
      },
      onHint: (position) => {
        this.#troubles.over("stream", "[agentrux] SSE connected");
        this.#hinted = position !== undefined && isPosition(waterline.generation, position) ? position : undefined;
        this.#wake.ring("hint");
      },
      onDown: (reason) => {
        this.#connected = false;
        firstOpening = false;
        this.#troubles.again("stream", `[agentrux] SSE disconnected: ${errorText(reason)}. Reconnecting...`);
      },
    });
    this.#connected = false;
  }

  #isKnownEnd(position: Cursor): boolean {
    const { generation } = this.#options.waterline;
    if (this.#hinted === undefined) return false;
    return generation === "a" ? !isBeyond("a", position, this.#hinted) : position === this.#hinted;
  }

  #watchdogMs(): number {
    return this.#options.watchdogMs ?? WATCHDOG_MS;
  }
}
