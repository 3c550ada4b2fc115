/**
 * Owns entities in the order in which they were changed: a list threaded through the records themselves, so that "what has
 * changed since" costs as much as has changed, whatever the size of the world.
 */
import type { Entity } from "./entity.ts";

export class Recency {
  #newest: Entity | undefined;
  #oldest: Entity | undefined;

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
    if (entity.older === undefined) this.#oldest = entity.newer;
    else entity.older.newer = entity.newer;
    if (entity.newer === undefined) this.#newest = entity.older;
    else entity.newer.older = entity.older;
    entity.older = undefined;
    entity.newer = undefined;
  }

  /** Puts `next` where `entity` was. */
  replace(entity: Entity, next: Entity): void {
    next.older = entity.older;
    next.newer = entity.newer;
    if (entity.older === undefined) this.#oldest = next;
    else entity.older.newer = next;
    if (entity.newer === undefined) this.#newest = next;
    else entity.newer.older = next;
    entity.older = undefined;
    entity.newer = undefined;
  }
}
