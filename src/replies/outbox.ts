/**
 * Owns when which reply goes out. What happens to a single part is told in sender.ts.
 *
 * The parts of one reply go out in order, and the replies of one conversation in the order they were written down; a
 * few conversations are served at once. A reply that keeps failing must not hold up its conversation for ever, and an
 * outage must not cost it its place: after some attempts the next reply of the line is tried right behind it, and only
 * if that one gets through does the first step out of the line.
 */

import { errorText } from "../errors.ts";
import type { Journal } from "../journal/types.ts";
import { slowJitter } from "../service/backoff.ts";
import type { ReplyChannel } from "./channel.ts";
import { Fifo } from "./fifo.ts";
import { createTroubleLog } from "../trouble-log.ts";
import type { Clock, Log, Random } from "./ports.ts";
import { createPublishing } from "./publishing.ts";
import { createSender, SLOW_MS, type Step } from "./sender.ts";

export interface OutboxOptions {
  /** A steady journal: what is asked of it here is already owed. */
  readonly journal: Journal;
  readonly channel: ReplyChannel;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Told when a command's reply is published as a whole, or given up. */
  readonly onDone: (command: number, end: "published" | "expired") => void;
  /** Conversations served at once. */
  readonly parallel?: number;
  readonly maxAgeMs?: () => number;
}

export interface Outbox {
  /** Commands whose reply is not published yet. */
  readonly size: number;
  /** Why nothing has been published for a while; undefined when that is not so. */
  readonly fault: string | undefined;
  /** Sends that failed and were put off, since the start. */
  readonly failures: number;
  /** Takes up what the journal holds, and begins to send. */
  start(): Promise<void>;
  /** A reply for this command has been journaled. */
  add(command: number, lane: string): void;
  /** Sends no more; waits for what is under way, and breaks it off after `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
}

interface Line {
  readonly lane: string;
  /** The one being served first. */
  readonly commands: Fifo<number>;
}

const DAY_MS = 86_400_000;
const PARALLEL = 4;
/** After so many failed attempts it is asked whether the reply is stuck by itself. */
const ATTEMPTS_IN_LINE = 6;
/** Replies journaled by an earlier life of this account, after it was stopped, are found by looking again. */
const RESCAN_MS = 30_000;
const LOAD_ROWS = 500;

export function createOutbox(options: OutboxOptions): Outbox {
  const { journal, clock, random, log } = options;
  const parallel = options.parallel ?? PARALLEL;
  const troubles = createTroubleLog({ log, clock });
  const publishing = createPublishing(clock, troubles);
  const send = createSender({ ...options, publishing, maxAgeMs: options.maxAgeMs ?? (() => DAY_MS) });

  const known = new Set<number>();
  const lines = new Map<string, Line>();
  const due = new Fifo<Line>();
  const timers = new Set<() => void>();
  const active = new Set<Promise<void>>();
  const stopping = new AbortController();
  let stopped = false;
  /** Monotonic time before which nothing is sent: the server asked for patience. */
  let quietUntil = 0;
  let quietTimer = false;

  const later = (delayMs: number, action: () => void): void => {
    if (stopped) return;
    const cancel = clock.after(delayMs, () => {
      timers.delete(cancel);
      action();
    });
    timers.add(cancel);
  };

  const makeDue = (line: Line, delayMs: number): void => {
    const ready = (): void => {
      due.push(line);
      pump();
    };
    if (delayMs > 0) later(delayMs, ready);
    else ready();
  };

  const add = (command: number, lane: string, delayMs = 0): void => {
    if (known.has(command)) return;
    known.add(command);
    const line = lines.get(lane);
    if (line !== undefined) {
      line.commands.push(command);
      return;
    }
    const opened: Line = { lane, commands: new Fifo() };
    opened.commands.push(command);
    lines.set(lane, opened);
    makeDue(opened, delayMs);
  };

  const pump = (): void => {
    while (!quiet() && active.size < parallel) {
      const line = stopped ? undefined : due.shift();
      if (line === undefined) return;
      const work = serve(line).finally(() => {
        active.delete(work);
        pump();
      });
      active.add(work);
    }
  };

  const quiet = (): boolean => {
    const remainingMs = quietUntil - clock.monotonic();
    if (remainingMs <= 0) return false;
    if (!quietTimer) {
      quietTimer = true;
      later(remainingMs, () => {
        quietTimer = false;
        pump();
      });
    }
    return true;
  };

  /** Sends what the line's first command still has to send, until it is done or has to wait. */
  const serve = async (line: Line): Promise<void> => {
    const command = line.commands.peek();
    if (command === undefined) return;
    try {
      for (;;) {
        if (stopped) return;
        const reply = await journal.nextReply(command);
        const step: Step =
          reply === undefined ? { kind: "done", end: "published" } : await send(reply, stopping.signal);
        if (step.kind === "next") continue;
        if (step.kind === "wait") await wait(line, command, step);
        else {
          leave(line, command);
          if (reply !== undefined) options.onDone(command, step.end);
        }
        return;
      }
    } catch (error) {
      if (stopped) return;
      const reason = errorText(error);
      publishing.failed(`[agentrux] A reply could not be handled, trying again later: ${reason}`, reason);
      makeDue(line, slowJitter(SLOW_MS, random));
    }
  };

  const wait = async (line: Line, command: number, step: Extract<Step, { kind: "wait" }>): Promise<void> => {
    if (step.quietMs > 0) quietUntil = Math.max(quietUntil, clock.monotonic() + step.quietMs);
    const stuck = step.attempts > ATTEMPTS_IN_LINE && step.quietMs === 0 && (await nextGetsThrough(line));
    if (!stuck) {
      makeDue(line, step.delayMs);
      return;
    }
    leave(line, command);
    add(command, `${line.lane}/${command}`, step.delayMs);
  };

  /** Tries the reply behind the first one. */
  const nextGetsThrough = async (line: Line): Promise<boolean> => {
    const command = line.commands.peekSecond();
    if (command === undefined || stopped) return false;
    const reply = await journal.nextReply(command);
    if (reply === undefined) return false;
    const step = await send(reply, stopping.signal);
    if (step.kind === "done") {
      known.delete(command);
      line.commands.removeFirst((queued) => queued === command);
      options.onDone(command, step.end);
    }
    return step.kind !== "wait";
  };

  const leave = (line: Line, command: number): void => {
    known.delete(command);
    if (known.size === 0) publishing.succeeded();
    line.commands.shift();
    if (line.commands.size === 0) lines.delete(line.lane);
    else makeDue(line, 0);
  };

  /** A pause that was written down is not longer than the longest one we would make now, whatever the clock did. */
  const remaining = (notBefore: number): number => Math.min(Math.max(notBefore - clock.now(), 0), SLOW_MS);

  const load = async (): Promise<void> => {
    for (let after = 0; ;) {
      const rows = await journal.unsentCommands(after, LOAD_ROWS);
      for (const row of rows) add(row.command, row.lane, remaining(row.notBefore));
      after = rows.at(-1)?.command ?? after;
      if (rows.length < LOAD_ROWS) return;
    }
  };

  const rescan = (): void => {
    later(RESCAN_MS, () => {
      void load()
        .then(
          () => troubles.over("rescan", "[agentrux] Unsent replies can be listed again"),
          (error: unknown) =>
            troubles.again("rescan", `[agentrux] Unsent replies could not be listed: ${errorText(error)}`),
        )
        .finally(rescan);
    });
  };

  return {
    get size() {
      return known.size;
    },
    get failures() {
      return publishing.failures;
    },
    get fault() {
      return publishing.fault;
    },
    async start() {
      await load();
      rescan();
    },
    add: (command, lane) => add(command, lane),
    async stop(deadlineMs) {
      stopped = true;
      for (const cancel of timers) cancel();
      timers.clear();
      const cancelAbort = clock.after(deadlineMs, () => stopping.abort());
      await Promise.all(active);
      cancelAbort();
    },
  };
}
