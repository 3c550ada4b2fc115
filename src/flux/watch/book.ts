/**
 * Owns the account a watch keeps of its entities: for each what the agent knows of (accounted) and what is (live). Pure:
 * times are monotonic milliseconds and come from the caller.
 *
 *   same --> waiting     live differs in a way to tell of: after the debounce, the entity's cooldown and the hour's limit
 *   waiting -> told      one flush writes the turn and what it accounts for; both or neither
 *   waiting -> same      it is as it was again: there was no change
 *   any ----> accounted  a change not to tell of, and our own, are accounted for at once, and written down
 *
 * What waits is never accounted for, so nothing is lost by waiting, nor by a crash: the newest state is compared again.
 * While a snapshot comes in, what is in it is not held against anything before it is whole.
 */

import type { FluxWatch } from "../../config/flux.ts";
import { type EntityState, sizeOf, withPropertiesOf } from "./entity-state.ts";
import { type Accounted, BOOK_LIMITS, type BookLimits, type Change, type Entry, type Flush } from "./flush.ts";
import { Pace } from "./pace.ts";
import { Room } from "./room.ts";
import { knownOfOwn, type Seen, Snapshot } from "./snapshot.ts";
import { judge } from "./verdict.ts";

type Properties = Readonly<Record<string, unknown>>;

/** A flush on its way to the disk; what it accounts for may still be added to. */
interface Flight {
  readonly flush: Flush;
  readonly states: Map<string, Accounted>;
  /** Entities that it tells of. */
  readonly told: ReadonlySet<string>;
  /** Entities whose account differed from what is written down, those among them that it tells of too. */
  readonly unwritten: readonly string[];
}

/** What nothing depends on is written down so much later, many at a time. */
const LAZY_MS = 2_000;
/** How often what is gone is looked through for what need not be remembered. */
const PURGE_EVERY_MS = 60_000;

export class Book {
  readonly #watch: FluxWatch;
  readonly #limits: BookLimits;
  readonly #entries = new Map<string, Entry>();
  /** Entities with a change to tell of, the longest waiting first. */
  readonly #waiting = new Set<string>();
  /** Entities whose account differs from what is written down, and when that is to be mended. */
  readonly #unwritten = new Map<string, number>();
  #snapshot: Snapshot | undefined;
  /** Entities of the snapshot that were not known before. */
  #newcomers = 0;
  #flight: Flight | undefined;
  readonly #pace: Pace;
  readonly #room: Room;
  #there = 0;
  #synced = false;
  #baseline: boolean;
  #leftOut = 0;
  #sweptInVain = false;
  #purgeAt = 0;

  /** @param baseline Nothing is known yet: what is there at first sight is accounted for and told of to nobody. */
  constructor(watch: FluxWatch, baseline: boolean, limits: BookLimits = BOOK_LIMITS) {
    this.#watch = watch;
    this.#baseline = baseline;
    this.#limits = limits;
    this.#pace = new Pace(watch);
    this.#room = new Room(watch, limits);
  }

  /** Entities that are there. */
  get entities(): number {
    return this.#there;
  }

  /** Changes that wait to be told. */
  get held(): number {
    return this.#waiting.size;
  }

  /** How often an entity was left out, because there are too many. */
  get leftOut(): number {
    return this.#leftOut;
  }

  get isBaseline(): boolean {
    return this.#baseline;
  }

  /** Whether everything watched has been seen. */
  get isSynced(): boolean {
    return this.#synced;
  }

  /** When turns were started within the hour. */
  get turns(): readonly number[] {
    return this.#pace.turns;
  }

  /** What was written down by an earlier life. */
  restore(entity: string, { state, toldAt }: Accounted): void {
    if (state === undefined && toldAt === undefined) return this.#forget(entity, 0);
    this.#entries.set(entity, { accounted: state, live: state, at: undefined, toldAt, since: undefined });
    this.#room.replace(undefined, state);
    this.#there += Number(state !== undefined);
  }

  restoreTurns(turns: readonly number[]): void {
    this.#pace.restore(turns);
  }

  /** What is seen from now on may be old: nothing is told until a snapshot is whole. */
  unsync(): void {
    this.#synced = false;
    this.#snapshot = undefined;
  }

  /** An entity of a snapshot. `own`: properties that we have written ourselves. */
  part(entity: string, properties: Properties, at: string, own: readonly string[]): void {
    if (this.#snapshot === undefined) {
      this.#snapshot = new Snapshot();
      this.#newcomers = 0;
      this.#leftOut = 0;
    }
    this.#takeIn(this.#snapshot, entity, { state: this.#room.stateOf(properties), at, own });
  }

  /** Entities that the snapshot ends: they are not in it. */
  missing(): readonly string[] {
    const there = this.#snapshot?.seen;
    return [...this.#entries].flatMap(([entity, { live }]) =>
      live === undefined || there?.has(entity) === true ? [] : [entity],
    );
  }

  /** The snapshot is whole: what is not in it is gone. */
  whole(now: number): void {
    const seen = this.#snapshot?.seen ?? [];
    const missing = this.missing();
    this.#snapshot = undefined;
    this.#synced = true;
    for (const [entity, { state, at, own }] of seen) this.#see(entity, state, at, own, now);
    for (const entity of missing) this.#see(entity, undefined, undefined, [], now);
    // What went before the first part came could not be looked at then.
    for (const [entity, entry] of this.#entries) if (entry.live === undefined) this.#look(entity, entry, now);
  }

  /** Some properties were written, others taken away; `own` of them by us. */
  update(
    entity: string,
    changes: Properties,
    removed: readonly string[],
    at: string | undefined,
    own: readonly string[],
    now: number,
  ): void {
    const snapshot = this.#snapshot;
    if (snapshot === undefined) {
      const state = this.#room.changed(this.#entries.get(entity)?.live, changes, removed);
      this.#see(entity, state, at, own, now);
    } else {
      const state = this.#room.changed(snapshot.get(entity), changes, removed);
      this.#takeIn(snapshot, entity, { state, at, own }, [...Object.keys(changes), ...removed]);
    }
  }

  /** All of an entity, or that it is gone. `own`: its properties, or its removal, are our own doing. */
  replace(
    entity: string,
    properties: Properties | undefined,
    at: string | undefined,
    own: readonly string[] | "removal",
    now: number,
  ): void {
    const state = properties === undefined ? undefined : this.#room.stateOf(properties);
    if (own === "removal") this.#accountRemoval(entity, now);
    const names = own === "removal" ? [] : own;
    const snapshot = this.#snapshot;
    if (snapshot === undefined) this.#see(entity, state, at, names, now);
    else this.#takeIn(snapshot, entity, { state, at, own: names });
  }

  /** When there may be something to flush; undefined when nothing waits. */
  nextAt(): number | undefined {
    if (this.#flight !== undefined) return undefined;
    if (this.#baseline) return this.#isWhole || this.#unwritten.size > 0 ? 0 : undefined;
    let next = Number.POSITIVE_INFINITY;
    for (const at of this.#unwritten.values()) next = Math.min(next, at);
    const allowed = this.#pace.allowedAt();
    if (this.#isWhole) {
      for (const entity of this.#waiting) {
        const entry = this.#entries.get(entity);
        if (entry !== undefined) next = Math.min(next, Math.max(allowed, this.#pace.readyAt(entry)));
      }
    }
    return Number.isFinite(next) ? next : undefined;
  }

  /**
   * What is to be written now. Until it is committed or abandoned there is no other.
   *
   * @param mayTell Whether another turn may begin.
   */
  flush(now: number, mayTell: boolean): Flush | undefined {
    if (this.#flight !== undefined) return undefined;
    const changes: Change[] = [];
    const states = new Map<string, Accounted>();
    let chars = 0;
    const hasRoom = () => states.size < this.#limits.maxFlush && chars < this.#limits.maxFlushChars;
    const write = (entity: string, state: EntityState | undefined, toldAt: number | undefined) => {
      states.set(entity, { state, toldAt });
      chars += sizeOf(state);
    };
    if (mayTell && this.#isWhole && !this.#baseline && this.#pace.allowedAt() <= now) {
      const isDue = (entry: Entry | undefined) => entry !== undefined && this.#pace.readyAt(entry) <= now;
      const inCompany = [...this.#waiting].some((entity) => isDue(this.#entries.get(entity)));
      for (const entity of this.#waiting) {
        const entry = this.#entries.get(entity);
        if (entry === undefined || this.#pace.readyAt(entry, inCompany) > now) continue;
        if (!hasRoom()) break;
        changes.push({ entity, before: entry.accounted, after: entry.live, at: entry.at });
        write(entity, entry.live, now);
      }
    }
    // With a transaction under way anyhow, or one that is due, whatever else is not written goes with it.
    if (changes.length > 0 || this.#baseline || [...this.#unwritten.values()].some((at) => at <= now)) {
      for (const entity of this.#unwritten.keys()) {
        if (!hasRoom()) break;
        const entry = this.#entries.get(entity);
        if (!states.has(entity)) write(entity, entry?.accounted, this.#pace.lasting(entry?.toldAt, now));
      }
    }
    const unwritten = [...states.keys()].filter((entity) => this.#unwritten.delete(entity));
    const endsBaseline = this.#baseline && this.#isWhole && this.#unwritten.size === 0;
    if (states.size === 0 && !endsBaseline) return undefined;
    const flush: Flush = { changes, states, at: now, endsBaseline };
    this.#flight = { flush, states: new Map(states), told: new Set(changes.map(({ entity }) => entity)), unwritten };
    return flush;
  }

  /** The flush is on disk. */
  commit(now: number): void {
    const flight = this.#flight;
    if (flight === undefined) return;
    this.#flight = undefined;
    this.#sweptInVain = false;
    const { flush, states } = flight;
    if (flush.endsBaseline) this.#baseline = false;
    if (flush.changes.length > 0) this.#pace.turn(flush.at);
    for (const { entity } of flush.changes) {
      const entry = this.#entries.get(entity);
      const told = states.get(entity);
      if (entry === undefined || told === undefined) continue;
      this.#waiting.delete(entity);
      entry.since = undefined;
      entry.toldAt = told.toldAt;
      entry.accounted = told.state;
      if (this.#synced) this.#look(entity, entry, now);
    }
    this.#purge(now);
  }

  /** The flush is not on disk. */
  abandon(now: number): void {
    const { told = [], unwritten = [] } = this.#flight ?? {};
    this.#flight = undefined;
    for (const entity of unwritten) this.#unwritten.set(entity, now);
    for (const entity of this.#synced ? told : []) {
      const entry = this.#entries.get(entity);
      if (entry !== undefined) this.#look(entity, entry, now);
    }
  }

  get #isWhole(): boolean {
    return this.#synced && this.#snapshot === undefined;
  }

  /** @param written the properties it is about; all when undefined */
  #takeIn(snapshot: Snapshot, entity: string, seen: Seen, written?: readonly string[]): void {
    if (seen.state === undefined) return snapshot.remove(entity);
    if (!this.#mayTakeIn(entity)) return;
    if (written === undefined) snapshot.put(entity, seen);
    else snapshot.change(entity, seen, written);
  }

  #see(
    entity: string,
    state: EntityState | undefined,
    at: string | undefined,
    own: readonly string[],
    now: number,
  ): void {
    let entry = this.#entries.get(entity);
    if (entry === undefined) {
      if (state === undefined || !this.#mayTakeIn(entity)) return;
      entry = { accounted: undefined, live: undefined, at, toldAt: undefined, since: undefined };
      this.#entries.set(entity, entry);
    }
    const was = entry.live;
    this.#room.replace(was, state);
    this.#there += Number(state !== undefined) - Number(was !== undefined);
    entry.live = state;
    entry.at = at;
    if (state !== undefined && own.length > 0) this.#accountOwn(entity, entry, was, own, now);
    if (this.#synced) this.#look(entity, entry, now);
  }

  /** What we have written ourselves is known to the agent. */
  #accountOwn(entity: string, entry: Entry, was: EntityState | undefined, own: readonly string[], now: number): void {
    const { live } = entry;
    if (live === undefined) return;
    const told = this.#told(entity);
    if (told === undefined) {
      const known = knownOfOwn(entry.accounted, was, live, own);
      if (known !== undefined) this.#account(entity, entry, known, now);
      return;
    }
    // What is on its way to the disk is known once it is there; if it fails, what was known before.
    const known = knownOfOwn(told.state, was, live, own);
    if (known !== undefined) this.#flight?.states.set(entity, { ...told, state: known });
    const before = entry.accounted === undefined ? undefined : withPropertiesOf(entry.accounted, live, own);
    this.#account(entity, entry, before, now);
  }

  #accountRemoval(entity: string, now: number): void {
    const entry = this.#entries.get(entity);
    if (entry === undefined) return;
    const told = this.#told(entity);
    if (told !== undefined) this.#flight?.states.set(entity, { ...told, state: undefined });
    this.#account(entity, entry, undefined, now);
  }

  /** What is on its way to the disk of an entity that is being told of. */
  #told(entity: string): Accounted | undefined {
    return this.#flight?.told.has(entity) === true ? this.#flight.states.get(entity) : undefined;
  }

  #account(entity: string, entry: Entry, state: EntityState | undefined, at: number): void {
    entry.accounted = state;
    this.#unwritten.set(entity, Math.min(at, this.#unwritten.get(entity) ?? at));
  }

  /** Holds what is against what is known. */
  #look(entity: string, entry: Entry, now: number): void {
    // What is on its way to the disk is looked at when it has arrived.
    if (this.#flight?.told.has(entity) === true) return;
    const verdict = judge(this.#watch.condition, entry.accounted, entry.live);
    if (verdict.kind === "tell" && !this.#baseline) {
      if (entry.since !== undefined) return;
      entry.since = now;
      this.#waiting.add(entity);
      return;
    }
    entry.since = undefined;
    this.#waiting.delete(entity);
    if (verdict.kind !== "same") this.#account(entity, entry, entry.live, verdict.decides ? now : now + LAZY_MS);
  }

  /** Whether another entity may be taken in; those that are known always may. */
  #mayTakeIn(entity: string): boolean {
    const snapshot = this.#snapshot?.seen;
    if (this.#entries.has(entity) || snapshot?.has(entity) === true) return true;
    const newcomers = snapshot === undefined ? 0 : this.#newcomers;
    const { maxEntities } = this.#limits;
    if (this.#entries.size + newcomers >= 2 * maxEntities) this.#sweep();
    if (this.#there + newcomers >= maxEntities || this.#entries.size + newcomers >= 2 * maxEntities) {
      this.#leftOut += 1;
      return false;
    }
    if (snapshot !== undefined) this.#newcomers += 1;
    return true;
  }

  /** Forgets when the agent was told of what is gone, for want of room. */
  #sweep(): void {
    if (this.#sweptInVain) return;
    const before = this.#entries.size;
    for (const [entity, entry] of this.#entries) {
      if (entry.live === undefined && entry.accounted === undefined) this.#forget(entity, 0);
    }
    this.#sweptInVain = this.#entries.size === before;
  }

  /** Forgets what is gone and whose cooldown is over. */
  #purge(now: number): void {
    if (now < this.#purgeAt) return;
    this.#purgeAt = now + PURGE_EVERY_MS;
    for (const [entity, { live, accounted, toldAt }] of this.#entries) {
      const isOver = live === undefined && accounted === undefined && !this.#unwritten.has(entity);
      if (isOver && this.#pace.lasting(toldAt, now) === undefined) this.#forget(entity, now + LAZY_MS);
    }
  }

  #forget(entity: string, at: number): void {
    this.#entries.delete(entity);
    this.#waiting.delete(entity);
    this.#unwritten.set(entity, at);
  }
}
