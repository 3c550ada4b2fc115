/**
 * Owns entities in the order in which they were changed: a list threaded through the records themselves, so that "what has
 * changed since" costs as much as has changed, whatever the size of the world.
 */
import type { Entity } from "./entity.ts";

/** Where a reader has come to: at a record, or before the oldest. */
export interface Place {
  at: Entity | undefined;
}

export class Recency {
  #newest: Entity | undefined;
  #oldest: Entity | undefined;
  readonly #held = new Map<Entity, Set<Place>>();

  get oldest(): Entity | undefined {
    return this.#oldest;
  }

  get newest(): Entity | undefined {
    return this.#newest;
  }

  /** Adds the entity that was changed last of all. */
  append(entity: Entity): void {
    entity.older = this.#newest;
    entity.newer = undefined;
    if (this.#newest === undefined) this.#oldest = entity;
    else this.#newest.newer = entity;
    this.#newest = entity;
  }

  remove(entity: Entity): void {
    this.#handOver(entity, entity.older);
    if (entity.older === undefined) this.#oldest = entity.newer;
    else entity.older.newer = entity.newer;
    if (entity.newer === undefined) this.#newest = entity.older;
    else entity.newer.older = entity.older;
    entity.older = undefined;
    entity.newer = undefined;
  }

  /** Puts `next` where `entity` was. */
  replace(entity: Entity, next: Entity): void {
    this.#handOver(entity, next);
    next.older = entity.older;
    next.newer = entity.newer;
    if (entity.older === undefined) this.#oldest = next;
    else entity.older.newer = next;
    if (entity.newer === undefined) this.#newest = next;
    else entity.newer.older = next;
    entity.older = undefined;
    entity.newer = undefined;
  }

  /** Keeps a place while the list changes, until it is released: when its record goes, it moves to the next older one. */
  hold(place: Place): void {
    if (place.at === undefined) return;
    const there = this.#held.get(place.at);
    if (there === undefined) this.#held.set(place.at, new Set([place]));
    else there.add(place);
  }

  release(place: Place): void {
    if (place.at === undefined) return;
    const there = this.#held.get(place.at);
    if (there?.delete(place) === true && there.size === 0) this.#held.delete(place.at);
  }

  #handOver(from: Entity, to: Entity | undefined): void {
    const places = this.#held.get(from);
    if (places === undefined) return;
    this.#held.delete(from);
    for (const place of places) {
      place.at = to;
      this.hold(place);
    }
  }
}
