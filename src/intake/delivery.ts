/**
 * One account's delivery, from an event handed over by the intake to its reply on the result topic: the journal, the
 * dispatcher and the outbox put together.
 *
 * Taking over waits while too many commands are open, so that memory and disk stay bounded whatever is published. A
 * disk that refuses to write stops the taking over, which the intake is told by a rejection; what is already taken over
 * waits for the disk.
 */

import { AgentruxError, errorText } from "../errors.ts";
import {
  type Admission,
  type AdmissionRow,
  EVENT_KNOWN,
  type Journal,
  type OpenCommandWithBody,
  REQUEST_KNOWN,
} from "../journal/types.ts";
import type { ReplyChannel } from "../replies/channel.ts";
import { type Composer, composeReply } from "../replies/compose.ts";
import { composeForComposer, isComposerRequest } from "../replies/composer-dialect.ts";
import type { ReplyFiles } from "../replies/files.ts";
import { createOutbox } from "../replies/outbox.ts";
import { type Clock, type Log, pause, type Random, systemClock } from "../replies/ports.ts";
import { steadyJournal } from "../replies/steady-journal.ts";
import type { Command, TurnRunner } from "../replies/turn.ts";
import type { BackoffLimits } from "../service/backoff.ts";
import type { Cursor, Generation } from "../service/types.ts";
import { createTroubleLog } from "../trouble-log.ts";
import { parseAddress } from "./address.ts";
import { type AdmissionOptions, isRefusedSender, preparePage } from "./admission.ts";
import { createDispatcher, type HostReplyFate } from "./dispatcher.ts";
import { createOperator, type Operator } from "./operator.ts";
import { memoryOf, readMemory } from "./memory.ts";
import type { Remembered } from "./start-position.ts";
import { createRoom } from "./room.ts";
import { addOne, copyCounts, createStats, type DeliveryCounts, type DeliveryTimes } from "./stats.ts";
import type { AdmitPage } from "./types.ts";

/** The limits may be getters: they are read each time they are needed, so that a change takes effect at once. */
export interface DeliveryOptions {
  readonly journal: Journal;
  readonly runner: TurnRunner;
  readonly channel: ReplyChannel;
  readonly log: Log;
  readonly maxConcurrency: number;
  readonly turnTimeoutMs: number;
  readonly maxAttempts: number;
  /** Starts no more turns while true; what is under way goes on, and events are taken over. */
  readonly paused?: boolean;
  readonly parse?: AdmissionOptions;
  /** Without it, a reply says that its files could not be sent. */
  readonly files?: ReplyFiles;
  /** No more events are taken over while so many commands are open. */
  readonly maxOpen?: number;
  /** No more turns are started while so many replies are unsent. */
  readonly maxUnsent?: number;
  readonly retry?: BackoffLimits;
  readonly replyMaxAgeMs?: number;
  /** Whose read positions the pages carry: they mean nothing to the other generation. */
  readonly generation?: Generation;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Moves the read position of a topic, for an operator. False when it is not read here, or the cursor is none. */
  readonly move?: (topicId: string, cursor: Cursor) => Promise<boolean>;
}

export interface DeliveryHealth {
  /** Commands taken over and not yet answered, those under way included. */
  readonly backlog: number;
  readonly running: number;
  readonly waitingForHost: number;
  readonly unsentReplies: number;
  readonly deadLetters: number;
  /** Age of the oldest command without an answer; 0 when there is none. */
  readonly oldestAgeMs: number;
  /** Set while the journal cannot be written. */
  readonly journalFault?: string;
  /** Sends of replies that failed and were put off. */
  readonly publishFailures: number;
  /** Set while replies have failed to be published for some time. */
  readonly publishFault?: string;
  /** Whether the host has lately refused turns. */
  readonly hostRefuses: boolean;
  readonly last: DeliveryTimes;
  readonly counts: DeliveryCounts;
}

/** Puts rows on disk; some of them may come back with their first attempt begun. */
export type WriteTurns = (rows: readonly AdmissionRow[], at: number) => Promise<Admission>;

export interface Delivery {
  readonly admit: AdmitPage;
  /**
   * Takes over turns that no event of a topic started, once there is room. `write` puts them on disk.
   *
   * @throws AgentruxError when nothing was taken over
   */
  admitTurns(rows: readonly AdmissionRow[], write: WriteTurns, signal: AbortSignal): Promise<void>;
  /** Whether a lane has work that is not answered. */
  isBusy(lane: string): boolean;
  /** Where the last page taken over ended, in whichever generation; undefined where none was. */
  recall(topicId: string): Promise<Remembered | undefined>;
  /** What the host says by itself at an attempt's address. Never rejects; resolves when it is on disk, or dropped. */
  acceptHostReply(address: string, text: string, media: readonly string[]): Promise<HostReplyFate>;
  /** The trace of the open command at an attempt's address. */
  traceOf(address: string): Promise<{ readonly id: string; readonly hops: number } | undefined>;
  /** Takes up what the journal holds. To be awaited before anything else. */
  start(): Promise<void>;
  /** Settles what is under way; whatever is not settled after `deadlineMs` is taken up by the next start. */
  stop(deadlineMs: number): Promise<void>;
  /** Starts what may start; for when a limit has changed. */
  pump(): void;
  snapshot(): DeliveryHealth;
  /** Counts the dead letters anew: upkeep forgets old ones, and a damaged journal begins without. */
  recount(): Promise<void>;
  readonly operator: Operator;
}

const MAX_OPEN = 10_000;
const MAX_UNSENT = 1_000;
const RETRY: BackoffLimits = { baseMs: 1_000, capMs: 60_000 };
const LOAD_ROWS = 1_000;
const DAY_MS = 86_400_000;
/** A stop keeps this much of its time, or a third of it, for the replies of the last turns. */
const REPLIES_RESERVE_MS = 3_000;
const STOP_GRACE_MS = 1_000;

/**
 * @example
 * const delivery = createDelivery({ journal: file.account(id), runner, channel, log, ...limits });
 * await delivery.start();
 * await delivery.admit(page, signal);
 */
export function createDelivery(options: DeliveryOptions): Delivery {
  const { journal: plainJournal, log } = options;
  const clock = options.clock ?? systemClock;
  const random = options.random ?? Math.random;
  const maxUnsent = options.maxUnsent ?? MAX_UNSENT;
  const maxOpen = options.maxOpen ?? MAX_OPEN;
  const parse = options.parse ?? {};
  // The dialect needs metadata and payload references, which the older generation has not.
  const compose: Composer = (command, ...rest) =>
    (options.generation === "b" && isComposerRequest(command) ? composeForComposer : composeReply)(command, ...rest);
  const stats = createStats();
  const stopping = new AbortController();
  /** When each open command was taken over, the oldest first. */
  const openSince = new Map<number, number>();
  let journalFault: string | undefined;
  const troubles = createTroubleLog({ log, clock });

  const onTrouble = (fault: AgentruxError | undefined): void => {
    if (fault === undefined) troubles.over("journal", "[agentrux] The journal can be written again.");
    else {
      const line = `[agentrux] The journal cannot be written, no new events are taken: ${errorText(fault)}`;
      troubles.again("journal", line);
    }
    journalFault = fault && errorText(fault);
  };
  const journal = steadyJournal(plainJournal, { clock, random, signal: stopping.signal, onTrouble });
  const room = createRoom(() => dispatcher.open + outbox.size < maxOpen);

  const outbox = createOutbox({
    journal,
    channel: options.channel,
    clock,
    random,
    log,
    onDone(_command, end) {
      stats.done(end, clock.now());
      room.changed();
      dispatcher.pump();
    },
    maxAgeMs: () => options.replyMaxAgeMs ?? DAY_MS,
  });

  const dispatcher = createDispatcher({
    journal,
    runner: options.runner,
    compose,
    ...(options.files === undefined ? {} : { files: options.files }),
    clock,
    random,
    log,
    stats,
    limits: {
      get maxAttempts() {
        return options.maxAttempts;
      },
      get timeoutMs() {
        return options.turnTimeoutMs;
      },
    },
    maxConcurrency: () => options.maxConcurrency,
    retry: options.retry ?? RETRY,
    mayStart: () => outbox.size < maxUnsent && options.paused !== true,
    onReplied: (command, lane) => outbox.add(command, lane),
    onFinished(command) {
      openSince.delete(command);
      room.changed();
    },
  });

  const operator = createOperator({
    journal,
    clock,
    log,
    onReopened(command) {
      stats.deadLetters -= 1;
      if (command.state === "replied") {
        outbox.add(command.id, command.lane);
        return;
      }
      openSince.set(command.id, command.receivedAt);
      dispatcher.add(command);
      dispatcher.pump();
    },
    onDropped() {
      stats.deadLetters -= 1;
    },
    move: options.move ?? (() => Promise.resolve(false)),
  });

  const withFirstAttempts = (rows: readonly AdmissionRow[]): readonly AdmissionRow[] => {
    // A rejected command in front of them keeps the others of its lane from being first.
    const places = dispatcher.startable(rows.map(({ lane }) => lane));
    return rows.map((row, place) => (places.has(place) && row.replies === undefined ? { ...row, begun: true } : row));
  };

  const written = async (admission: Promise<Admission>): Promise<Admission> => {
    const done = await admission.catch((error: unknown) => {
      if (error instanceof AgentruxError) onTrouble(error);
      throw error;
    });
    onTrouble(undefined);
    return done;
  };

  const takeIn = (id: number, row: AdmissionRow, at: number): void => {
    openSince.set(id, at);
    const { lane, producer } = row;
    if (row.begun) dispatcher.addBegun(begunCommand(id, row, at));
    else dispatcher.add({ id, lane, producer, state: "received", notBefore: 0 });
  };

  const admit: AdmitPage = async (page, signal) => {
    await room.wait(signal);
    const at = clock.now();
    const prepared = await preparePage(page.events, parse, compose, at, () => pause(clock, 0, signal));
    const rows = withFirstAttempts(prepared.rows);
    const { ids } = await written(plainJournal.admit(page.topicId, rows, at, memoryOf(options.generation, page)));
    stats.last.admitted = at;
    stats.counts.events += page.events.length;
    stats.counts.malformed += prepared.malformed.length;
    for (const { eventId, error } of prepared.malformed) {
      log.warn(`[agentrux] Event ${eventId} cannot be read and is passed over: ${errorText(error)}`);
    }
    for (const one of prepared.dropped) {
      if (one.kind === "ignored") addOne(stats.counts.ignored, one.reason);
      else if (one.kind === "rejected") addOne(stats.counts.rejected, one.reason);
    }
    for (const [index, parsed] of prepared.taken.entries()) {
      const row = rows[index];
      if (row === undefined) continue;
      const id = ids[index] ?? EVENT_KNOWN;
      if (id === EVENT_KNOWN) stats.counts.duplicates += 1;
      else if (id === REQUEST_KNOWN && parsed.kind === "rejected" && isRefusedSender(parsed)) {
        // Told before, and anybody can send any number of them: counted, not logged.
        addOne(stats.counts.rejected, parsed.reason);
      } else if (id === REQUEST_KNOWN) {
        stats.counts.repeatedRequests += 1;
        log.info(
          `[agentrux] Event ${parsed.command.eventId} repeats request ${parsed.command.requestId}, not run again`,
        );
      } else if (parsed.kind === "rejected") {
        addOne(stats.counts.rejected, parsed.reason);
        stats.replied("rejected", false);
        log.warn(`[agentrux] Event ${parsed.command.eventId} rejected: ${parsed.reason}`);
        outbox.add(id, row.lane);
      } else {
        stats.counts.commands += 1;
        takeIn(id, row, at);
      }
    }
    dispatcher.pump();
  };

  const admitTurns: Delivery["admitTurns"] = async (wanted, write, signal) => {
    await room.wait(signal);
    const at = clock.now();
    const rows = withFirstAttempts(wanted);
    const { ids } = await written(write(rows, at));
    for (const [index, row] of rows.entries()) {
      const id = ids[index] ?? EVENT_KNOWN;
      if (id <= EVENT_KNOWN) stats.counts.duplicates += 1;
      else takeIn(id, row, at);
    }
    dispatcher.pump();
  };

  const recount = async (): Promise<void> => {
    stats.deadLetters = (await journal.numbers()).deadLetters;
  };

  const load = async (): Promise<void> => {
    for (let after = 0; ;) {
      const commands = await journal.openCommands(after, LOAD_ROWS);
      for (const command of commands) {
        openSince.set(command.id, command.receivedAt);
        dispatcher.add(command);
      }
      after = commands.at(-1)?.id ?? after;
      if (commands.length < LOAD_ROWS) return;
    }
  };

  const stop = async (deadlineMs: number): Promise<void> => {
    const begin = clock.monotonic();
    room.close();
    operator.stop();
    await dispatcher.stop(deadlineMs - Math.min(REPLIES_RESERVE_MS, deadlineMs / 3));
    await outbox.stop(Math.max(deadlineMs - (clock.monotonic() - begin), 0));
  };

  return {
    admit,
    admitTurns,
    isBusy: (lane) => dispatcher.isBusy(lane),
    async recall(topicId) {
      const position = await journal.lastPosition(topicId);
      return position === undefined ? undefined : readMemory(position);
    },
    acceptHostReply: (address, text, media) => dispatcher.acceptHostReply(address, text, media),
    async traceOf(address) {
      const named = parseAddress(address);
      const open = named === undefined ? undefined : await journal.findOpen(named.commandId);
      if (open === undefined) return undefined;
      const { traceId, hops } = JSON.parse(open.body) as Command;
      return { id: traceId, hops };
    },
    recount,
    async start() {
      await recount();
      await outbox.start();
      await load();
      operator.start();
      dispatcher.pump();
    },
    async stop(deadlineMs) {
      const settled = new AbortController();
      const cancelAbort = clock.after(deadlineMs, () => stopping.abort());
      await Promise.race([stop(deadlineMs), pause(clock, deadlineMs + STOP_GRACE_MS, settled.signal)]);
      settled.abort();
      cancelAbort();
      stopping.abort();
    },
    pump: () => dispatcher.pump(),
    snapshot() {
      const [oldest] = openSince.values();
      return {
        backlog: dispatcher.open,
        running: dispatcher.running,
        waitingForHost: dispatcher.waitingForHost,
        unsentReplies: outbox.size,
        deadLetters: stats.deadLetters,
        publishFailures: outbox.failures,
        oldestAgeMs: oldest === undefined ? 0 : Math.max(clock.now() - oldest, 0),
        ...(journalFault === undefined ? {} : { journalFault }),
        ...(outbox.fault === undefined ? {} : { publishFault: outbox.fault }),
        hostRefuses: dispatcher.refusals > 0,
        last: { ...stats.last },
        counts: copyCounts(stats.counts),
      };
    },
    operator,
  };
}

/** A command that was taken over with its first attempt counted. */
function begunCommand(id: number, row: AdmissionRow, at: number): OpenCommandWithBody {
  const { commandId, lane, producer, body } = row;
  const counted = { state: "running", attempt: 1, tries: 1, replays: 0, notBefore: 0, receivedAt: at } as const;
  return { id, commandId, lane, producer, body, ...counted };
}
