/**
 * Owns the life of the world in this process:
 *
 *   restoring -> live            the state is whole; only now is anything served or taken
 *   restoring -> failed          snapshots and log do not hold the whole world; said in /readyz, and by every request
 *   live -> closed               what was accepted is on disk, and a last snapshot is tried
 *
 * While it is live it lets entities expire, writes snapshots, and drops what the log need not keep: only events that every
 * kept snapshot already contains, and without a snapshot none.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Logger } from "pino";
import type { HubFlux } from "../config.ts";
import { HubError } from "../errors.ts";
import type { Clock, Metrics, Random } from "../runtime.ts";
import type { WorldStore } from "../store/world-port.ts";
import { WorldAccess } from "./access.ts";
import { Expiry } from "./expiry.ts";
import { Instants } from "./instants.ts";
import { Namespaces } from "./namespaces.ts";
import { restore } from "./restore.ts";
import { Settings } from "./settings.ts";
import type { Snapshots } from "./snapshots.ts";
import { WorldState } from "./state.ts";
import { tombstone } from "./tombstone.ts";
import type { Applied } from "./writer.ts";
import { WorldWriter } from "./writer.ts";

const TICK_MS = 1000;
const DROP_EVERY_MS = 30_000;
const DROP_ROWS = 500;
/** After a snapshot that the disk refused. */
const SNAPSHOT_RETRY_MS = 30_000;
/** Enough to need fresh pages of the file, and no more than one event may have. */
const LEAST_PROBE_BYTES = 64 * 1024;
const MOST_PROBE_BYTES = 1024 * 1024;
const FORGET_RECORDS = 10_000;
const CLAIMS_KEPT_MS = 8 * 24 * 3_600_000;

export interface WorldParts {
  readonly store: WorldStore;
  readonly snapshots: Snapshots;
  readonly config: HubFlux;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly isAdmin: (token: string) => boolean;
}

export interface WorldHealth {
  /** Whether the state is whole, and may be read. */
  readonly isRestored: boolean;
  /** Whether it can also be changed: whether the disk took what it was given last. */
  readonly isWritable: boolean;
  /** Why not, when it is not. */
  readonly reason?: string;
}

export class World {
  readonly state: WorldState = new WorldState();
  readonly namespaces: Namespaces;
  readonly settings: Settings;
  readonly access: WorldAccess;
  /** Settles when the world is live or has failed; never rejects. */
  readonly restored: Promise<void>;
  readonly #parts: WorldParts;
  readonly #expiry = new Expiry();
  readonly #listeners = new Set<(applied: readonly Applied[]) => void>();
  readonly #stopping = new AbortController();
  #writer: WorldWriter | undefined;
  #failure: HubError | undefined;
  #timer: NodeJS.Timeout | undefined;
  #housekeeping: Promise<void> | undefined;
  #snapshotSeq = 0;
  /** When the last one was begun, or the world was opened. */
  #snapshotAt: number;
  #droppedAt: number;

  private constructor(parts: WorldParts, namespaces: Namespaces, settings: Settings) {
    this.#parts = parts;
    this.namespaces = namespaces;
    this.settings = settings;
    this.access = new WorldAccess({ auth: parts.config.auth, namespaces, isAdmin: parts.isAdmin });
    this.#snapshotAt = parts.clock.now();
    this.#droppedAt = this.#snapshotAt;
    parts.metrics.gauge("agentrux_hub_world_entities", "Entities in the world", () => this.state.size);
    parts.metrics.gauge("agentrux_hub_world_live", "1 once the world is restored", () => (this.#writer ? 1 : 0));
    this.restored = this.#restore();
  }

  /** Opens the world and begins to restore it; {@link restored} tells when that is over. */
  static async open(parts: WorldParts): Promise<World> {
    const { registry } = parts.store;
    const namespaces = await Namespaces.open({ ...parts, registry });
    return new World(parts, namespaces, await Settings.open(registry, parts.clock));
  }

  /** @throws HubError UNAVAILABLE while it is being restored, or when that has failed */
  get writer(): WorldWriter {
    if (this.#writer !== undefined) return this.#writer;
    throw new HubError("UNAVAILABLE", this.health().reason ?? "the world is not live", { retryAfterS: 1 });
  }

  health(): WorldHealth {
    const isRestored = this.#writer !== undefined;
    if (this.#writer !== undefined && this.#writer.refusedBytes === undefined) return { isRestored, isWritable: true };
    const missing = this.#failure?.message ?? "the world is being restored";
    return { isRestored, isWritable: false, reason: isRestored ? "the world's log cannot be written" : missing };
  }

  /** Whether the disk would now take as much as it refused last; asked without waiting for somebody to write. */
  async provesWritable(): Promise<boolean> {
    const refused = this.#writer?.refusedBytes ?? 0;
    try {
      await this.#parts.store.log.probe(Math.min(Math.max(refused, LEAST_PROBE_BYTES), MOST_PROBE_BYTES));
      return true;
    } catch (error) {
      this.#parts.log.debug({ err: error }, "the world's log cannot be written");
      return false;
    }
  }

  /** Called with the events of each commit that changed something, in order. Returns the way to stop it. */
  onApplied(listener: (applied: readonly Applied[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Writes a snapshot of this moment, unless there is one. */
  async snapshot(signal: AbortSignal): Promise<void> {
    const { state } = this;
    if (state.seq === this.#snapshotSeq) return;
    this.#snapshotAt = this.#parts.clock.now();
    const { log } = this.#parts.store;
    const { seq, at, forgottenThrough } = state;
    const records = state.records();
    const [last] = await log.after(seq - 1, 1);
    const eventId = last?.seq === seq ? last.eventId : undefined;
    await this.#parts.snapshots.write({ logId: log.id, seq, eventId, at, forgottenThrough, records }, signal);
    this.#snapshotSeq = seq;
  }

  /** @param snapshotSignal ends the last snapshot when it takes too long; replay makes up for it */
  async close(snapshotSignal: AbortSignal): Promise<void> {
    clearInterval(this.#timer);
    this.#stopping.abort(new HubError("UNAVAILABLE", "The hub is shutting down"));
    await this.restored;
    await this.#housekeeping;
    if (this.#writer === undefined) return;
    await this.#writer.close();
    await this.snapshot(snapshotSignal).catch((error: unknown) => {
      if (!snapshotSignal.aborted) this.#parts.log.error({ err: error }, "the last snapshot of the world failed");
    });
  }

  async #restore(): Promise<void> {
    const { store, snapshots, log, clock } = this.#parts;
    try {
      this.#snapshotSeq = await restore(this.state, store.log, snapshots, this.#stopping.signal);
      const { lastAt } = await store.log.bounds();
      for (let live = this.state.newestLive; live !== undefined; live = live.older) this.#expiry.note(live);
      this.#writer = new WorldWriter({
        ...this.#parts,
        log: store.log,
        state: this.state,
        instants: new Instants(clock, lastAt),
        onApplied: (applied) => this.#tell(applied),
      });
      this.#timer = setInterval(() => this.#tick(), TICK_MS).unref();
      log.info({ entities: this.state.size, seq: this.state.seq }, "the world is live");
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      this.#failure =
        error instanceof HubError ? error : new HubError("INTERNAL", "The world cannot be restored", { cause: error });
      log.error({ err: error }, "the world cannot be restored");
    }
  }

  #tell(applied: readonly Applied[]): void {
    for (const { entity } of applied) this.#expiry.note(entity);
    for (const listener of this.#listeners) {
      try {
        listener(applied);
      } catch (error) {
        this.#parts.log.error({ err: error }, "watchers could not be told of a change");
      }
    }
  }

  /** Whatever of it is due; the next round waits for the one before. */
  #tick(): void {
    this.#housekeeping ??= this.#keepHouse().finally(() => {
      this.#housekeeping = undefined;
    });
  }

  async #keepHouse(): Promise<void> {
    try {
      await this.expire();
      await this.#snapshotWhenDue();
      if (this.#parts.clock.now() - this.#droppedAt >= DROP_EVERY_MS) await this.drop();
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#parts.log.error({ err: error }, "housekeeping of the world failed");
    }
  }

  /** Deletes the entities whose time is over. */
  async expire(): Promise<void> {
    const now = this.#parts.clock.now();
    const writes = this.#expiry.due(now).flatMap((id) => {
      const entity = this.state.live(id);
      if (entity === undefined || entity.expiresAt === 0) return [];
      // Renewed: it is noted where its limit lies now.
      if (entity.expiresAt > now) return [];
      return [{ event: tombstone(id, "ttl", now, entity.version), principal: null }];
    });
    if (writes.length === 0) return;
    try {
      await this.writer.submit(writes);
    } catch (error) {
      // A disk that was full will be tried again.
      for (const { event } of writes) {
        const entity = this.state.live(event.key ?? "");
        if (entity !== undefined) this.#expiry.note(entity);
      }
      throw error;
    }
  }

  async #snapshotWhenDue(): Promise<void> {
    const { snapshotEveryEvents, snapshotEveryMs } = this.#parts.config;
    const sinceMs = this.#parts.clock.now() - this.#snapshotAt;
    const isMany = this.state.seq - this.#snapshotSeq >= snapshotEveryEvents;
    if (sinceMs >= (isMany ? Math.min(SNAPSHOT_RETRY_MS, snapshotEveryMs) : snapshotEveryMs))
      await this.snapshot(this.#stopping.signal);
  }

  /** Drops events past their time that every kept snapshot contains, and forgets what was deleted before them. */
  async drop(): Promise<void> {
    const { store, snapshots, config, clock } = this.#parts;
    this.#droppedAt = clock.now();
    const oldestKept = (await snapshots.kept(store.log, this.#stopping.signal)).at(-1) ?? 0;
    const before = (this.#droppedAt - config.eventRetentionMs) * 1000;
    const claimsBefore = (this.#droppedAt - CLAIMS_KEPT_MS) * 1000;
    while (!this.#stopping.signal.aborted) {
      if ((await store.log.drop(before, oldestKept, claimsBefore, DROP_ROWS)) < DROP_ROWS) break;
      await nextTurn();
    }
    const { droppedThrough } = await store.log.bounds();
    this.state.forgetGone(droppedThrough, FORGET_RECORDS);
  }
}
