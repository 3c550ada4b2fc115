/**
 * Owns one WebSocket connection.
 *
 *   live -> behind       more than its share is unsent: nothing further is queued, only where it stopped is kept
 *   behind -> live       as its socket takes it, it is sent each entity that changed since, as that is now, oldest change
 *                        first; then it goes on with events
 *   any -> closed        it left, stopped answering pings, does not take the answers to its own messages, or the hub stops
 *
 * So a slow watcher misses states that are over, and never the state that is; in mode `explicit` it is told that it did. A
 * client that comes back with a cursor is one that is behind from there. Everything to one connection goes through its one
 * socket in one order.
 */
import type { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { WebSocket } from "ws";
import { drainedOrClosed } from "../../http/drained.ts";
import type { Caller } from "../access.ts";
import { isLive, namespaceOf } from "../entity.ts";
import type { Entity } from "../entity.ts";
import type { World } from "../world.ts";
import type { Applied } from "../writer.ts";
import { Allowance } from "./allowance.ts";
import * as frames from "./frames.ts";
import { Subscriptions } from "./subscriptions.ts";
import type { Selector } from "./subscriptions.ts";

/** Entities looked up and sent before others get their turn. */
const ROUND = 200;
/** What an unsent frame costs beside its bytes. Many answers are a few bytes long. */
const FRAME_COST = 512;
/** RFC 6455 section 7.4.1. */
const POLICY = 1008;

export interface WatcherOptions {
  readonly world: World;
  readonly caller: Caller;
  /** Stock clients get a message per property, everything when they ask for nothing, and all deletions. */
  readonly mode: "stock" | "explicit";
  readonly wantsMetrics: boolean;
  readonly ws: WebSocket;
  readonly socket: Socket;
  readonly maxPendingBytes: number;
  readonly cursorText: frames.CursorText;
}

/** A frame for every watcher of a kind, made when the first asks for it. */
export interface SharedFrames {
  readonly applied: Applied;
  readonly stock: () => Buffer;
  readonly explicit: () => Buffer;
}

export class Watcher {
  readonly options: WatcherOptions;
  readonly subscriptions: Subscriptions = new Subscriptions();
  /** Whether a pong, or anything else, came since the last ping. */
  isAnswering = true;
  /** Sequence number of the last event that was offered. */
  #offered = 0;
  /** Set while it is behind: everything up to this event was sent. */
  #behindSince: number | undefined;
  /** Subscriptions whose content is still to be sent. Clients count: what was asked for twice is sent twice. */
  readonly #snapshots: Selector[] = [];
  readonly #snapshotsAllowed = new Allowance();
  #unsentAnswers = 0;
  #pumping = false;
  #corked = false;

  constructor(options: WatcherOptions) {
    this.options = options;
  }

  get isStock(): boolean {
    return this.options.mode === "stock";
  }

  /** @returns whether its socket holds something back until `flush` */
  offer(shared: SharedFrames): boolean {
    const { entry, entity } = shared.applied;
    if (this.#offered === entry.seq) return this.#corked;
    this.#offered = entry.seq;
    if (this.#behindSince !== undefined || !this.#mayRead(entity.id)) return this.#corked;
    const { socket, maxPendingBytes } = this.options;
    if (socket.writableLength > maxPendingBytes) {
      this.fallBehind(entry.seq - 1, "slow");
      return this.#corked;
    }
    const frame = this.#frameOf(shared);
    if (frame === undefined) return this.#corked;
    if (!this.#corked) socket.cork();
    this.#corked = true;
    socket.write(frame);
    return true;
  }

  flush(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.options.socket.uncork();
  }

  send(frame: Buffer): void {
    if (this.options.socket.writable) this.options.socket.write(frame);
  }

  /**
   * Sends what its own message made necessary. Nothing of that can be left out or put off, so a connection that goes on
   * asking and takes no answers ends.
   */
  answer(frame: Buffer): void {
    const { socket, ws, maxPendingBytes } = this.options;
    // With nothing before it, it goes to the system at once.
    if (socket.writableLength === 0 || !socket.writable) return this.send(frame);
    const cost = frame.length + FRAME_COST;
    this.#unsentAnswers += cost;
    if (this.#unsentAnswers > maxPendingBytes) return ws.terminate();
    socket.write(frame, () => void (this.#unsentAnswers -= cost));
  }

  /** From here on it gets the state that is, until it has caught up. */
  fallBehind(since: number, reason: "slow" | "resumed"): void {
    if (!this.isStock) {
      const cursor = this.options.cursorText(since);
      const told = frames.textFrame(JSON.stringify({ type: "resync", reason, cursor }));
      if (reason === "slow") this.send(told);
      else this.answer(told);
    }
    this.#behindSince = Math.min(since, this.#behindSince ?? since);
    this.#pump();
  }

  /** Sends what a subscription holds. */
  sendSnapshot(selector: Selector): void {
    if (!this.#snapshotsAllowed.take(selector.label)) return this.end(`snapshots still to be sent: ${Allowance.bound}`);
    this.#snapshots.push(selector);
    this.#pump();
  }

  /** Ends the connection because of what its client did, or may no longer do. */
  end(reason: string): void {
    this.options.ws.close(POLICY, reason);
  }

  #frameOf(shared: SharedFrames): Buffer | undefined {
    if (this.isStock) return shared.stock();
    const { applied } = shared;
    const wanted = this.subscriptions.propertiesOf(applied.entity.id);
    if (wanted === undefined) return undefined;
    if (wanted === "all" || applied.entity.properties === undefined) return shared.explicit();
    const { properties, remove } = applied.change;
    const touches = [...wanted].some((name) => properties.has(name) || remove.includes(name));
    return touches ? frames.explicitUpdate(applied, this.options.cursorText, wanted) : undefined;
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    this.#work()
      .catch(() => this.options.ws.terminate())
      .finally(() => {
        this.#pumping = false;
      });
  }

  async #work(): Promise<void> {
    const { socket } = this.options;
    // What is in this turn's group of events goes first, and a queue that is full is waited for.
    await nextTurn();
    while (socket.writable && (this.#behindSince !== undefined || this.#snapshots.length > 0)) {
      if (socket.writableNeedDrain) await drainedOrClosed(socket);
      if (!socket.writable) return;
      if (this.#behindSince !== undefined) this.#catchUp(this.#behindSince);
      else await this.#snapshotRound();
      await nextTurn();
    }
  }

  #catchUp(since: number): void {
    const { state } = this.options.world;
    const changed = this.#changedSince(since, state.newestLive, state.newestGone);
    const round = changed.slice(0, ROUND);
    for (const entity of round) this.send(this.#stateFrames(entity, since));
    if (round.length < changed.length) {
      this.#behindSince = round.at(-1)?.version ?? since;
      return;
    }
    this.#behindSince = undefined;
    this.#offered = state.seq;
    if (this.isStock) return;
    this.send(frames.textFrame(JSON.stringify({ type: "synced", cursor: this.options.cursorText(state.seq) })));
  }

  /** Records of both lists that this watcher covers, oldest change first. */
  #changedSince(since: number, ...newest: (Entity | undefined)[]): Entity[] {
    const changed: Entity[] = [];
    for (let at of newest) {
      for (; at !== undefined && at.version > since; at = at.older) if (this.#covers(at)) changed.push(at);
    }
    return changed.toSorted((a, b) => a.version - b.version);
  }

  #covers({ id, properties }: Entity): boolean {
    if (!this.#mayRead(id)) return false;
    const coversAll = this.isStock && (this.subscriptions.size === 0 || properties === undefined);
    return coversAll || this.subscriptions.propertiesOf(id) !== undefined;
  }

  #stateFrames(entity: Entity, since: number): Buffer {
    const cursor = this.options.cursorText(entity.version);
    if (!isLive(entity)) return this.isStock ? frames.stockDeletion(entity) : frames.explicitDeletion(entity, cursor);
    if (!this.isStock) return frames.explicitState(entity, cursor);
    // It may have been deleted and made anew meanwhile; then nothing of before holds.
    const update = frames.stockState(entity);
    return entity.born > since ? Buffer.concat([frames.stockDeletion(entity), update]) : update;
  }

  async #snapshotRound(): Promise<void> {
    const selector = this.#snapshots.shift();
    if (selector === undefined) return;
    this.#snapshotsAllowed.giveBack(selector.label);
    const { socket, world, cursorText } = this.options;
    const { kind, value, label } = selector;
    for (let after: string | undefined; socket.writable;) {
      const page: { prefix: string; order: "asc"; limit: number; after?: string } = {
        prefix: value,
        order: "asc",
        limit: ROUND,
        ...(after === undefined ? {} : { after }),
      };
      const ids = kind === "entity" ? [value] : world.state.ids(page);
      const entities = ids.flatMap((id) => (this.#mayRead(id) ? (world.state.live(id) ?? []) : []));
      const more = kind === "prefix" && ids.length === ROUND;
      this.send(frames.snapshotFrame(label, entities, more, cursorText(world.state.seq)));
      if (!more) return;
      after = ids.at(-1);
      if (socket.writableNeedDrain) await drainedOrClosed(socket);
      // Behind by now: first that, or its snapshot would never come to an end.
      if (this.#behindSince !== undefined) this.#catchUp(this.#behindSince);
      await nextTurn();
    }
  }

  #mayRead(id: string): boolean {
    return this.options.world.access.mayRead(this.options.caller, namespaceOf(id));
  }
}
