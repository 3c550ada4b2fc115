/**
 * Owns all watches of an account: those of the configuration and those its agent has added, over one connection.
 *
 * Own writes are recognised here, once for all watches: a value we wrote is known to each of them that covers the entity.
 */

import type { FluxEntity } from "agentrux-wire";
import type { FluxWatch } from "../../config/flux.ts";
import { AgentruxError, errorText } from "../../errors.ts";
import type { WatchRecord } from "../../journal/types.ts";
import type { Random } from "../../replies/ports.ts";
import { createTroubleLog } from "../../trouble-log.ts";
import type { FluxClient } from "../client.ts";
import type { OwnWrites } from "../own-writes.ts";
import { Feed, FEED_TIMES, type FeedTimes } from "./feed.ts";
import { type FeedSink, type Subscription, targetCovers } from "./sink.ts";
import type { WatchInfo, WatchOrigin, WatchRegistry } from "./types.ts";
import { Watcher, type WatcherPorts } from "./watcher.ts";

export interface WatchSetOptions extends Omit<WatcherPorts, "view" | "onTold"> {
  /** Those of the configuration. */
  readonly watches: readonly FluxWatch[];
  readonly client: FluxClient;
  readonly own: OwnWrites;
  readonly random: Random;
  readonly times?: Partial<FeedTimes>;
}

export interface WatchNumbers {
  readonly watches: number;
  readonly connected: boolean;
  /** Watches whose first sight of the world is not written down. */
  readonly starting: number;
  readonly entities: number;
  readonly held: number;
  /** Since the start. */
  readonly turns: number;
  readonly changes: number;
  readonly lastToldAt?: number;
  /** What is wrong, with the connection or a watch. */
  readonly problem?: string;
}

export interface WatchSet extends WatchRegistry {
  numbers(): WatchNumbers;
  /** Ends the connection and starts no more turns. Resolves when nothing of it is under way. */
  stop(): Promise<void>;
}

/** Watches an agent may add. */
const MOST_ADDED = 20;
/** Characters of their names in a line of the log. */
const MOST_NAMED = 200;
/** As much as REST takes; the hub's snapshots come in parts of 200 entities. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

interface Added {
  readonly definition: FluxWatch;
  readonly origin: Exclude<WatchOrigin, "config">;
}

/**
 * Loads every watch and begins. @throws AgentruxError of the journal
 *
 * @example
 * const watches = await startWatches({ watches: config.flux.watches, client, own, journal, ...ports });
 */
export async function startWatches(options: WatchSetOptions): Promise<WatchSet> {
  const set = new Watches(options);
  await set.load();
  return set;
}

class Watches implements WatchSet, FeedSink {
  readonly #options: WatchSetOptions;
  readonly #ports: WatcherPorts;
  readonly #feed: Feed;
  readonly #stop = new AbortController();
  readonly #watchers = new Map<string, Watcher>();
  /** What each watcher's life is ended by, and its end. */
  readonly #lives = new Map<string, { readonly end: AbortController; readonly over: Promise<void> }>();
  #subscriptions: readonly Subscription[] = [];
  #changing: Promise<unknown> = Promise.resolve();
  #running: Promise<void> = Promise.resolve();
  #trouble: string | undefined;
  #told = { turns: 0, changes: 0 };

  constructor(options: WatchSetOptions) {
    const { client, clock, random, log, times } = options;
    const { url, token } = client.server;
    this.#options = options;
    this.#ports = {
      ...options,
      view: [url, token === undefined ? "open" : "token"],
      onTold: (changes) => {
        this.#told = { turns: this.#told.turns + 1, changes: this.#told.changes + changes };
      },
    };
    const troubles = createTroubleLog({ log, clock });
    this.#feed = new Feed({
      client,
      sink: this,
      clock,
      random,
      times: { ...FEED_TIMES, ...times },
      maxMessageBytes: MAX_MESSAGE_BYTES,
      onLive: (server) => {
        this.#trouble = undefined;
        troubles.over("flux", `[agentrux] Watching ${url} goes on`);
        const ids = [...this.#watchers.keys()].join(", ").slice(0, MOST_NAMED);
        log.info(`[agentrux] Watching the world at ${url} (${server}): ${ids}`);
      },
      onTrouble: (reason) => {
        this.#trouble = reason;
        troubles.again("flux", `[agentrux] Watching ${url} is interrupted: ${reason}`);
      },
    });
  }

  async load(): Promise<void> {
    const { journal, watches, clock } = this.#options;
    const stored = await journal.watches();
    const configured = new Set(watches.map(({ id }) => id));
    for (const { name, definition } of stored) {
      if (definition === undefined && !configured.has(name)) await journal.forgetWatch(name);
    }
    for (const { id } of watches) await journal.keepWatch(id, clock.now());
    const records = new Map((await journal.watches()).map((record) => [record.name, record]));
    for (const definition of watches) await this.#take(definition, "config", records.get(definition.id));
    for (const record of records.values()) {
      const added = addedIn(record);
      if (added !== undefined) await this.#take(added.definition, added.origin, record);
    }
    this.#running = this.#feed.run(this.#stop.signal);
  }

  list(): readonly WatchInfo[] {
    return [...this.#watchers.values()].map(({ info }) => info);
  }

  add(definition: FluxWatch, origin: Exclude<WatchOrigin, "config">): Promise<WatchInfo> {
    return this.#inTurn(async () => {
      const { journal, clock } = this.#options;
      const { id } = definition;
      if (this.#watchers.has(id)) throw new AgentruxError("conflict", `There is a watch with the id ${id} already`);
      const added = this.list().filter((info) => info.origin !== "config").length;
      if (added >= MOST_ADDED) {
        throw new AgentruxError("invalid", `There are ${added} watches added at run time; remove one first`);
      }
      await journal.keepWatch(id, clock.now(), JSON.stringify({ definition, origin } satisfies Added));
      const record = (await journal.watches()).find(({ name }) => name === id);
      const watcher = await this.#take(definition, origin, record);
      this.#feed.add(watcher.subscription);
      return watcher.info;
    });
  }

  remove(id: string): Promise<boolean> {
    return this.#inTurn(async () => {
      const watcher = this.#watchers.get(id);
      if (watcher === undefined) return false;
      if (watcher.origin === "config") {
        throw new AgentruxError("not_allowed", `The watch ${id} is the operator's: it stands in the configuration`);
      }
      await this.#options.journal.forgetWatch(id);
      this.#watchers.delete(id);
      this.#recount();
      const { subscription } = watcher;
      if (!this.#subscriptions.some(({ label }) => label === subscription.label)) this.#feed.remove(subscription);
      const life = this.#lives.get(id);
      this.#lives.delete(id);
      life?.end.abort();
      await life?.over;
      return true;
    });
  }

  numbers(): WatchNumbers {
    const infos = this.list();
    const sum = (pick: (info: WatchInfo) => number) => infos.reduce((total, info) => total + pick(info), 0);
    const told = infos.flatMap(({ lastToldAt }) => lastToldAt ?? []);
    const problem = this.#feed.isLive ? undefined : this.#trouble;
    const faulty = infos.find((info) => info.problem !== undefined);
    const text = problem ?? (faulty === undefined ? undefined : `${faulty.definition.id}: ${faulty.problem}`);
    return {
      watches: infos.length,
      connected: this.#feed.isLive,
      starting: infos.filter(({ state }) => state === "starting").length,
      entities: sum(({ entities }) => entities),
      held: sum(({ held }) => held),
      ...this.#told,
      ...(told.length === 0 ? {} : { lastToldAt: Math.max(...told) }),
      ...(text === undefined ? {} : { problem: text }),
    };
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all([this.#running, ...[...this.#lives.values()].map(({ over }) => over)]);
  }

  subscriptions(): readonly Subscription[] {
    return this.#subscriptions;
  }

  unsync(label: string): void {
    for (const { book } of this.#of(label)) book.unsync();
  }

  part(label: string, entities: readonly FluxEntity[]): void {
    const theirs = new Set(this.#of(label));
    const now = this.#now();
    for (const { id, properties, lastUpdated } of entities) {
      const own = this.#ownIn(id, properties);
      for (const { book } of theirs) book.part(id, properties, lastUpdated, own);
      if (own.length === 0) continue;
      // The others learn now what is ours; theirs may come in another snapshot, when it is not recognised any more.
      const ours = Object.fromEntries(own.map((name) => [name, properties[name]]));
      for (const watcher of this.#covering(id)) {
        if (theirs.has(watcher)) continue;
        watcher.book.update(id, ours, [], lastUpdated, own, now);
        watcher.touch();
      }
    }
  }

  whole(label: string): void {
    const now = this.#now();
    for (const watcher of this.#of(label)) {
      for (const id of watcher.book.missing()) {
        if (this.#options.own.recogniseRemoval(id))
          this.#all(id, (book) => book.replace(id, undefined, undefined, "removal", now));
      }
    }
    for (const watcher of this.#of(label)) {
      watcher.book.whole(now);
      watcher.touch();
    }
  }

  update(
    id: string,
    changes: Readonly<Record<string, unknown>>,
    removed: readonly string[],
    at: string | undefined,
  ): void {
    if (!this.covers(id)) return;
    const now = this.#now();
    const own = [
      ...this.#ownIn(id, changes),
      ...removed.filter((name) => this.#options.own.recognise(id, name, undefined)),
    ];
    this.#all(id, (book) => book.update(id, changes, removed, at, own, now));
  }

  replace(id: string, entity: FluxEntity | undefined, at: string | undefined): void {
    if (!this.covers(id)) return;
    const now = this.#now();
    const { own } = this.#options;
    if (entity === undefined) {
      const how = own.recogniseRemoval(id) ? "removal" : [];
      return this.#all(id, (book) => book.replace(id, undefined, at, how, now));
    }
    const names = this.#ownIn(id, entity.properties);
    this.#all(id, (book) => book.replace(id, entity.properties, at, names, now));
  }

  covers(id: string): boolean {
    return this.#covering(id).length > 0;
  }

  async #take(definition: FluxWatch, origin: WatchOrigin, record: WatchRecord | undefined): Promise<Watcher> {
    if (record === undefined) throw new AgentruxError("disk", `The watch ${definition.id} is not in the journal`);
    const watcher = await Watcher.load(definition, origin, record, this.#ports);
    const end = new AbortController();
    this.#watchers.set(definition.id, watcher);
    this.#recount();
    const over = watcher.run(AbortSignal.any([this.#stop.signal, end.signal]));
    this.#lives.set(definition.id, { end, over });
    return watcher;
  }

  #recount(): void {
    const all = [...this.#watchers.values()].map(({ subscription }) => [subscription.label, subscription] as const);
    this.#subscriptions = [...new Map(all).values()];
  }

  /** One addition or removal after the other. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#changing.then(() => {
      if (this.#stop.signal.aborted) throw new AgentruxError("stopped", "The account is stopping");
      return work();
    });
    this.#changing = result.catch(() => undefined);
    return result;
  }

  #of(label: string): readonly Watcher[] {
    return [...this.#watchers.values()].filter(({ subscription }) => subscription.label === label);
  }

  #covering(id: string): readonly Watcher[] {
    return [...this.#watchers.values()].filter(({ subscription }) => targetCovers(subscription.target, id));
  }

  #all(id: string, see: (book: Watcher["book"]) => void): void {
    for (const watcher of this.#covering(id)) {
      see(watcher.book);
      watcher.touch();
    }
  }

  /** Properties whose value is what we wrote. */
  #ownIn(id: string, properties: Readonly<Record<string, unknown>>): string[] {
    return Object.entries(properties).flatMap(([name, value]) =>
      this.#options.own.recognise(id, name, value) ? [name] : [],
    );
  }

  #now(): number {
    return this.#options.clock.monotonic();
  }
}

/** A watch that was added at run time; undefined for one of the configuration. */
function addedIn({ definition }: WatchRecord): Added | undefined {
  return definition === undefined ? undefined : (JSON.parse(definition) as Added);
}

/** For an account that cannot watch: every question is answered by why. */
export function noWatches(why: unknown): WatchRegistry {
  const refuse = (): Promise<never> =>
    Promise.reject(why instanceof AgentruxError ? why : new AgentruxError("config", errorText(why)));
  return { list: () => [], add: refuse, remove: () => Promise.resolve(false) };
}
