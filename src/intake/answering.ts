/**
 * Owns how a command is answered: its files are collected, its reply is composed and written down. The first reply wins;
 * what a later one brought with it is thrown away, and so is what tools attached to a turn whose answer is not its own.
 */

import { errorText } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import type { Journal, OpenCommand } from "../journal/types.ts";
import type { Composer, Ending } from "../replies/compose.ts";
import { type Collected, NOT_SENT, type ReplyFiles } from "../replies/files.ts";
import { type Clock, type Log, withLimit } from "../replies/ports.ts";
import type { Command } from "../replies/turn.ts";
import type { DeliveryStats } from "./stats.ts";

export interface AnsweringOptions {
  readonly journal: Journal;
  readonly compose: Composer;
  /** Absent where turns have no files. */
  readonly files?: ReplyFiles;
  readonly clock: Clock;
  readonly log: Log;
  readonly stats: DeliveryStats;
  /** A reply was written down. */
  readonly onReplied: (command: number, lane: string) => void;
}

/** Writes the reply down. False when the command had been answered before. */
export type Answer = (
  open: OpenCommand,
  command: Command,
  ending: Ending,
  media: readonly string[],
  death?: string,
) => Promise<boolean>;

const COLLECT_LIMIT_MS = 120_000;

/** @param stopping Aborts when files are not waited for any longer. */
export function createAnswering(options: AnsweringOptions, stopping: AbortSignal): Answer {
  const { journal, files: rooms, clock, log, stats } = options;

  const collect = async (command: Command, media: readonly string[]): Promise<Collected> => {
    try {
      if (rooms === undefined) return missing(media.length);
      return await withLimit(clock, COLLECT_LIMIT_MS, stopping, () => rooms.collect(command, media));
    } catch (error) {
      log.error(`[agentrux] ${media.length} attachments of ${command.eventId} are missing: ${errorText(error)}`);
      return missing(media.length);
    }
  };

  return async (open, command, ending, media, death) => {
    const { listed, files } = ending.status === "completed" ? await collect(command, media) : NO_FILES;
    const replies = options.compose(command, { ...ending, attachments: listed, files }, open.replays);
    failpoint("turn.answering");
    const first = await journal.reply(open.id, replies, clock.now(), death);
    failpoint("turn.answered");
    if (!first || replies.length === 0) await rooms?.discard(files);
    await rooms?.forget(command.commandId);
    if (!first) return false;
    stats.replied(ending.status, death !== undefined);
    if (replies.length > 0) options.onReplied(open.id, open.lane);
    return true;
  };
}

const NO_FILES: Collected = { listed: [], files: [] };

/** Said in place of files that nobody could even look at. */
function missing(count: number): Collected {
  const one = { name: "attachment", content_type: "application/octet-stream" };
  const listed = Array.from({ length: count }, () => ({ ...one, error: { code: "unexpected", message: NOT_SENT } }));
  return { listed, files: [] };
}
