/**
 * Owns the memory of which ids were ever taken over.
 *
 * An id is kept as 96 bits of a SHA-256: enough that two different ids never meet. On disk the keys lie in blocks in
 * order of arrival, in memory in one hash table. A unique index in SQL would do the same, but event and request ids
 * are random, so every row would rewrite a page of its own somewhere in the index: measured, a quarter of the
 * admission rate once 500,000 ids are kept. Blocks are only ever appended, and removed from the oldest end.
 */

/** 32-bit words in a key. */
const WORDS = 3;
export const KEY_BYTES = WORDS * 4;
const MIN_SLOTS = 1 << 10;

/** A key as it is kept: three unsigned words. */
export type SeenKey = readonly [number, number, number];

/** Reads a key as it comes from the caller: lowercase hex, of which the first 24 digits count. */
export function seenKey(hexKey: string): SeenKey {
  const word = (index: number): number => Number.parseInt(hexKey.slice(index * 8, index * 8 + 8), 16) >>> 0;
  return [word(0), word(1), word(2)];
}

/** A set of keys: open addressing with linear probing, at most two thirds full. Keys are never removed one by one. */
export class SeenSet {
  #table = new Uint32Array(MIN_SLOTS * WORDS);
  #mask = MIN_SLOTS - 1;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has([a, b, c]: SeenKey): boolean {
    return this.#find(a, b, c) < 0;
  }

  /** False when the key was there. */
  add([a, b, c]: SeenKey): boolean {
    return this.#add(a, b, c);
  }

  /** Adds a block of keys as `encodeKeys` wrote it. */
  addBlock(block: Uint8Array): void {
    const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
    for (let at = 0; at + KEY_BYTES <= block.byteLength; at += KEY_BYTES) {
      this.#add(view.getUint32(at), view.getUint32(at + 4), view.getUint32(at + 8));
    }
  }

  #add(a: number, b: number, c: number): boolean {
    const slot = this.#find(a, b, c);
    if (slot < 0) return false;
    this.#table[slot] = a;
    this.#table[slot + 1] = b;
    this.#table[slot + 2] = c;
    this.#size += 1;
    if (this.#size * 3 > (this.#mask + 1) * 2) this.#grow();
    return true;
  }

  /** The free place for the key, as an index into the table; -1 when it is there already. The zero key marks a free place. */
  #find(a: number, b: number, c: number): number {
    const table = this.#table;
    for (let slot = a & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const at = slot * WORDS;
      if (table[at] === a && table[at + 1] === b && table[at + 2] === c) return -1;
      if (table[at] === 0 && table[at + 1] === 0 && table[at + 2] === 0) return at;
    }
  }

  #grow(): void {
    const old = this.#table;
    const slots = (this.#mask + 1) * 2;
    this.#table = new Uint32Array(slots * WORDS);
    this.#mask = slots - 1;
    this.#size = 0;
    for (let at = 0; at < old.length; at += WORDS) {
      const [a = 0, b = 0, c = 0] = old.subarray(at, at + WORDS);
      if (a !== 0 || b !== 0 || c !== 0) this.#add(a, b, c);
    }
  }
}

/** Packs keys into a block. */
export function encodeKeys(keys: readonly SeenKey[]): Uint8Array {
  const block = new Uint8Array(keys.length * KEY_BYTES);
  const view = new DataView(block.buffer);
  for (const [index, key] of keys.entries()) {
    for (const [place, word] of key.entries()) view.setUint32(index * KEY_BYTES + place * 4, word);
  }
  return block;
}
