/** Owns a snapshot while it comes in, in parts, with what happens meanwhile: held against nothing before it is whole. Pure. */

import { type EntityState, withPropertiesOf } from "./entity-state.ts";

export interface Seen {
  readonly state: EntityState | undefined;
  /** When it changed last, as the server says. */
  readonly at: string | undefined;
  /** Properties whose value we have written ourselves. */
  readonly own: readonly string[];
}

export class Snapshot {
  readonly seen = new Map<string, Seen>();

  get(entity: string): EntityState | undefined {
    return this.seen.get(entity)?.state;
  }

  /** All of an entity, as it is now. */
  put(entity: string, seen: Seen): void {
    const earlier = this.seen.get(entity);
    // Ours is still ours where the value is: the server need not have said so twice.
    const kept = earlier?.own.filter((name) => earlier.state?.get(name) === seen.state?.get(name)) ?? [];
    this.seen.set(entity, { ...seen, own: [...kept, ...seen.own] });
  }

  /** Some of its properties were written; who wrote one last counts. */
  change(entity: string, seen: Seen, written: readonly string[]): void {
    const kept = this.seen.get(entity)?.own.filter((name) => !written.includes(name)) ?? [];
    this.seen.set(entity, { ...seen, own: [...kept, ...seen.own] });
  }

  remove(entity: string): void {
    this.seen.delete(entity);
  }
}

/**
 * What the agent knows of an entity after it has written to it itself.
 *
 * @param known before that
 * @param was the entity before that
 * @returns undefined where nothing follows: others have made the entity meanwhile, which is told of with what we added
 */
export function knownOfOwn(
  known: EntityState | undefined,
  was: EntityState | undefined,
  live: EntityState,
  own: readonly string[],
): EntityState | undefined {
  if (known !== undefined) return withPropertiesOf(known, live, own);
  return was === undefined && [...live.keys()].every((name) => own.includes(name)) ? live : undefined;
}
