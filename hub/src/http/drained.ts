/** Owns waiting for a writer that is full. */
import { once } from "node:events";
import type { EventEmitter } from "node:events";

/** Resolves when a stream takes more, or is closed. It leaves no listener behind, however often it is used. */
export async function drainedOrClosed(stream: EventEmitter): Promise<void> {
  const over = new AbortController();
  try {
    await Promise.race([
      once(stream, "drain", { signal: over.signal }),
      once(stream, "close", { signal: over.signal }),
    ]);
  } finally {
    over.abort();
  }
}
