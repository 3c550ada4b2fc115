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
import type { Changes } from "../changes.ts";
import { entityTextWithMeta, isLive, namespaceOf } from "../entity.ts";
import type { Entity } from "../entity.ts";
import type { World } from "../world.ts";
import type { Applied } from "../writer.ts";
import { Allowance } from "./allowance.ts";
import * as frames from "./frames.ts";
import { Subscriptions } from "./subscriptions.ts";
import type { Selector } from "./subscriptions.ts";

/** Entities sent before others get their turn. */
const ROUND = 200;
/** Changed records looked at before others get their turn. */
const LOOK_MAX = 1000;
/** A part of a snapshot ends with the entity that reaches this: clients refuse messages that are too large. */
const PART_CHARS = 1024 * 1024;
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

interface Snapshot {
  readonly selector: Selector;
  /** The last id that was sent. */
  after: string | undefined;
}

export class Watcher {
  readonly options: WatcherOptions;
  readonly subscriptions: Subscriptions = new Subscriptions();
  /** Whether a pong, or anything else, came since the last ping. */
  isAnswering = true;
  /** Sequence number of the last event that was offered. */
  #offered = 0;
  /** Set while it is behind: what is still to be told. */
  #missed: Changes | undefined;
  /** Subscriptions whose content is still to be sent. Clients count: what was asked for twice is sent twice. */
  readonly #snapshots: Snapshot[] = [];
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
    if (this.#missed !== undefined || !this.#mayRead(entity.id)) return this.#corked;
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
    // What it has not come to yet is told in any case.
    if (this.#missed === undefined || since < this.#missed.through) {
      this.#missed?.close();
      this.#missed = this.options.world.state.changesSince(since);
    }
    this.#pump();
  }

  /** Sends what a subscription holds. */
  sendSnapshot(selector: Selector): void {
    if (!this.#snapshotsAllowed.take(selector.label)) return this.end(`snapshots still to be sent: ${Allowance.bound}`);
    this.#snapshots.push({ selector, after: undefined });
    this.#pump();
  }

  /** Ends the connection because of what its client did, or may no longer do. */
  end(reason: string): void {
    this.options.ws.close(POLICY, reason);
  }

  /** Must be called once it is closed. */
  letGo(): void {
    this.#missed?.close();
    this.#missed = undefined;
  }

  #frameOf(shared: SharedFrames): Buffer | undefined {
    if (this.isStock) return shared.stock();
    const { applied } = shared;
    const wanted = this.subscriptions.wanted(applied.entity.id);
    if (wanted === undefined) return undefined;
    if (wanted === "all" || applied.entity.properties === undefined) return shared.explicit();
    const { properties, remove } = applied.change;
    const touches = [...properties.keys(), ...remove].some((name) => wanted(name));
    return touches ? frames.explicitUpdate(applied, this.options.cursorText, wanted) : undefined;
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    this.#work().catch(() => this.options.ws.terminate());
  }

  async #work(): Promise<void> {
    const { socket } = this.options;
    try {
      // What is in this turn's group of events goes first, and a queue that is full is waited for.
      await nextTurn();
      while (socket.writable && (this.#missed !== undefined || this.#snapshots.length > 0)) {
        if (socket.writableNeedDrain) await drainedOrClosed(socket);
        if (!socket.writable) break;
        // First what it missed: a part of a snapshot is as the world is by now, and says so.
        if (this.#missed !== undefined) this.#catchUp(this.#missed);
        else this.#sendPart();
        await nextTurn();
      }
    } finally {
      this.#pumping = false;
    }
  }

  #catchUp(missed: Changes): void {
    const { world, socket, maxPendingBytes } = this.options;
    let sent = 0;
    const isOver = missed.read(LOOK_MAX, (entity) => {
      if (!this.#covers(entity)) return true;
      this.send(this.#stateFrames(entity, missed.since));
      sent += 1;
      return sent < ROUND && socket.writableLength <= maxPendingBytes;
    });
    if (!isOver) return;
    missed.close();
    this.#missed = undefined;
    this.#offered = world.state.seq;
    if (this.isStock) return;
    this.send(frames.textFrame(JSON.stringify({ type: "synced", cursor: this.options.cursorText(world.state.seq) })));
  }

  #covers({ id, properties }: Entity): boolean {
    if (!this.#mayRead(id)) return false;
    const coversAll = this.isStock && (this.subscriptions.size === 0 || properties === undefined);
    return coversAll || this.subscriptions.covers(id);
  }

  #stateFrames(entity: Entity, since: number): Buffer {
    const cursor = this.options.cursorText(entity.version);
    if (!isLive(entity)) return this.isStock ? frames.stockDeletion(entity) : frames.explicitDeletion(entity, cursor);
    if (!this.isStock) return frames.explicitState(entity, cursor);
    // It may have been deleted and made anew meanwhile; then nothing of before holds.
    const update = frames.stockState(entity);
    return entity.born > since ? Buffer.concat([frames.stockDeletion(entity), update]) : update;
  }

  #sendPart(): void {
    const [snapshot] = this.#snapshots;
    if (snapshot === undefined) return;
    const { world, cursorText } = this.options;
    const { kind, value, label } = snapshot.selector;
    const { after } = snapshot;
    const ids =
      kind === "entity"
        ? [value]
        : world.state.ids({ prefix: value, order: "asc", limit: ROUND, ...(after === undefined ? {} : { after }) });
    const entities: string[] = [];
    let length = 0;
    let looked = 0;
    for (const id of ids) {
      if (length >= PART_CHARS) break;
      looked += 1;
      snapshot.after = id;
      const entity = this.#mayRead(id) ? world.state.live(id) : undefined;
      if (entity === undefined) continue;
      const text = entityTextWithMeta(entity);
      length += text.length;
      entities.push(text);
    }
    const more = looked < ids.length || (kind === "prefix" && ids.length === ROUND);
    this.send(frames.snapshotFrame(label, entities, more, cursorText(world.state.seq)));
    if (more) return;
    this.#snapshots.shift();
    this.#snapshotsAllowed.giveBack(label);
  }

  #mayRead(id: string): boolean {
    return this.options.world.access.mayRead(this.options.caller, namespaceOf(id));
  }
}
