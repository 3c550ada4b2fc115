/** A topic in memory behind the service's port, time that only moves when told, and an admission that remembers. */

import type { Log } from "../../src/intake/start-position.ts";
import type { AdmittedPage, AdmitPage } from "../../src/intake/types.ts";
import { Waterline } from "../../src/intake/waterline.ts";
import { waterlineFile } from "../../src/intake/waterline-file.ts";
import type { AccountPaths } from "../../src/credentials/home.ts";
import type { EventPage, Generation, PullRequest, ServiceClient, TopicEvent } from "../../src/service/types.ts";

export const TOPIC = "0198c0de-0000-7000-8000-000000000001";

export function eventOf(sequence: number, generation: Generation = "a"): TopicEvent {
  const id = `0198c0de-0000-7000-8000-${String(sequence).padStart(12, "0")}`;
  return {
    topicId: TOPIC,
    eventId: generation === "a" ? id : `evt_${id}`,
    cursor: generation === "a" ? String(sequence) : `cur-${sequence}`,
    ...(generation === "a" && { sequence }),
    type: "openclaw.request",
    payload: { message: `m${sequence}` },
  };
}

type Pull = (request: PullRequest) => Promise<EventPage>;
type StreamRequest = Parameters<ServiceClient["stream"]>[0];

/** A topic that a test fills. Each pull can be scripted to do something else first. */
export class FakeTopic {
  readonly pulls: Omit<PullRequest, "signal">[] = [];
  readonly generation: Generation;
  /** Consumed one per pull; `undefined` is an ordinary answer. */
  readonly script: (Pull | undefined)[] = [];
  /** Most events of one page, whatever is asked for. */
  pageLimit = Infinity;
  stream: StreamRequest | undefined;
  #events: TopicEvent[] = [];

  constructor(generation: Generation = "a", count = 0) {
    this.generation = generation;
    for (let sequence = 1; sequence <= count; sequence++) this.publish(sequence);
  }

  publish(sequence: number): void {
    this.#events.push(eventOf(sequence, this.generation));
  }

  /** Forgets everything before `sequence`, as retention does. */
  retainFrom(sequence: number): void {
    this.#events = this.#events.filter((event) => numberOf(event.cursor) >= sequence);
  }

  readonly client: Pick<ServiceClient, "pull" | "stream"> = {
    pull: async (request) => {
      const { signal, ...rest } = request;
      this.pulls.push(rest);
      signal.throwIfAborted();
      const step = this.script.shift();
      return step === undefined ? this.answer(request) : await step(request);
    },
    stream: (request) =>
      new Promise((resolve) => {
        this.stream = request;
        if (request.signal.aborted) resolve();
        else request.signal.addEventListener("abort", () => resolve(), { once: true });
      }),
  };

  answer(request: Pick<PullRequest, "after" | "limit" | "order">): EventPage {
    const limit = Math.min(request.limit, this.pageLimit);
    const newestFirst = request.order === "desc";
    const from = numberOf(request.after ?? (newestFirst ? "Infinity" : ""));
    const isAsked = ({ cursor }: TopicEvent) => (newestFirst ? numberOf(cursor) < from : numberOf(cursor) > from);
    const asked = this.#events.filter(isAsked);
    const events = (newestFirst ? asked.toReversed() : asked).slice(0, limit);
    const next = newestFirst ? (request.after === undefined ? events[0]?.cursor : undefined) : events.at(-1)?.cursor;
    return { events, malformed: 0, ...(next !== undefined && { next }) };
  }
}

function numberOf(cursor: string): number {
  return Number(cursor.replace("cur-", ""));
}

/** Time that moves only by `advance`. */
export class ManualTime {
  #now = 1_000_000;
  readonly #timers = new Set<{ readonly at: number; readonly fire: () => void }>();

  readonly clock = { now: () => this.#now, monotonic: () => this.#now };

  readonly sleep = (ms: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      const timer = { at: this.#now + ms, fire: () => finish(resolve) };
      const finish = (settle: () => void) => {
        this.#timers.delete(timer);
        signal.removeEventListener("abort", onAbort);
        settle();
      };
      const onAbort = () => finish(() => reject(signal.reason));
      this.#timers.add(timer);
      signal.addEventListener("abort", onAbort, { once: true });
    });

  /** How many waits are under way. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** The waits under way, in milliseconds from now, shortest first. */
  get pending(): number[] {
    return [...this.#timers].map((timer) => timer.at - this.#now).toSorted((a, b) => a - b);
  }

  /** Moves time on, ending every wait that is due. */
  advance(ms: number): void {
    this.#now += ms;
    for (const timer of [...this.#timers].toSorted((a, b) => a.at - b.at)) {
      if (timer.at <= this.#now) timer.fire();
    }
  }
}

/** Takes pages and remembers them in order. */
export class Admission {
  readonly pages: AdmittedPage[] = [];
  /** Replaces the ordinary taking of a page. */
  next: ((page: AdmittedPage, signal: AbortSignal) => Promise<void>) | undefined;

  readonly admit: AdmitPage = async (page, signal) => {
    const step = this.next;
    this.next = undefined;
    await step?.(page, signal);
    this.pages.push(page);
  };

  get sequences(): number[] {
    return this.pages.flatMap((page) => page.events.map((event) => numberOf(event.cursor)));
  }
}

/** Holds up whoever passes until it is opened. */
export class Gate {
  /** Resolves when somebody waits at the gate. */
  readonly entered: Promise<void>;
  open: () => void = () => {};
  #enter: () => void = () => {};
  readonly #opened: Promise<void>;

  constructor() {
    this.entered = new Promise((resolve) => {
      this.#enter = resolve;
    });
    this.#opened = new Promise((resolve) => {
      this.open = resolve;
    });
  }

  readonly pass = async (): Promise<void> => {
    this.#enter();
    await this.#opened;
  };
}

export class RememberingLog implements Log {
  readonly lines: string[] = [];
  info(text: string): void {
    this.lines.push(`info ${text}`);
  }
  warn(text: string): void {
    this.lines.push(`warn ${text}`);
  }
  error(text: string): void {
    this.lines.push(`error ${text}`);
  }
}

export async function openWaterline(
  paths: AccountPaths,
  generation: Generation = "a",
  onProblem: (error: Error) => void = () => {},
): Promise<Waterline> {
  return await Waterline.open({
    store: waterlineFile(paths.waterline, () => new Date(2026, 3, 8, 13, 45, 23)),
    generation,
    onProblem,
  });
}
