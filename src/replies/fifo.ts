/** A first-in first-out queue whose both ends cost nothing, also when it is long. */

/** Below this many taken items the array is not worth cutting back. */
const COMPACT_FROM = 64;

export class Fifo<T> {
  #items: T[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  peek(): T | undefined {
    return this.#items[this.#head];
  }

  /** The one behind the first. */
  peekSecond(): T | undefined {
    return this.#items[this.#head + 1];
  }

  shift(): T | undefined {
    const item = this.#items[this.#head];
    if (this.#head < this.#items.length) this.#head += 1;
    if (this.#head >= COMPACT_FROM && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Removes the first item that matches, wherever it stands; takes time in proportion to the length. */
  removeFirst(matches: (item: T) => boolean): T | undefined {
    const at = this.#items.findIndex((item, index) => index >= this.#head && matches(item));
    return at < 0 ? undefined : this.#items.splice(at, 1)[0];
  }
}
