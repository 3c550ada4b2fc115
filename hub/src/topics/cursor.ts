/**
 * Generation B's opaque cursors. A cursor is a sequence number with a part of the topic's id in front, so that a cursor
 * taken to another topic is noticed instead of silently reading from the wrong place.
 */

const CURSOR = /^cur_([0-9a-f]{8})_([0-9a-z]{1,11})$/;

/** The position just after sequence number `seq`; 0 is the position before the first event. */
export function encodeCursor(topicId: string, seq: number): string {
  return `cur_${topicId.slice(0, 8)}_${seq.toString(36)}`;
}

/** The sequence number of a cursor of this topic; `undefined` when it is none. */
export function decodeCursor(topicId: string, cursor: string): number | undefined {
  const match = CURSOR.exec(cursor);
  if (match === null || match[1] !== topicId.slice(0, 8)) return undefined;
  const seq = Number.parseInt(match[2] ?? "", 36);
  return Number.isSafeInteger(seq) ? seq : undefined;
}

const OLDER_CURSOR_PREFIX = "old_";

/** Generation A's `next_cursor` of a newest-first listing: continues with what is older than `seq`. */
export function encodeOlderCursor(topicId: string, seq: number): string {
  return OLDER_CURSOR_PREFIX + encodeCursor(topicId, seq);
}

export function decodeOlderCursor(topicId: string, cursor: string): number | undefined {
  if (!cursor.startsWith(OLDER_CURSOR_PREFIX)) return undefined;
  return decodeCursor(topicId, cursor.slice(OLDER_CURSOR_PREFIX.length));
}
