/** Owns cutting off transfers in which nothing moves. */

export interface IdleWatch {
  /** Something moved. */
  readonly moved: () => void;
  readonly stop: () => void;
}

/** Calls `cutOff` once nothing has moved for `limitMs`. A timer of the socket would outlive the transfer on it. */
export function watchIdle(limitMs: number, cutOff: () => void): IdleWatch {
  const timer = setTimeout(cutOff, limitMs);
  return { moved: () => void timer.refresh(), stop: () => clearTimeout(timer) };
}

/** The same bytes, telling of each piece. */
export async function* watched(source: AsyncIterable<Buffer>, moved: () => void): AsyncGenerator<Buffer> {
  for await (const piece of source) {
    moved();
    yield piece;
  }
}
