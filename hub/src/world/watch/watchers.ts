/**
 * Owns all watchers: who covers which ids, and telling them of what has changed. Finding those who want an event costs one
 * look-up for its id and one for each length of prefix that anybody asked for, however many watchers there are.
 */
import type { Counter, Metrics } from "../../runtime.ts";
import type { Applied } from "../writer.ts";
import { explicitUpdate, stockFrames } from "./frames.ts";
import type { CursorText } from "./frames.ts";
import { selectorFor } from "./subscriptions.ts";
import type { Selector } from "./subscriptions.ts";
import type { SharedFrames, Watcher } from "./watcher.ts";

const EVERYTHING = selectorFor("prefix", "");
/** Going away (RFC 6455 section 7.4.1). */
const GOING_AWAY = 1001;
const GOODBYE_MS = 300;

export class Watchers {
  readonly #all = new Set<Watcher>();
  readonly #stock = new Set<Watcher>();
  readonly #byEntity = new Map<string, Set<Watcher>>();
  readonly #byPrefix = new Map<string, Set<Watcher>>();
  /** How many different prefixes have each length. */
  readonly #lengths = new Map<number, number>();
  readonly #cursorText: CursorText;
  readonly #told: Counter;

  constructor(metrics: Metrics, cursorText: CursorText) {
    this.#cursorText = cursorText;
    this.#told = metrics.counter("agentrux_hub_world_watch_frames_total", "World events written to watchers");
    metrics.gauge("agentrux_hub_world_watchers", "Open WebSockets", () => this.#all.size);
  }

  get size(): number {
    return this.#all.size;
  }

  [Symbol.iterator](): Iterator<Watcher> {
    return this.#all.values();
  }

  add(watcher: Watcher): void {
    this.#all.add(watcher);
    if (!watcher.isStock) return;
    this.#stock.add(watcher);
    this.#index(EVERYTHING, watcher);
  }

  remove(watcher: Watcher): void {
    if (!this.#all.delete(watcher)) return;
    this.#stock.delete(watcher);
    for (const selector of [...watcher.subscriptions.all(), EVERYTHING]) this.#unindex(selector, watcher);
  }

  /** @returns whether the watcher had room for it */
  subscribe(watcher: Watcher, selector: Selector): boolean {
    const isFirst = watcher.subscriptions.size === 0;
    const added = watcher.subscriptions.add(selector);
    if (added !== "added") return added === "there";
    // A stock client watches everything until it says what it wants.
    if (watcher.isStock && isFirst) this.#unindex(EVERYTHING, watcher);
    this.#index(selector, watcher);
    return true;
  }

  unsubscribe(watcher: Watcher, selector: Selector): void {
    if (!watcher.subscriptions.delete(selector)) return;
    const others = watcher.subscriptions.all();
    if (!others.some(({ kind, value }) => kind === selector.kind && value === selector.value)) {
      this.#unindex(selector, watcher);
    }
    if (watcher.isStock && others.length === 0) this.#index(EVERYTHING, watcher);
  }

  /** Tells of the events of one commit, in order. */
  tell(group: readonly Applied[]): void {
    if (this.#all.size === 0) return;
    const holding = new Set<Watcher>();
    const offer = (watchers: Iterable<Watcher>, shared: SharedFrames) => {
      for (const watcher of watchers) if (watcher.offer(shared)) holding.add(watcher);
    };
    for (const applied of group) {
      const shared = this.#shared(applied);
      const { id, properties } = applied.entity;
      offer(this.#byEntity.get(id) ?? [], shared);
      for (const length of this.#lengths.keys()) {
        if (length <= id.length) offer(this.#byPrefix.get(id.slice(0, length)) ?? [], shared);
      }
      // Stock clients hear of every deletion.
      if (properties === undefined) offer(this.#stock, shared);
    }
    for (const watcher of holding) watcher.flush();
  }

  /** Ends the connections that were let into a namespace by a token that no longer holds. */
  endOf(namespace: string): void {
    for (const watcher of this.#all) {
      if (watcher.options.caller.namespace === namespace) watcher.end("token revoked");
    }
  }

  endAll(): void {
    for (const watcher of this.#all) {
      const { ws } = watcher.options;
      ws.close(GOING_AWAY, "the hub is stopping");
      // The other side's goodbye is not waited for longer than that.
      setTimeout(() => ws.terminate(), GOODBYE_MS).unref();
    }
  }

  #shared(applied: Applied): SharedFrames {
    let stock: Buffer | undefined;
    let explicit: Buffer | undefined;
    const count = (frame: Buffer) => {
      this.#told.inc();
      return frame;
    };
    return {
      applied,
      stock: () => count((stock ??= stockFrames(applied))),
      explicit: () => count((explicit ??= explicitUpdate(applied, this.#cursorText))),
    };
  }

  #index({ kind, value }: Selector, watcher: Watcher): void {
    const index = kind === "entity" ? this.#byEntity : this.#byPrefix;
    const there = index.get(value);
    if (there !== undefined) return void there.add(watcher);
    index.set(value, new Set([watcher]));
    if (kind === "prefix") this.#lengths.set(value.length, (this.#lengths.get(value.length) ?? 0) + 1);
  }

  #unindex({ kind, value }: Selector, watcher: Watcher): void {
    const index = kind === "entity" ? this.#byEntity : this.#byPrefix;
    const there = index.get(value);
    if (there?.delete(watcher) !== true || there.size > 0) return;
    index.delete(value);
    if (kind !== "prefix") return;
    const left = (this.#lengths.get(value.length) ?? 1) - 1;
    if (left === 0) this.#lengths.delete(value.length);
    else this.#lengths.set(value.length, left);
  }
}
