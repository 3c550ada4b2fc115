/**
 * Owns the one way by which the world changes. Publishes queue up; those of one turn of the event loop are taken
 * together:
 *
 *   1. decide: each event in its turn is judged against the state as the events before it leave it (known already? the
 *      version its publisher expects?) and gets the next number;
 *   2. store: what passed goes to the log in one commit;
 *   3. apply: the state takes over, in order, in one go that nobody can look into;
 *   4. tell: publishers are answered, then watchers are told, in order.
 *
 * A disk that fails in step 2 fails the whole group, and nothing of it has happened. One group is under way at a time.
 */
import { createHash } from "node:crypto";
import { HubError } from "../errors.ts";
import { uuidV7 } from "../ids.ts";
import type { Counter, Histogram, Metrics, Random } from "../runtime.ts";
import type { WorldClaim, WorldLog, WorldLogEntry } from "../store/world-port.ts";
import { entityTextWithMeta, isLive } from "./entity.ts";
import type { Entity, EntityFields } from "./entity.ts";
import { extrasJson, subjectOf } from "./event.ts";
import type { GivenEvent } from "./event.ts";
import { changeOf, fold } from "./fold.ts";
import type { Change } from "./fold.ts";
import type { Instants } from "./instants.ts";
import type { WorldState } from "./state.ts";

/** Bounds the memory of publishers that wait for a slow disk. */
const MAX_QUEUED_EVENTS = 20_000;
const MAX_EVENTS_PER_COMMIT = 1000;
/** An entity grows by merging; beyond this a merge is refused. */
export const MAX_ENTITY_BYTES: number = 16 * 1024 * 1024;

export interface Write {
  readonly event: GivenEvent;
  /** The namespace whose token allowed it. */
  readonly principal: string | null;
}

export interface Written {
  readonly eventId: string;
  /** Sequence number of the event, and the version of the entity it changed. */
  readonly seq: number;
  /** Why the event was stored and yet changes nothing. */
  readonly warning: string | undefined;
  /** The same event was stored before; nothing was stored now. */
  readonly replayed: boolean;
}

export type WriteResult = Written | HubError;

/** One event that changed an entity, as watchers hear of it. */
export interface Applied {
  readonly entry: WorldLogEntry;
  readonly change: Change;
  /** The entity as the event left it; without properties when it was deleted. */
  readonly entity: Entity;
}

interface Waiting {
  readonly writes: readonly Write[];
  readonly resolve: (results: readonly WriteResult[]) => void;
  readonly reject: (error: unknown) => void;
}

interface Step {
  readonly entry: WorldLogEntry;
  readonly change: Change;
  readonly fields: EntityFields | undefined;
}

/** What one group has decided so far. */
interface Group {
  readonly steps: Step[];
  readonly claims: WorldClaim[];
  readonly claimed: Map<string, Written>;
  readonly drafts: Map<string, EntityFields>;
}

export interface WriterParts {
  readonly log: WorldLog;
  readonly state: WorldState;
  readonly instants: Instants;
  readonly random: Random;
  readonly metrics: Metrics;
  /** Told of each group after its publishers were answered. */
  readonly onApplied: (applied: readonly Applied[]) => void;
}

export class WorldWriter {
  readonly #parts: WriterParts;
  readonly #events: Counter;
  readonly #perCommit: Histogram;
  #queue: Waiting[] = [];
  #queuedEvents = 0;
  #running: Promise<void> | undefined;
  #closed = false;
  #refusedBytes: number | undefined;

  constructor(parts: WriterParts) {
    this.#parts = parts;
    this.#events = parts.metrics.counter("agentrux_hub_world_events_total", "World events committed to the store");
    this.#perCommit = parts.metrics.histogram(
      "agentrux_hub_world_events_per_commit",
      "World events that shared one commit",
      [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
    );
  }

  /** How much the disk refused when it was last given something; undefined when it took that. */
  get refusedBytes(): number | undefined {
    return this.#refusedBytes;
  }

  /**
   * Resolves when all that passed is on disk and visible; what did not pass is an error in its place.
   * @throws HubError STORAGE_FULL, UNAVAILABLE: nothing of it was stored
   */
  submit(writes: readonly Write[]): Promise<readonly WriteResult[]> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new HubError("UNAVAILABLE", "The hub is shutting down", { retryAfterS: 2 }));
      // One batch may be larger than the bound, because it is in memory already; but it waits for nobody.
      if (this.#queuedEvents >= MAX_QUEUED_EVENTS) {
        return reject(new HubError("UNAVAILABLE", "Too many events are waiting for the disk", { retryAfterS: 1 }));
      }
      this.#queue.push({ writes, resolve, reject });
      this.#queuedEvents += writes.length;
      this.#running ??= this.#run();
    });
  }

  /** Writes one event; what did not pass is thrown. */
  async write(write: Write): Promise<Written> {
    const [result] = await this.submit([write]);
    if (result === undefined || result instanceof HubError) {
      throw result ?? new HubError("INTERNAL", "An event was stored without a result");
    }
    return result;
  }

  /** Commits what waits and takes no more. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    await new Promise((turnOver) => setImmediate(turnOver));
    while (this.#queue.length > 0) {
      let events = 0;
      let taken = 0;
      while (taken < this.#queue.length && events < MAX_EVENTS_PER_COMMIT) {
        events += this.#queue[taken++]?.writes.length ?? 0;
      }
      const group = this.#queue.splice(0, taken);
      this.#queuedEvents -= events;
      await this.#commit(group);
    }
    this.#running = undefined;
  }

  async #commit(waiting: readonly Waiting[]): Promise<void> {
    const { state, onApplied } = this.#parts;
    const group: Group = { steps: [], claims: [], claimed: new Map(), drafts: new Map() };
    let results: (readonly WriteResult[])[];
    try {
      results = [];
      for (const { writes } of waiting) results.push(await this.#decide(writes, group));
      if (group.steps.length > 0) await this.#append(group);
    } catch (error) {
      for (const one of waiting) one.reject(error);
      return;
    }
    const applied: Applied[] = [];
    for (const { entry, change, fields } of group.steps) {
      const entity = state.put(fields, entry.seq, entry.at);
      if (entity?.version === entry.seq) applied.push({ entry, change, entity });
    }
    waiting.forEach((one, index) => one.resolve(results[index] ?? []));
    if (group.steps.length === 0) return;
    this.#events.inc(group.steps.length);
    this.#perCommit.observe(group.steps.length);
    if (applied.length > 0) onApplied(applied);
  }

  async #append({ steps, claims }: Group): Promise<void> {
    const entries = steps.map(({ entry }) => entry);
    try {
      await this.#parts.log.append(entries, claims);
      this.#refusedBytes = undefined;
    } catch (error) {
      this.#refusedBytes = entries.reduce((sum, entry) => sum + Buffer.byteLength(JSON.stringify(entry)), 0);
      throw error;
    }
  }

  async #decide(writes: readonly Write[], group: Group): Promise<WriteResult[]> {
    const results: WriteResult[] = [];
    for (const write of writes) {
      const claim = write.event.eventId === undefined ? undefined : fingerprint(write);
      const known = claim === undefined ? undefined : await this.#known(claim, group);
      results.push(known ?? this.#step(write, claim, group));
    }
    return results;
  }

  async #known(claim: string, group: Group): Promise<Written | undefined> {
    const now = group.claimed.get(claim);
    if (now !== undefined) return { ...now, replayed: true };
    const before = await this.#parts.log.claimed(claim);
    return before === undefined ? undefined : { ...before, warning: undefined, replayed: true };
  }

  #step({ event, principal }: Write, claim: string | undefined, group: Group): WriteResult {
    const { state, instants, random } = this.#parts;
    const { entityId, properties } = subjectOf(event.payload);
    const before = entityId === undefined ? undefined : (group.drafts.get(entityId) ?? state.record(entityId));
    const conflict = conflictOf(event, before);
    if (conflict !== undefined) return conflict;
    const at = instants.next();
    const seq = state.seq + group.steps.length + 1;
    const change = changeOf(properties, event);
    const fields = entityId === undefined ? undefined : fold(entityId, before, change, { seq, at });
    if ((fields?.properties?.length ?? 0) > MAX_ENTITY_BYTES) {
      return new HubError("PAYLOAD_TOO_LARGE", `the entity would become larger than ${MAX_ENTITY_BYTES} bytes`);
    }
    const eventId = event.eventId ?? uuidV7(random, Math.floor(at / 1000));
    const entry: WorldLogEntry = {
      seq,
      at,
      eventId,
      entityId: entityId ?? null,
      previous: before?.newest ?? 0,
      stream: event.stream,
      source: event.source,
      timestamp: event.timestamp,
      key: event.key,
      schema: event.schema,
      payload: event.payload,
      extras: extrasJson(event),
      principal,
    };
    group.steps.push({ entry, change, fields });
    if (fields !== undefined) group.drafts.set(fields.id, fields);
    const written = { eventId, seq, warning: warningOf(fields, properties, seq), replayed: false };
    if (claim !== undefined) {
      group.claims.push({ fingerprint: claim, seq, at });
      group.claimed.set(claim, written);
    }
    return written;
  }
}

/** A digest of everything the publisher said: the same id with other content is another event, as stock servers have it. */
function fingerprint({ event }: Write): string {
  const { eventId, stream, source, timestamp, key, schema, payload } = event;
  const said = [eventId, stream, source, timestamp, key, schema, payload, extrasJson(event), event.expectedVersion];
  return createHash("sha256").update(JSON.stringify(said)).digest("base64url");
}

function conflictOf({ expectedVersion }: GivenEvent, before: EntityFields | undefined): HubError | undefined {
  if (expectedVersion === undefined) return undefined;
  const live = isLive(before) ? before : undefined;
  const version = live?.version ?? 0;
  if (version === expectedVersion) return undefined;
  const entity: unknown = live === undefined ? null : JSON.parse(entityTextWithMeta(live));
  return new HubError("CONFLICT", `version is ${version}, not ${expectedVersion}`, { details: { version, entity } });
}

function warningOf(fields: EntityFields | undefined, properties: string | undefined, seq: number): string | undefined {
  if (fields === undefined) return "stored, but changes nothing: payload.entity_id is not a string";
  if (fields.version === seq) return undefined;
  if (properties?.startsWith("{") !== true) return "stored, but changes nothing: payload.properties is not an object";
  return "stored, but changes nothing: there are no properties to set, or no such entity";
}
