/** Owns watching the bytes of a hint stream: whether any come at all, and that no line grows without end (W19). */

import type { Readable } from "node:stream";

const LF = 10;
const CR = 13;

/** What `eventsource` asks of a body's reader. */
export interface StreamReader {
  read(): Promise<{ done: false; value: Uint8Array } | { done: true; value?: undefined }>;
  cancel(): Promise<void>;
}

export interface WatchedBody {
  readonly reader: StreamReader;
  /** Stops watching. Idempotent. */
  release(): void;
}

export interface WatchOptions {
  /** Silence after which the stream counts as dead. Every byte breaks it, also those of comments. */
  readonly silenceMs: number;
  /** Longest line, comments included: the parser skips what it does not know without counting it. */
  readonly maxLineBytes: number;
  readonly onSilence: () => void;
  readonly onLongLine: () => void;
  /** The stream ended (no cause) or broke. */
  readonly onEnd: (cause?: unknown) => void;
}

export function watchBody(body: Readable, options: WatchOptions): WatchedBody {
  const chunks = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  const silence = setTimeout(options.onSilence, options.silenceMs);
  const measure = lineMeter(options.maxLineBytes);
  const release = (): void => clearTimeout(silence);
  // Cutting the connection makes the body emit an error that nobody else listens for.
  body.on("error", () => {});

  return {
    release,
    reader: {
      async read() {
        try {
          const next = await chunks.next();
          if (next.done === true) {
            options.onEnd();
            return { done: true };
          }
          silence.refresh();
          if (measure(next.value)) return { done: false, value: next.value };
          options.onLongLine();
        } catch (cause) {
          options.onEnd(cause);
        }
        return { done: true };
      },
      async cancel() {
        release();
        body.destroy();
      },
    },
  };
}

/** A function that is fed the stream's bytes and tells whether every line so far was short enough. */
function lineMeter(maxLineBytes: number): (chunk: Uint8Array) => boolean {
  let open = 0;
  return (chunk) => {
    const breaks = [chunk.indexOf(LF), chunk.indexOf(CR)].filter((at) => at >= 0);
    if (breaks.length === 0) {
      open += chunk.byteLength;
      return open <= maxLineBytes;
    }
    const short = open + Math.min(...breaks) <= maxLineBytes;
    open = chunk.byteLength - 1 - Math.max(chunk.lastIndexOf(LF), chunk.lastIndexOf(CR));
    return short;
  };
}
