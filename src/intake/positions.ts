/**
 * Owns the content of `waterline.json`, in the vendor's formats (behaviour spec, section 1.4).
 *
 *     v1, generation A   {"<topic uuid>": 42}                                      the number of the last event read
 *     v2, generation B1  {"v":2,"w":{"top_<uuid>":{"seq":42,"event_id":"evt_..."}}}
 *     v3, generation B2  {"v":3,"w":{"top_<uuid>":{"event_id":"<cursor or evt_...>"}}}
 *     legacy             {"waterline":42}                                          counts as empty
 *
 * We write v1 for numbers and v3 for cursors, both in one object where a file has both; either part is then exactly
 * what the vendor's plugin of that generation looks up, so that going back to it works. A position of one generation
 * says nothing in the other, which is why both are kept.
 */

import { bareTopicId, prefixedTopicId } from "agentrux-wire";
import type { Cursor, Generation } from "../service/types.ts";

/** A topic's read positions, one for each generation that ever read it. */
export type TopicPositions = { readonly [generation in Generation]?: Cursor };

export interface Positions {
  readonly topics: ReadonlyMap<string, TopicPositions>;
  /** Topics whose entry is there and says nothing we can use. */
  readonly unreadable: ReadonlySet<string>;
}

export const NO_POSITIONS: Positions = { topics: new Map(), unreadable: new Set() };

export type ParsedPositions =
  | { readonly ok: true; readonly positions: Positions }
  | { readonly ok: false; readonly reason: string };

const SEQUENCE_PATTERN = /^\d{1,16}$/;
const NOT_A_TOPIC = new Set(["v", "w", "waterline"]);

/** Parses the text of `waterline.json`. Never throws. */
export function parsePositions(text: string): ParsedPositions {
  const document = parseObject(text);
  if (document === undefined) return { ok: false, reason: "is not a JSON object" };
  const version = document["v"];
  if (version !== undefined && version !== 2 && version !== 3) {
    return { ok: false, reason: "has a format version that is not known here" };
  }
  const topics = new Map<string, TopicPositions>();
  const unreadable = new Set<string>();
  const note = (key: string, found: TopicPositions) => {
    const topicId = bareTopicId(key);
    if (found.a === undefined && found.b === undefined) unreadable.add(topicId);
    else topics.set(topicId, { ...topics.get(topicId), ...found });
  };
  for (const [key, value] of Object.entries(document)) if (!NOT_A_TOPIC.has(key)) note(key, fromNumber(value));
  for (const [key, value] of Object.entries(asObject(document["w"]) ?? {})) note(key, fromEntry(value));
  for (const topicId of topics.keys()) unreadable.delete(topicId);
  return { ok: true, positions: { topics, unreadable } };
}

/** The text of `waterline.json` for `topics`. */
export function formatPositions(topics: ReadonlyMap<string, TopicPositions>): string {
  const numbers: Record<string, number> = {};
  const cursors: Record<string, { event_id: string }> = {};
  for (const [topicId, { a, b }] of topics) {
    if (a !== undefined) numbers[topicId] = Number(a);
    if (b !== undefined) cursors[prefixedTopicId(topicId)] = { event_id: b };
  }
  const hasCursors = Object.keys(cursors).length > 0;
  return `${JSON.stringify({ ...numbers, ...(hasCursors && { v: 3, w: cursors }) })}\n`;
}

/**
 * Whether `to` lies beyond `from`. Cursors of generation B have no order that a client could see: any other one counts
 * as beyond, except the empty one, which is the beginning.
 */
export function isBeyond(generation: Generation, from: Cursor, to: Cursor): boolean {
  return generation === "a" ? Number(to) > Number(from) : to !== from && to !== "";
}

/** Whether `cursor` can be a position of `generation`. */
export function isPosition(generation: Generation, cursor: Cursor): boolean {
  return generation === "b" || cursor === "" || SEQUENCE_PATTERN.test(cursor);
}

function fromNumber(value: unknown): TopicPositions {
  const text = typeof value === "number" || typeof value === "string" ? String(value) : "";
  return SEQUENCE_PATTERN.test(text) ? { a: text } : {};
}

function fromEntry(value: unknown): TopicPositions {
  const entry = asObject(value);
  const { a } = fromNumber(entry?.["seq"]);
  const b = entry?.["event_id"];
  return { ...(a !== undefined && { a }), ...(typeof b === "string" && { b }) };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    return asObject(JSON.parse(text.replace(/^\uFEFF/, "")));
  } catch {
    return undefined;
  }
}

function asObject(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}
