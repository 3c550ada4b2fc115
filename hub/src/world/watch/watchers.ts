/** Owns all watchers: who covers which ids, and telling them of what has changed. */
import type { Counter, Metrics } from "../../runtime.ts";
import type { Applied } from "../writer.ts";
import { Coverage } from "./coverage.ts";
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
  readonly #coverage = new Coverage<Watcher>();
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
    this.#coverage.add(EVERYTHING, watcher);
  }

  remove(watcher: Watcher): void {
    if (!this.#all.delete(watcher)) return;
    this.#stock.delete(watcher);
    for (const selector of watcher.subscriptions.all()) this.#coverage.delete(selector, watcher);
    this.#coverage.delete(EVERYTHING, watcher);
    watcher.letGo();
  }

  /** @returns whether the watcher had room for it */
  subscribe(watcher: Watcher, selector: Selector): boolean {
    const isFirst = watcher.subscriptions.size === 0;
    const added = watcher.subscriptions.add(selector);
    if (added !== "added") return added === "there";
    // A stock client watches everything until it says what it wants.
    if (watcher.isStock && isFirst) this.#coverage.delete(EVERYTHING, watcher);
    this.#coverage.add(selector, watcher);
    return true;
  }

  unsubscribe(watcher: Watcher, selector: Selector): void {
    if (!watcher.subscriptions.delete(selector)) return;
    if (!watcher.subscriptions.hasLike(selector)) this.#coverage.delete(selector, watcher);
    if (watcher.isStock && watcher.subscriptions.size === 0) this.#coverage.add(EVERYTHING, watcher);
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
      for (const covering of this.#coverage.of(id)) offer(covering, shared);
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
}
