/** Owns telling text from everything else by its bytes, and reading the beginning of a stream without losing it. Pure. */

/** A stream whose beginning is known. */
export interface Headed {
  readonly head: Buffer;
  /** Whether `head` is all there is. */
  readonly complete: boolean;
  /** The whole of it, the head included; once. */
  all(): AsyncIterable<Uint8Array>;
  /** Ends it unread. */
  discard(): Promise<void>;
}

/** Reads until more than `bytes` are there, or the end. */
export async function readHead(source: AsyncIterable<Uint8Array>, bytes: number): Promise<Headed> {
  const iterator = source[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  let size = 0;
  let complete = false;
  while (size <= bytes) {
    const next = await iterator.next();
    if (next.done === true) {
      complete = true;
      break;
    }
    chunks.push(next.value);
    size += next.value.byteLength;
  }
  const head = Buffer.concat(chunks);
  return {
    head,
    complete,
    async *all() {
      yield head;
      if (!complete) yield* { [Symbol.asyncIterator]: () => iterator };
    },
    async discard() {
      await iterator.return?.();
    },
  };
}

/** Tab, line feed, form feed, carriage return and escape are found in text; no other control character is. */
// eslint-disable-next-line no-control-regex
const BINARY = /[\u0000-\u0008\u000b\u000e-\u001a\u001c-\u001f]/;
/** Types that are text whatever they are called. */
const TEXT_TYPE =
  /^(?:text\/|application\/(?:json|xml|javascript|typescript|yaml|toml|x-sh|sql)|image\/svg\+xml|[^;]+\+(?:json|xml))/i;

export function isTextType(type: string): boolean {
  return TEXT_TYPE.test(type);
}

/**
 * The text at the beginning of a file, at most `maxBytes` of it, cut on a character; undefined when it is not UTF-8
 * text.
 */
export function textIn(head: Uint8Array, complete: boolean, maxBytes: number): string | undefined {
  const cut = head.byteLength > maxBytes || !complete;
  try {
    // A decoder that expects more keeps an unfinished character to itself.
    const text = new TextDecoder("utf-8", { fatal: true }).decode(head.subarray(0, maxBytes), { stream: cut });
    return BINARY.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}
