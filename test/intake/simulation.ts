/**
 * A simulated life of an intake: topic, disk, journal and time in one process, with one random source that decides what
 * happens next. Everything asynchronous waits for its turn, so that any interleaving can come up; a crash is the end of
 * a life with all that was under way in it.
 */

import { AgentruxError } from "../../src/errors.ts";
import { type Intake, startIntake } from "../../src/intake/intake.ts";
import { NO_POSITIONS, parsePositions } from "../../src/intake/positions.ts";
import type { AdmittedPage } from "../../src/intake/types.ts";
import { Waterline } from "../../src/intake/waterline.ts";
import type { EventPage, Generation, PullRequest, ServiceClient, TopicEvent } from "../../src/service/types.ts";
import { eventOf, TOPIC } from "./support.ts";

export interface SimulationPlan {
  readonly seed: number;
  readonly generation: Generation;
  readonly start: "saved" | "earliest" | "latest";
  /** How many steps each life lasts before it crashes. */
  readonly lives: readonly number[];
}

type StreamRequest = Parameters<ServiceClient["stream"]>[0];

/** How many of a hundred pulls, admissions and writes fail, for each way of failing. */
const FAULT_PERCENT = 6;
const CALM_STEPS_MAX = 5_000;

export class Simulation {
  readonly #plan: SimulationPlan;
  readonly #random: () => number;
  // The world that outlives a crash.
  #sequence = 0;
  #published = new Map<number, TopicEvent | "malformed">();
  #oldest = 1;
  #stored: string | undefined;
  #base: number;
  readonly #admitted = new Set<number>();
  readonly #expired = new Set<number>();
  // The life under way.
  #turns: { readonly slow: boolean; readonly go: () => void }[] = [];
  #stream: StreamRequest | undefined;
  #faults = true;
  #admitting = 0;
  #life = 0;

  constructor(plan: SimulationPlan) {
    this.#plan = plan;
    this.#random = randomOf(plan.seed);
    this.#base = plan.start === "latest" ? Infinity : 0;
    if (plan.start === "saved") this.#stored = this.#textOf(0);
    this.#publish(this.#upTo(30));
  }

  /** Lives and dies by the plan, then lives once in calm; throws at the first broken promise. */
  async run(): Promise<void> {
    for (const steps of this.#plan.lives) {
      await this.#live();
      for (let step = 0; step < steps; step++) await this.#step();
    }
    this.#faults = false;
    this.#publish(3);
    const intake = await this.#live();
    this.#publish(2);
    for (let step = 0; step < CALM_STEPS_MAX && !this.#isAllAdmitted(); step++) await this.#turn();
    this.#check(this.#isAllAdmitted(), `lost: ${this.#missing(Infinity).join()}`);
    await this.#settle(intake.stop());
    this.#check(this.#position() >= Math.max(0, ...this.#admitted), "the last position was not stored");
  }

  // What the intake sees.

  async #live(): Promise<Intake> {
    this.#turns = [];
    this.#stream = undefined;
    this.#admitting = 0;
    const life = ++this.#life;
    // Whatever a dead life still wants to do stays undone.
    const alive = async <T>(act: () => Promise<T>): Promise<T> =>
      life === this.#life ? await act() : await new Promise<T>(() => {});
    const { generation, start } = this.#plan;
    const waterline = await Waterline.open({
      generation,
      onProblem: () => {},
      store: { load: async () => this.#load(), save: (text) => alive(() => this.#save(text)) },
    });
    return startIntake({
      topicId: TOPIC,
      client: {
        pull: (request) => alive(() => this.#pull(request)),
        stream: (request) => alive(() => this.#openStream(request)),
      },
      waterline,
      admit: (page) => alive(() => this.#admit(page)),
      startFrom: start === "latest" ? "latest" : "earliest",
      excludeSelf: true,
      pollIntervalMs: 60_000,
      onTrouble: () => {},
      onHealthy: () => {},
      log: { info: () => {}, warn: () => {}, error: () => {} },
      clock: { now: () => 0, monotonic: () => 0 },
      sleep: (_ms, signal) => alive(() => this.#wait(true, signal)),
      random: this.#random,
    });
  }

  #load(): Awaited<ReturnType<Parameters<typeof Waterline.open>[0]["store"]["load"]>> {
    const parsed = this.#stored === undefined ? undefined : parsePositions(this.#stored);
    if (parsed?.ok === false) throw new Error(`what was stored is unreadable: ${parsed.reason}`);
    return { positions: parsed?.positions ?? NO_POSITIONS, findings: [] };
  }

  async #save(text: string): Promise<void> {
    await this.#wait(false);
    if (this.#fault()) throw new AgentruxError("disk", "full", { retryable: true });
    this.#stored = text;
    if (this.#base === Infinity) this.#base = this.#position();
    const missing = this.#missing(this.#position());
    this.#check(missing.length === 0, `stored ${this.#position()} ahead of ${missing.join()}`);
    await this.#wait(false);
  }

  async #admit({ events, position }: AdmittedPage): Promise<void> {
    this.#check(++this.#admitting === 1, "two pages were handed over at once");
    await this.#wait(false);
    if (this.#fault()) {
      this.#admitting--;
      throw new AgentruxError("disk", "journal full", { retryable: true });
    }
    const before = Math.max(0, ...this.#admitted);
    for (const event of events) {
      const number = numberOf(event.cursor);
      const isNew = !this.#admitted.has(number) && number > this.#base;
      this.#check(!isNew || number > before, `out of order: ${number} after ${before}`);
      this.#check(number <= numberOf(position), "a page's position lies before its events");
      this.#admitted.add(number);
    }
    await this.#wait(false);
    this.#admitting--;
  }

  async #pull(request: PullRequest): Promise<EventPage> {
    await this.#wait(false, request.signal);
    if (this.#fault()) {
      const retryable = this.#upTo(3) > 1;
      throw new AgentruxError(retryable ? "network" : "forbidden", "no", { retryable });
    }
    if (this.#fault()) return await new Promise((_resolve, reject) => onAbort(request.signal, reject));
    const after = numberOf(request.after ?? "");
    const isExpired = after > 0 && after + 1 < this.#oldest;
    if (this.#plan.generation === "b" && request.order !== "desc" && (isExpired || (after > 0 && this.#fault()))) {
      throw new AgentruxError("cursor_expired", "too old", { kind: "refused", status: 404 });
    }
    const page = this.#pageFor(request, after);
    await this.#wait(false, request.signal);
    return page;
  }

  #pageFor(request: PullRequest, after: number): EventPage {
    const limit = Math.min(request.limit, this.#faults ? 1 + this.#upTo(7) : request.limit);
    const retained = [...this.#published.keys()].filter((number) => number >= this.#oldest);
    if (request.order === "desc") return this.#toPage(retained.toReversed().slice(0, limit), true);
    const beyond = retained.filter((number) => number > after).slice(0, limit);
    const repeated = retained.filter((number) => number <= after && number > this.#base).slice(-2);
    // Generation B promises no order over its cursors: a server may repeat what was read.
    const repeats = this.#plan.generation === "b" && beyond.length > 0 && this.#fault();
    return this.#toPage(repeats ? [...repeated, ...beyond] : beyond, false);
  }

  #toPage(numbers: readonly number[], newestFirst: boolean): EventPage {
    const items = numbers.map((number) => this.#published.get(number));
    const events = items.filter((item) => item !== undefined && item !== "malformed");
    const last = newestFirst ? numbers[0] : numbers.at(-1);
    const next = last === undefined ? undefined : this.#cursor(last);
    return { events, malformed: items.length - events.length, ...(next !== undefined && { next }) };
  }

  #openStream(request: StreamRequest): Promise<void> {
    this.#stream = request;
    return new Promise((resolve) => onAbort(request.signal, () => resolve()));
  }

  // What goes on around it.

  async #step(): Promise<void> {
    const dice = this.#upTo(100);
    if (dice < 8) this.#publish(1 + this.#upTo(4));
    else if (dice < 10) this.#forget();
    else if (dice < 20) this.#hint();
    else await this.#turn();
  }

  #publish(count: number): void {
    for (let published = 0; published < count; published++) {
      this.#sequence += 1 + (this.#upTo(10) === 0 ? this.#upTo(3) : 0);
      const malformed = this.#faults && this.#upTo(20) === 0;
      this.#published.set(this.#sequence, malformed ? "malformed" : eventOf(this.#sequence, this.#plan.generation));
    }
  }

  #forget(): void {
    this.#oldest = Math.min(this.#sequence, this.#oldest + this.#upTo(6));
    for (const number of this.#published.keys()) {
      if (number < this.#oldest && !this.#admitted.has(number)) this.#expired.add(number);
    }
  }

  #hint(): void {
    const dice = this.#upTo(4);
    if (dice === 0) this.#stream?.onOpen();
    else if (dice === 1) this.#stream?.onDown(new Error("gone"), 1_000);
    else if (dice === 2) this.#stream?.onHint();
    else this.#stream?.onHint(this.#cursor(this.#sequence));
  }

  /** Gives one of those who wait their turn; whoever only waits for time to pass has it less often. */
  async #turn(): Promise<void> {
    await flushMicrotasks();
    const quick = this.#turns.filter((turn) => !turn.slow);
    const among = quick.length > 0 && this.#upTo(100) >= 5 ? quick : this.#turns;
    const turn = among[this.#upTo(among.length)];
    if (turn !== undefined) {
      this.#turns.splice(this.#turns.indexOf(turn), 1);
      turn.go();
    }
    await flushMicrotasks();
  }

  async #settle(work: Promise<void>): Promise<void> {
    const state = { done: false };
    const watched = work.finally(() => {
      state.done = true;
    });
    for (let step = 0; step < CALM_STEPS_MAX && !state.done; step++) {
      await flushMicrotasks();
      const quick = this.#turns.findIndex((turn) => !turn.slow);
      if (quick >= 0) this.#turns.splice(quick, 1)[0]?.go();
      await flushMicrotasks();
    }
    this.#check(state.done, "stopping did not end");
    await watched;
  }

  #wait(slow: boolean, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const turn = { slow, go: resolve };
      this.#turns.push(turn);
      if (signal === undefined) return;
      onAbort(signal, (reason) => {
        const index = this.#turns.indexOf(turn);
        if (index >= 0) this.#turns.splice(index, 1);
        reject(reason);
      });
    });
  }

  // What must hold.

  #missing(upTo: number): number[] {
    return [...this.#published]
      .filter(([number, event]) => event !== "malformed" && number > this.#base && number <= upTo)
      .map(([number]) => number)
      .filter((number) => !this.#admitted.has(number) && !this.#expired.has(number));
  }

  #isAllAdmitted(): boolean {
    return this.#base !== Infinity && this.#missing(Infinity).length === 0;
  }

  #position(): number {
    const { positions } = this.#load();
    return numberOf(positions.topics.get(TOPIC)?.[this.#plan.generation] ?? "");
  }

  #check(holds: boolean, what: string): void {
    if (!holds) this.#broken ??= what;
    if (this.#broken !== undefined) throw new Error(this.#broken);
  }
  #broken: string | undefined;

  #fault(): boolean {
    return this.#faults && this.#upTo(100) < FAULT_PERCENT;
  }

  #upTo(bound: number): number {
    return Math.floor(this.#random() * bound);
  }

  #cursor(number: number): string {
    return eventOf(number, this.#plan.generation).cursor;
  }

  #textOf(number: number): string {
    return this.#plan.generation === "a"
      ? JSON.stringify({ [TOPIC]: number })
      : JSON.stringify({ v: 3, w: { [TOPIC]: { event_id: "" } } });
  }
}

function numberOf(cursor: string): number {
  return Number(cursor.replace("cur-", ""));
}

function onAbort(signal: AbortSignal, act: (reason: unknown) => void): void {
  if (signal.aborted) act(signal.reason);
  else signal.addEventListener("abort", () => act(signal.reason), { once: true });
}

/** Longer than any chain of promises between two turns. */
async function flushMicrotasks(): Promise<void> {
  for (let tick = 0; tick < 40; tick++) await Promise.resolve();
}

/** A small seeded generator (mulberry32): the same seed gives the same life. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
