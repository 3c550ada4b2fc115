/**
 * Owns the ids of a world in order: sorted blocks of a few hundred, so that a million ids take an insert in a microsecond
 * and any page of them is found by two binary searches.
 */

const BLOCK = 512;

export interface IdRange {
  /** Only ids that begin so. */
  readonly prefix: string;
  /** Only ids behind this one, in the direction of reading. */
  readonly after?: string;
  readonly order: "asc" | "desc";
  readonly limit: number;
}

export class SortedIds {
  #blocks: string[][] = [[]];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Takes the place of everything there was. `ids` is sorted and without doubles. */
  load(ids: readonly string[]): void {
    this.#blocks = [];
    for (let at = 0; at < ids.length || at === 0; at += BLOCK) this.#blocks.push(ids.slice(at, at + BLOCK));
    this.#size = ids.length;
  }

  /** Adds an id that is not there yet. */
  add(id: string): void {
    const index = this.#blockOf(id);
    const block = this.#block(index);
    block.splice(lowerBound(block, id), 0, id);
    this.#size += 1;
    if (block.length >= 2 * BLOCK) this.#blocks.splice(index, 1, block.slice(0, BLOCK), block.slice(BLOCK));
  }

  /** Takes out an id that is there. */
  delete(id: string): void {
    const index = this.#blockOf(id);
    const block = this.#block(index);
    block.splice(lowerBound(block, id), 1);
    this.#size -= 1;
    if (block.length === 0 && this.#blocks.length > 1) this.#blocks.splice(index, 1);
  }

  /** Up to `limit` ids of a range. */
  page({ prefix, after, order, limit }: IdRange): string[] {
    return order === "asc" ? this.#ascending(prefix, after, limit) : this.#descending(prefix, after, limit);
  }

  #ascending(prefix: string, after: string | undefined, limit: number): string[] {
    const start = after === undefined || after < prefix ? prefix : after;
    const found: string[] = [];
    for (let index = this.#blockOf(start); index < this.#blocks.length; index += 1) {
      const block = this.#block(index);
      for (let at = lowerBound(block, start); at < block.length && found.length < limit; at += 1) {
        const id = block[at] ?? "";
        if (id === after) continue;
        if (!id.startsWith(prefix)) return found;
        found.push(id);
      }
      if (found.length >= limit) break;
    }
    return found;
  }

  #descending(prefix: string, after: string | undefined, limit: number): string[] {
    const end = prefixEnd(prefix);
    const below = after !== undefined && (end === undefined || after < end) ? after : end;
    const found: string[] = [];
    let index = below === undefined ? this.#blocks.length - 1 : this.#blockOf(below);
    for (; index >= 0 && found.length < limit; index -= 1) {
      const block = this.#block(index);
      let at = (below === undefined ? block.length : lowerBound(block, below)) - 1;
      for (; at >= 0 && found.length < limit; at -= 1) {
        const id = block[at] ?? "";
        if (!id.startsWith(prefix)) return found;
        found.push(id);
      }
    }
    return found;
  }

  /** The last block that begins at or before `id`, the first where none does. */
  #blockOf(id: string): number {
    let low = 0;
    let high = this.#blocks.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      const first = this.#blocks[middle]?.[0];
      if (first !== undefined && first <= id) low = middle;
      else high = middle;
    }
    return low;
  }

  #block(index: number): string[] {
    return this.#blocks[index] ?? [];
  }
}

/** How many of a sorted list come before `one`. */
export function lowerBound<T extends string | number>(sorted: readonly T[], one: T): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const there = sorted[middle];
    if (there !== undefined && there < one) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The first text behind all that begin with `prefix`; undefined when nothing is behind them. */
function prefixEnd(prefix: string): string | undefined {
  for (let at = prefix.length - 1; at >= 0; at -= 1) {
    const code = prefix.charCodeAt(at);
    if (code < 0xffff) return prefix.slice(0, at) + String.fromCharCode(code + 1);
  }
  return undefined;
}
