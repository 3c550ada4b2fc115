/** Owns reading an answer's body: bounded while it arrives, decoded as UTF-8 once (W39, W40). */

import type { Readable } from "node:stream";

export interface BoundedText {
  readonly text: string;
  /** There was more than the limit; the rest was not read. */
  readonly truncated: boolean;
}

/**
 * Reads at most `limit` bytes of `body` and closes it.
 *
 * @param loss What a body that breaks off is worth: nothing (the failure is thrown), or what came of it. The latter is
 * for error answers, whose status has already said what matters.
 */
export async function readBounded(
  body: Readable,
  limit: number,
  loss: "all-or-nothing" | "keep-what-came",
): Promise<BoundedText> {
  // Destroying a body early makes it emit an error that nobody else listens for.
  body.on("error", () => {});
  const chunks: Uint8Array[] = [];
  let size = 0;
  let truncated = false;
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      const room = limit - size;
      truncated = chunk.byteLength > room;
      const kept = truncated ? chunk.subarray(0, room) : chunk;
      chunks.push(kept);
      size += kept.byteLength;
      if (truncated) break;
    }
  } catch (cause) {
    if (loss === "all-or-nothing") throw cause;
    truncated = true;
  }
  return { text: new TextDecoder().decode(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)), truncated };
}
