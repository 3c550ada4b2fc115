/**
 * Owns finding what covers an id: one look-up for the id itself, and one for each length of prefix that is there and not
 * longer than the id. So it costs the same however many there are.
 */
import { lowerBound } from "../sorted-ids.ts";
import type { Selector } from "./subscriptions.ts";

type Scope = Pick<Selector, "kind" | "value">;

export class Coverage<T> {
  readonly #byEntity = new Map<string, Set<T>>();
  readonly #byPrefix = new Map<string, Set<T>>();
  /** How many different prefixes have each length. */
  readonly #perLength = new Map<number, number>();
  /** Those lengths, shortest first. */
  readonly #lengths: number[] = [];

  add({ kind, value }: Scope, one: T): void {
    const index = kind === "entity" ? this.#byEntity : this.#byPrefix;
    const there = index.get(value);
    if (there !== undefined) return void there.add(one);
    index.set(value, new Set([one]));
    if (kind === "prefix") this.#count(value.length, 1);
  }

  delete({ kind, value }: Scope, one: T): void {
    const index = kind === "entity" ? this.#byEntity : this.#byPrefix;
    const there = index.get(value);
    if (there?.delete(one) !== true || there.size > 0) return;
    index.delete(value);
    if (kind === "prefix") this.#count(value.length, -1);
  }

  /** Whether anything is there for just this scope. */
  has({ kind, value }: Scope): boolean {
    return (kind === "entity" ? this.#byEntity : this.#byPrefix).has(value);
  }

  /** All that covers an id, in sets, none of them empty. */
  of(id: string): ReadonlySet<T>[] {
    const exact = this.#byEntity.get(id);
    const found: ReadonlySet<T>[] = exact === undefined ? [] : [exact];
    for (const length of this.#lengths) {
      if (length > id.length) break;
      const covering = this.#byPrefix.get(id.slice(0, length));
      if (covering !== undefined) found.push(covering);
    }
    return found;
  }

  #count(length: number, by: 1 | -1): void {
    const before = this.#perLength.get(length) ?? 0;
    const after = before + by;
    if (after === 0) this.#perLength.delete(length);
    else this.#perLength.set(length, after);
    if (before === 0) this.#lengths.splice(lowerBound(this.#lengths, length), 0, length);
    else if (after === 0) this.#lengths.splice(lowerBound(this.#lengths, length), 1);
  }
}
