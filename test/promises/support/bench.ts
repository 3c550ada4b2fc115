/** A delivery on a test bench: virtual time, a disk in memory, a host whose turns the test ends by hand. */

import { createDelivery, type Delivery, type DeliveryOptions } from "../../../src/intake/delivery.ts";
import { journalOver } from "../../../src/journal/over.ts";
import type { JournalOperations } from "../../../src/journal/types.ts";
import type { ReplyChannel } from "../../../src/replies/channel.ts";
import type { TurnOwner, TurnRequest, TurnResult, TurnRunner } from "../../../src/replies/turn.ts";
import type { TopicEvent } from "../../../src/service/types.ts";
import { memoryLog } from "../../replies/support.ts";
import { FakeClock } from "./fake-clock.ts";
import { asJournal, callByName, MemoryJournal } from "./memory-journal.ts";

export const TOPIC = "11111111-1111-4111-8111-111111111111";

/** A turn the host is running: the test decides how it ends. */
export interface HeldTurn {
  readonly request: TurnRequest;
  readonly message: string;
  readonly signal: AbortSignal;
  end(result: TurnResult): Promise<void>;
  fail(error: Error): Promise<void>;
}

export interface Reply {
  readonly requestId: string;
  readonly status: string;
  readonly message: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

export const replied = (text: string): TurnResult => ({ kind: "replied", text, media: [] });

export class Bench {
  readonly clock = new FakeClock();
  readonly disk: MemoryJournal;
  readonly log = memoryLog();
  /** Every turn ever begun, in order. */
  readonly turns: HeldTurn[] = [];
  readonly replies: Reply[] = [];
  /** How turns end that the test does not end by hand. */
  auto: ((request: TurnRequest) => TurnResult | "hold") | undefined;
  owner: (request: TurnRequest) => TurnOwner = () => "nobody";
  publishes: (() => Promise<void>) | undefined;
  diskFull = false;
  /** The account has been switched off, and its gateway waits for the turns under way. */
  paused = false;
  /** Makes an operation of the journal fail, for good or for once. */
  fault: (operation: keyof JournalOperations) => Error | undefined = () => undefined;
  delivery: Delivery;
  #serial = 0;
  #life = { alive: true };
  readonly #options: Partial<DeliveryOptions>;

  constructor(options: Partial<DeliveryOptions> = {}, disk = new MemoryJournal()) {
    this.#options = options;
    this.disk = disk;
    this.delivery = this.#create();
  }

  #create(): Delivery {
    const life = { alive: true };
    this.#life = life;
    const isPaused = (): boolean => this.paused;
    const never = (): Promise<never> => new Promise(() => {});
    const runner: TurnRunner = {
      run: (request, signal) => this.#hold(request, signal),
      owner: async (request) => this.owner(request),
    };
    const channel: ReplyChannel = {
      generation: "b",
      recognisesRepeats: true,
      upload: () => Promise.reject(new Error("no reply here is that long")),
      publish: async (event) => {
        await this.publishes?.();
        if (!life.alive) return;
        const { payload } = event;
        this.replies.push({
          requestId: String(payload["request_id"]),
          status: String(payload["status"]),
          message: String(payload["message"]),
          payload,
        });
      },
      find: () => Promise.resolve("absent"),
    };
    return createDelivery({
      journal: journalOver((operation, args) => {
        if (!life.alive) return never();
        const fault = this.fault(operation);
        if (fault !== undefined) return Promise.reject(fault);
        return callByName(
          asJournal(this.disk, () => this.diskFull),
          operation,
          args,
        );
      }),
      runner,
      channel,
      log: this.log,
      maxConcurrency: 3,
      turnTimeoutMs: 10_000,
      maxAttempts: 3,
      retry: { baseMs: 1_000, capMs: 8_000 },
      clock: {
        now: () => this.clock.now(),
        monotonic: () => this.clock.monotonic(),
        after: (delayMs, callback) => this.clock.after(delayMs, () => life.alive && callback()),
      },
      random: () => 0.5,
      get paused() {
        return isPaused();
      },
      ...this.#options,
    });
  }

  /** The journal's operations without a wait. */
  get records(): JournalOperations {
    return this.disk;
  }

  #hold(request: TurnRequest, signal: AbortSignal): Promise<TurnResult> {
    return new Promise((resolve, reject) => {
      this.turns.push({
        request,
        message: request.command.message,
        signal,
        end: async (result) => {
          resolve(result);
          await this.clock.settle();
        },
        fail: async (error) => {
          reject(error);
          await this.clock.settle();
        },
      });
      const result = this.auto?.(request) ?? "hold";
      if (result !== "hold") resolve(result);
    });
  }

  async start(): Promise<this> {
    await this.delivery.start();
    return this;
  }

  /** The process dies and a new one starts over the same disk. Whatever the old one still does has no effect. */
  async crash(): Promise<void> {
    this.#life.alive = false;
    await this.restart();
  }

  /** The account starts again in the same process, where turns of the earlier life may still be running. */
  async restart(): Promise<void> {
    this.delivery = this.#create();
    await this.start();
    await this.clock.settle();
  }

  event(message: string, extra: Partial<TopicEvent> & { readonly payload?: Record<string, unknown> } = {}): TopicEvent {
    this.#serial += 1;
    const { payload, ...rest } = extra;
    return {
      topicId: TOPIC,
      eventId: `evt_${this.#serial}`,
      cursor: String(this.#serial),
      type: "openclaw.request",
      producer: "scr_1",
      payload: { message, conversation_key: "c1", request_id: `r-${message}-${this.#serial}`, ...payload },
      ...rest,
    };
  }

  async admit(...events: readonly TopicEvent[]): Promise<void> {
    let admitted = false;
    const page = { topicId: TOPIC, events, position: "p" };
    const mark = (): void => void (admitted = true);
    const admitting = this.delivery.admit(page, new AbortController().signal);
    void admitting.then(mark, mark);
    await this.clock.until(() => admitted, 0);
    await admitting;
    await this.clock.settle();
  }

  /** Publishes commands of one conversation. */
  async send(conversation: string, ...messages: readonly string[]): Promise<void> {
    await this.admit(
      ...messages.map((message) => this.event(message, { payload: { conversation_key: conversation } })),
    );
  }

  turn(message: string): HeldTurn {
    const found = this.turns.findLast((turn) => turn.message === message);
    if (found === undefined) throw new Error(`No turn was begun for "${message}".`);
    return found;
  }

  get begun(): readonly string[] {
    return this.turns.map((turn) => turn.message);
  }

  get answers(): readonly string[] {
    return this.replies.map((reply) => `${reply.status}: ${reply.message}`);
  }
}
