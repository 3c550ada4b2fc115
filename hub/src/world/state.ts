/**
 * Owns the world as it is: every entity by id, in the order of ids, in the order of change, and counted by namespace. It
 * is what the log's events come to, and changes by `put` alone, one entity at a time.
 */
import { Changes } from "./changes.ts";
import { Entity, isLive, namespaceOf } from "./entity.ts";
import type { EntityFields, LiveEntity } from "./entity.ts";
import { Recency } from "./recency.ts";
import { SortedIds } from "./sorted-ids.ts";
import type { IdRange } from "./sorted-ids.ts";

export class WorldState {
  readonly #records = new Map<string, Entity>();
  readonly #ids = new SortedIds();
  readonly #live = new Recency();
  readonly #gone = new Recency();
  readonly #perNamespace = new Map<string, number>();
  #seq = 0;
  #at = 0;
  #forgottenThrough = 0;

  /** Sequence number of the last event that is part of this state. */
  get seq(): number {
    return this.#seq;
  }

  /** Its instant, epoch microseconds. */
  get at(): number {
    return this.#at;
  }

  /** How many entities there are. */
  get size(): number {
    return this.#ids.size;
  }

  /** Deletions up to this sequence number may have been forgotten. */
  get forgottenThrough(): number {
    return this.#forgottenThrough;
  }

  /** What is known of an id, of one that is gone too. */
  record(id: string): Entity | undefined {
    return this.#records.get(id);
  }

  live(id: string): LiveEntity | undefined {
    const record = this.#records.get(id);
    return isLive(record) ? record : undefined;
  }

  /** Takes over what an event has made of its entity, and the event's place in the order. */
  put(fields: EntityFields | undefined, seq: number, at: number): Entity | undefined {
    this.#seq = seq;
    this.#at = at;
    if (fields === undefined) return undefined;
    const before = this.#records.get(fields.id);
    const next = new Entity(fields);
    this.#records.set(next.id, next);
    if (before !== undefined && before.version === next.version) this.#listOf(before).replace(before, next);
    else {
      if (before !== undefined) this.#listOf(before).remove(before);
      this.#listOf(next).append(next);
    }
    if (isLive(before) !== isLive(next)) this.#count(next.id, isLive(next));
    return next;
  }

  /**
   * Takes over a whole world, in place of an empty one.
   * @param records in any order, each id once
   */
  load(records: readonly Entity[], seq: number, at: number, forgottenThrough: number): void {
    const inOrder = records.toSorted((a, b) => a.version - b.version);
    for (const record of inOrder) this.#listOf(record).append(record);
    const byId = records.toSorted((a, b) => (a.id < b.id ? -1 : 1));
    for (const record of byId) this.#records.set(record.id, record);
    const live = byId.filter((record) => isLive(record)).map(({ id }) => id);
    this.#ids.load(live);
    for (const id of live) this.#countNamespace(id, 1);
    this.#seq = seq;
    this.#at = at;
    this.#forgottenThrough = forgottenThrough;
  }

  /** Every record at this moment, in no order. */
  records(): Entity[] {
    return [...this.#records.values()];
  }

  ids(range: IdRange): string[] {
    return this.#ids.page(range);
  }

  /** The entity changed last; `older` leads on. */
  get newestLive(): Entity | undefined {
    return this.#live.newest;
  }

  /** The entity that was left alone longest; `newer` leads on. */
  get oldestLive(): Entity | undefined {
    return this.#live.oldest;
  }

  /** What has changed since an event, deletions too. */
  changesSince(seq: number): Changes {
    return new Changes([this.#live, this.#gone], seq);
  }

  entitiesIn(namespace: string): number {
    return this.#perNamespace.get(namespace) ?? 0;
  }

  /** Namespaces with at least one entity. */
  namespaceCounts(): ReadonlyMap<string, number> {
    return this.#perNamespace;
  }

  /**
   * Forgets ids that are gone and about which the log holds nothing any more.
   * @returns how many went, at most `limit`
   */
  forgetGone(throughSeq: number, limit: number): number {
    let forgotten = 0;
    for (let gone = this.#gone.oldest; gone !== undefined && forgotten < limit;) {
      const next = gone.newer;
      if (gone.version > throughSeq) break;
      if (gone.newest <= throughSeq) {
        this.#gone.remove(gone);
        this.#records.delete(gone.id);
        this.#forgottenThrough = Math.max(this.#forgottenThrough, gone.version);
        forgotten += 1;
      }
      gone = next;
    }
    return forgotten;
  }

  #listOf(record: Entity): Recency {
    return record.properties === undefined ? this.#gone : this.#live;
  }

  #count(id: string, isThere: boolean): void {
    if (isThere) this.#ids.add(id);
    else this.#ids.delete(id);
    this.#countNamespace(id, isThere ? 1 : -1);
  }

  #countNamespace(id: string, by: 1 | -1): void {
    const namespace = namespaceOf(id);
    if (namespace === undefined) return;
    const count = (this.#perNamespace.get(namespace) ?? 0) + by;
    if (count === 0) this.#perNamespace.delete(namespace);
    else this.#perNamespace.set(namespace, count);
  }
}
