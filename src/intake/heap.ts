/** A binary min-heap that can also remove from its middle: the timers of the lanes. */

export interface Heap<T extends object> {
  readonly size: number;
  push(item: T): void;
  peek(): T | undefined;
  pop(): T | undefined;
  /** Removes an item wherever it stands. False when it is not there. */
  remove(item: T): boolean;
}

/** `compare(a, b) < 0` when `a` comes first. An item must not change its order while it is in the heap. */
export function createHeap<T extends object>(compare: (a: T, b: T) => number): Heap<T> {
  const items: T[] = [];
  const places = new Map<T, number>();

  const put = (item: T, at: number): void => {
    items[at] = item;
    places.set(item, at);
  };

  const rise = (item: T, from: number): void => {
    let at = from;
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = items[parentAt];
      if (parent === undefined || compare(item, parent) >= 0) break;
      put(parent, at);
      at = parentAt;
    }
    put(item, at);
  };

  const sink = (item: T, from: number): void => {
    let at = from;
    for (;;) {
      const left = 2 * at + 1;
      const right = left + 1;
      const leftItem = items[left];
      if (leftItem === undefined) break;
      const rightItem = items[right];
      const smallerAt = rightItem !== undefined && compare(rightItem, leftItem) < 0 ? right : left;
      const smaller = items[smallerAt];
      if (smaller === undefined || compare(item, smaller) <= 0) break;
      put(smaller, at);
      at = smallerAt;
    }
    put(item, at);
  };

  const remove = (item: T): boolean => {
    const at = places.get(item);
    if (at === undefined) return false;
    places.delete(item);
    const last = items.pop();
    if (last === undefined || last === item) return true;
    rise(last, at);
    sink(last, places.get(last) ?? at);
    return true;
  };

  return {
    get size() {
      return items.length;
    },
    push: (item) => rise(item, items.length),
    peek: () => items[0],
    pop() {
      const first = items[0];
      if (first !== undefined) remove(first);
      return first;
    },
    remove,
  };
}
