/**
 * Owns reading a published event: the envelope of flux-wire 1.1 and this hub's extensions to it. What is wrong with the
 * form (a missing field, a wrong type) and what is wrong with the content (an empty stream) are told apart, because in a
 * batch the first refuses everything and the second one event. Texts are those that stock clients may match.
 */
import { HubError } from "../errors.ts";
import { memberTexts } from "../json-text.ts";
import { canonicalJson } from "./canonical.ts";
import type { ChangeExtras } from "./fold.ts";

/** An event as its publisher gave it. */
export interface GivenEvent extends ChangeExtras {
  /** Undefined where the hub is to make one. */
  readonly eventId: string | undefined;
  readonly stream: string;
  readonly source: string;
  readonly timestamp: number;
  readonly key: string | null;
  readonly schema: string | null;
  /** JSON in canonical form. */
  readonly payload: string;
  /** Version the entity must have, 0 for one that must not be there; undefined when it does not matter. */
  readonly expectedVersion: number | undefined;
}

const STREAM_PATTERN = /^[a-z0-9]+(\.[a-z0-9]+)*$/;
/** A hundred years. */
const MAX_TTL_S = 100 * 365 * 24 * 3600;
const KNOWN = new Set(["eventId", "stream", "source", "timestamp", "key", "schema", "payload"]);

/**
 * @param text JSON text that `JSON.parse` has accepted
 * @throws HubError INVALID (400) when the form is wrong
 */
export function readEvent(text: string): GivenEvent {
  if (!text.trimStart().startsWith("{")) throw malformed(`invalid type: ${typeOf(text)}, expected struct FluxEvent`);
  const members = memberTexts(text, (name) => {
    if (KNOWN.has(name)) throw malformed(`duplicate field \`${name}\``);
  });
  const required = (name: string): string => {
    const value = members.get(name);
    if (value === undefined) throw malformed(`missing field \`${name}\` ${endOf(text)}`);
    return value;
  };
  const stream = textMember("stream", required("stream"));
  const source = textMember("source", required("source"));
  const timestamp = timestampOf(required("timestamp"));
  return {
    eventId: optionalText(members, "eventId") || undefined,
    stream,
    source,
    timestamp,
    key: optionalText(members, "key"),
    schema: optionalText(members, "schema"),
    payload: canonicalJson(required("payload")),
    remove: removeOf(members.get("remove")),
    ttlS: wholeNumber(members, "ttlSeconds", MAX_TTL_S),
    expectedVersion: wholeNumber(members, "expectedVersion", Number.MAX_SAFE_INTEGER),
  };
}

/** What is wrong with the content of an event, undefined when nothing is. */
export function faultOf(event: GivenEvent): string | undefined {
  if (event.stream === "") return "stream is required";
  if (event.source === "") return "source is required";
  if (!STREAM_PATTERN.test(event.stream)) {
    return `invalid stream format '${event.stream}': must be lowercase with optional dots`;
  }
  if (event.timestamp <= 0) return `timestamp must be positive, got ${event.timestamp}`;
  if (event.payload === "null") return "payload is required";
  if (!event.payload.startsWith("{")) return "payload must be a JSON object";
  return undefined;
}

/** What a payload says about an entity. */
export interface Subject {
  /** Undefined where the payload names none. */
  readonly entityId: string | undefined;
  /** JSON text of whatever stands under `properties`. */
  readonly properties: string | undefined;
}

/** @param payload a JSON object in canonical form */
export function subjectOf(payload: string): Subject {
  const members = memberTexts(payload);
  const id = members.get("entity_id");
  return {
    entityId: id?.startsWith('"') === true ? textMember("entity_id", id) : undefined,
    properties: members.get("properties"),
  };
}

/** What this hub's extensions said, as the log keeps it; null where they said nothing. */
export function extrasJson({ remove, ttlS }: ChangeExtras): string | null {
  if (remove.length === 0 && ttlS === undefined) return null;
  return JSON.stringify({ ...(remove.length === 0 ? {} : { remove }), ...(ttlS === undefined ? {} : { ttlS }) });
}

function textMember(name: string, text: string): string {
  if (!text.startsWith('"')) throw malformed(`${name}: invalid type: ${typeOf(text)}, expected a string`);
  // Parsed rather than cut out: a slice would keep the whole request in memory as long as the entity lives.
  const value = String(JSON.parse(text));
  if (!value.isWellFormed()) throw malformed(`${name}: half of a surrogate pair`);
  return value;
}

function optionalText(members: ReadonlyMap<string, string>, name: string): string | null {
  const text = members.get(name);
  return text === undefined || text === "null" ? null : textMember(name, text);
}

function timestampOf(text: string): number {
  if (!/^-?\d/.test(text)) throw malformed(`invalid type: ${typeOf(text)}, expected i64`);
  if (!/^-?\d+$/.test(text)) throw malformed(`invalid type: floating point \`${text}\`, expected i64`);
  const value = Number(text);
  // Beyond this a millisecond can no longer be told from the next.
  if (!Number.isSafeInteger(value)) throw malformed(`invalid value: integer \`${text}\`, expected i64`);
  return value;
}

function removeOf(text: string | undefined): readonly string[] {
  if (text === undefined || text === "null") return [];
  const value: unknown = JSON.parse(text);
  if (Array.isArray(value) && value.every((name) => typeof name === "string")) return value;
  throw malformed("remove: must be a list of property names");
}

function wholeNumber(members: ReadonlyMap<string, string>, name: string, max: number): number | undefined {
  const text = members.get(name);
  if (text === undefined || text === "null") return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= max) return value;
  throw malformed(`${name}: must be a whole number from 0 to ${max}`);
}

function typeOf(text: string): string {
  const first = text.trimStart().charAt(0);
  if (first === '"') return `string ${text.trim().slice(0, 80)}`;
  if (first === "{") return "map";
  if (first === "[") return "sequence";
  if (first === "n") return "null";
  if (first === "t" || first === "f") return `boolean \`${text.trim()}\``;
  return `integer \`${text.trim().slice(0, 40)}\``;
}

/** Where a document ends, in the words of the stock server's parser. */
function endOf(text: string): string {
  const lines = text.trimEnd().split("\n");
  return `at line ${lines.length} column ${lines.at(-1)?.length ?? 0}`;
}

function malformed(message: string): HubError {
  return new HubError("INVALID", message, { status: 400 });
}
