/**
 * Owns the clock of entities with a time to live: which are due. What is due is deleted through the writer like any other
 * deletion, so it is logged, ordered and told; an entity that was renewed meanwhile keeps its version and is left alone.
 */
import type { Entity } from "./entity.ts";

const SECOND_MS = 1000;

export class Expiry {
  /** Ids by the second after which they are due. An id may stand in a second that is no longer its own. */
  readonly #bySecond = new Map<number, Set<string>>();

  /** Takes note of an entity's limit, if it has one. */
  note({ id, expiresAt }: Pick<Entity, "id" | "expiresAt">): void {
    if (expiresAt === 0) return;
    const second = Math.ceil(expiresAt / SECOND_MS);
    const ids = this.#bySecond.get(second);
    if (ids === undefined) this.#bySecond.set(second, new Set([id]));
    else ids.add(id);
  }

  /** Takes out the ids whose time may have come; whether it has, their entity says. */
  due(now: number): string[] {
    const due: string[] = [];
    for (const [second, ids] of this.#bySecond) {
      if (second * SECOND_MS > now) continue;
      due.push(...ids);
      this.#bySecond.delete(second);
    }
    return due;
  }
}
