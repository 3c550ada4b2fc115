/**
 * Owns one watch while its account runs: its book in memory, the same on disk, and the turns it starts.
 *
 *   loading -> baseline    nothing is on disk that fits its definition: the first sight is written down, nobody is told
 *           -> comparing   what is on disk is held against the first sight of this life
 *   either  -> watching    changes are told as their time comes, each with what it accounts for in one transaction
 *
 * A disk that refuses a flush loses nothing: it is made anew, from what is by then.
 */

import { hash } from "node:crypto";
import type { FluxWatch } from "../../config/flux.ts";
import { AgentruxError, errorText } from "../../errors.ts";
import { failpoint } from "../../failpoint.ts";
import type { Admission, AdmissionRow, Journal, WatchRecord } from "../../journal/types.ts";
import { type Clock, pause } from "../../replies/ports.ts";
import { Book } from "./book.ts";
import { decodeState, encodeState } from "./entity-state.ts";
import type { Flush } from "./flush.ts";
import { reportOf } from "./report.ts";
import { type Subscription, subscriptionOf } from "./sink.ts";
import type { WatchInfo, WatchOrigin } from "./types.ts";

/** A turn to be started: `sequence` and `born` name it for ever. */
export interface WatchTurn {
  readonly watch: string;
  readonly born: number;
  readonly sequence: number;
  readonly text: string;
  readonly at: number;
}

/** What a watch asks of the account. */
export interface WatcherPorts {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: { info(line: string): void; warn(line: string): void; error(line: string): void };
  /** The server, and whether anybody's token is used: what is seen depends on both. */
  readonly view: readonly string[];
  /** The turn as a row of the journal, and what it is filed under. */
  rowOf(turn: WatchTurn): { readonly topicId: string; readonly row: AdmissionRow };
  /** Takes rows over: waits for room, lets `write` put them on disk, and starts what may start. */
  admit(
    rows: readonly AdmissionRow[],
    write: (rows: readonly AdmissionRow[], at: number) => Promise<Admission>,
    signal: AbortSignal,
  ): Promise<void>;
  /** Whether an earlier turn of this watch has not ended: what changes meanwhile is told of together, after it. */
  isBusy(watch: string): boolean;
  /** A turn is on disk. */
  onTold(changes: number): void;
}

const LOAD_ROWS = 500;
/** Changes that come within a moment are looked at together. */
const GATHER_MS = 5;
const BUSY_POLL_MS = 200;
const RETRY_MS = 2_000;

export class Watcher {
  readonly definition: FluxWatch;
  readonly origin: WatchOrigin;
  readonly subscription: Subscription;
  readonly book: Book;
  readonly #ports: WatcherPorts;
  readonly #born: number;
  #sequence: number;
  #fault: string | undefined;
  #lastToldAt: number | undefined;
  #tooMany = false;
  #wake = (): void => {};

  private constructor(definition: FluxWatch, origin: WatchOrigin, record: WatchRecord, ports: WatcherPorts) {
    this.definition = definition;
    this.origin = origin;
    this.subscription = subscriptionOf(definition);
    this.#ports = ports;
    this.#born = record.born;
    this.#sequence = record.sequence;
    this.book = new Book(definition, record.basis !== this.#basis);
  }

  /** @throws AgentruxError of the journal */
  static async load(
    definition: FluxWatch,
    origin: WatchOrigin,
    record: WatchRecord,
    ports: WatcherPorts,
  ): Promise<Watcher> {
    const watcher = new Watcher(definition, origin, record, ports);
    const { journal } = ports;
    if (watcher.book.isBaseline) await journal.rebaseWatch(definition.id);
    watcher.book.restoreTurns(record.turns.map((at) => watcher.#monotonicOf(at)));
    if (watcher.book.isBaseline) return watcher;
    for (let after = ""; ;) {
      const page = await journal.watchedEntities(definition.id, after, LOAD_ROWS);
      for (const { entity, state, toldAt } of page) {
        watcher.book.restore(entity, {
          state: state === undefined ? undefined : decodeState(state),
          toldAt: toldAt === undefined ? undefined : watcher.#monotonicOf(toldAt),
        });
      }
      after = page.at(-1)?.entity ?? after;
      if (page.length < LOAD_ROWS) return watcher;
    }
  }

  get info(): WatchInfo {
    const { book, definition, origin } = this;
    const left = this.#tooMany ? `more than ${book.entities} entities: the others are left out` : undefined;
    const problem = this.#fault ?? left;
    return {
      definition,
      origin,
      state: this.#fault !== undefined ? "failing" : book.isSynced && !book.isBaseline ? "watching" : "starting",
      ...(problem === undefined ? {} : { problem }),
      entities: book.entities,
      held: book.held,
      ...(this.#lastToldAt === undefined ? {} : { lastToldAt: this.#lastToldAt }),
    };
  }

  /** Something was seen. */
  touch(): void {
    this.#wake();
    if (this.#tooMany === this.book.leftOut > 0) return;
    this.#tooMany = this.book.leftOut > 0;
    if (!this.#tooMany) return;
    const { entities } = this.book;
    this.#ports.log.error(
      `[agentrux] Watch ${this.definition.id} covers more than ${entities} entities: it goes on with those, narrow it`,
    );
  }

  /** Lives until `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#ports;
    while (!signal.aborted) {
      const wasBaseline = this.book.isBaseline;
      const isBusy = this.#ports.isBusy(this.definition.id);
      const flush = this.book.flush(clock.monotonic(), !isBusy);
      if (flush === undefined) {
        await this.#rest(isBusy, signal);
        continue;
      }
      if (!(await this.#write(flush, signal))) {
        await pause(clock, RETRY_MS, signal);
        continue;
      }
      if (wasBaseline && !this.book.isBaseline) this.#sayBaseline();
    }
  }

  /** @returns whether it is on disk */
  async #write(flush: Flush, signal: AbortSignal): Promise<boolean> {
    const { clock, log } = this.#ports;
    try {
      failpoint("watch.telling");
      await this.#admit(flush, signal);
      failpoint("watch.told");
    } catch (error) {
      this.book.abandon(clock.monotonic());
      if (signal.aborted) return false;
      this.#fault ??= errorText(error);
      log.warn(`[agentrux] Watch ${this.definition.id} cannot be written down, trying again: ${errorText(error)}`);
      return false;
    }
    this.#fault = undefined;
    this.book.commit(clock.monotonic());
    if (flush.changes.length === 0) return true;
    this.#sequence += 1;
    this.#lastToldAt = clock.now();
    this.#ports.onTold(flush.changes.length);
    log.info(`[agentrux] Watch ${this.definition.id}: ${flush.changes.length} changed, the agent is told`);
    return true;
  }

  async #admit({ changes, states, at, endsBaseline }: Flush, signal: AbortSignal): Promise<void> {
    const { journal, clock } = this.#ports;
    const { id } = this.definition;
    const sequence = this.#sequence + Number(changes.length > 0);
    const turn = { watch: id, born: this.#born, sequence, at: clock.now() };
    const { topicId, row } = this.#ports.rowOf({ ...turn, text: reportOf(changes) });
    const told = changes.length > 0 ? [at] : [];
    const flush = {
      topicId,
      entities: [...states].map(([entity, { state, toldAt }]) => ({
        entity,
        ...(state === undefined ? {} : { state: encodeState(state) }),
        ...(toldAt === undefined ? {} : { toldAt: this.#wallOf(toldAt) }),
      })),
      sequence,
      turns: [...this.book.turns, ...told].map((one) => this.#wallOf(one)),
      ...(endsBaseline ? { basis: this.#basis } : {}),
    };
    let isThere = true;
    const write = async (rows: readonly AdmissionRow[], now: number): Promise<Admission> => {
      const admission = await journal.admitWatch(id, { ...flush, rows }, now);
      isThere = admission !== undefined;
      return admission ?? { ids: [] };
    };
    if (changes.length > 0) await this.#ports.admit([row], write, signal);
    else await write([], clock.now());
    if (!isThere) throw new AgentruxError("not_found", "it is not in the journal any more");
  }

  #sayBaseline(): void {
    const { book, definition } = this;
    const none = book.entities === 0 ? " (a private namespace looks empty to whoever has not its token)" : "";
    this.#ports.log.info(
      `[agentrux] Watch ${definition.id} begins with ${book.entities} entities as they are${none}: changes count from now on`,
    );
  }

  /** Until something is seen, or it is time for what waits. */
  async #rest(isBusy: boolean, signal: AbortSignal): Promise<void> {
    const { clock } = this.#ports;
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    const dueAt = this.book.nextAt();
    const dueMs = dueAt === undefined ? Number.POSITIVE_INFINITY : dueAt - clock.monotonic();
    // While a turn is under way, what is due waits for its end, of which nobody tells.
    const ms = isBusy && dueMs < BUSY_POLL_MS ? BUSY_POLL_MS : dueMs;
    await pause(clock, ms, AbortSignal.any([signal, woken.signal]));
    this.#wake = () => {};
    await pause(clock, GATHER_MS, signal);
  }

  /** What its account is of: with another, the world is seen for the first time. */
  get #basis(): string {
    const { target, property, condition } = this.definition;
    return hash("sha256", JSON.stringify([...this.#ports.view, target, property ?? null, condition]), "hex");
  }

  /** A time that was written down; one that lies in the future, because a clock was set back, counts as now. */
  #monotonicOf(wall: number): number {
    const { clock } = this.#ports;
    return clock.monotonic() - Math.max(0, clock.now() - wall);
  }

  #wallOf(monotonic: number): number {
    const { clock } = this.#ports;
    return clock.now() - Math.round(clock.monotonic() - monotonic);
  }
}
