/**
 * Owns reading a topic as it grows, for whoever wants to see events and keeps no read position: hints say when to look,
 * pull is the truth, and a poll covers hints that never came.
 */

import { isAgentruxError } from "../errors.ts";
import { retryDelayMs } from "./backoff.ts";
import { type Random, type Sleep, systemSleep } from "./clock.ts";
import type { Cursor, EventPage, ServiceClient } from "./types.ts";

export interface FollowOptions {
  readonly topicId: string;
  /** Exclusive; the empty string means from the oldest event. */
  readonly after: Cursor;
  /** Ends the reading, quietly. */
  readonly signal: AbortSignal;
  /** Told of every trouble that passes; reading goes on. */
  readonly onTrouble?: (reason: unknown) => void;
  readonly sleep?: Sleep;
  readonly random?: Random;
}

const PAGE_LIMIT = 100;
const POLL_MS = 5_000;
const BACKOFF = { baseMs: 500, capMs: 30_000 } as const;

/** The position of the newest event: what comes after it is new. The empty string on an empty topic. */
export async function newestPosition(client: ServiceClient, topicId: string, signal: AbortSignal): Promise<Cursor> {
  const page = await client.pull({ topicId, limit: 1, order: "desc", signal });
  return page.next ?? "";
}

/**
 * The pages after a position, for ever, until `signal` aborts. Pages without anything in them are left out.
 *
 * @throws AgentruxError where trying again does not help: no access, no such topic, a position too old.
 * @example
 * for await (const page of followTopic(client, { topicId, after, signal })) show(page.events);
 */
export async function* followTopic(
  client: ServiceClient,
  options: FollowOptions,
): AsyncGenerator<EventPage, void, undefined> {
  const { topicId, signal, onTrouble, sleep = systemSleep, random = Math.random } = options;
  const ended = new AbortController();
  const until = AbortSignal.any([signal, ended.signal]);
  const bell = new Bell(sleep);
  let position = options.after;
  const hints = client.stream({
    topicId,
    after: () => position,
    signal: until,
    onOpen: () => bell.ring(),
    onHint: () => bell.ring(),
    onDown: (reason) => onTrouble?.(reason),
  });
  try {
    for (let failures = 0; !until.aborted;) {
      try {
        const page = await client.pull({ topicId, after: position, limit: PAGE_LIMIT, signal: until });
        failures = 0;
        position = page.next ?? page.events.at(-1)?.cursor ?? position;
        if (page.events.length > 0 || page.malformed > 0) yield page;
        else await bell.wait(POLL_MS, until);
      } catch (error) {
        if (until.aborted) return;
        if (!isAgentruxError(error) || !error.retryable) throw error;
        onTrouble?.(error);
        await sleep(retryDelayMs(error, failures, BACKOFF, random), until).catch(() => {});
        failures += 1;
      }
    }
  } finally {
    ended.abort();
    await hints;
  }
}

/** What rings while nobody waits is kept: an event that arrives between a pull and the wait is not overlooked. */
class Bell {
  readonly #sleep: Sleep;
  #rung = false;
  #wake = (): void => {};

  constructor(sleep: Sleep) {
    this.#sleep = sleep;
  }

  ring(): void {
    this.#rung = true;
    this.#wake();
  }

  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#rung) {
      const awake = new AbortController();
      this.#wake = () => awake.abort();
      await this.#sleep(ms, AbortSignal.any([signal, awake.signal])).catch(() => {});
      this.#wake = () => {};
    }
    this.#rung = false;
  }
}
