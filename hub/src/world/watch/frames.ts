/**
 * Owns the messages of the WebSocket and their bytes. A message is encoded once and its buffer written to every watcher, so
 * frames are made here rather than by the library, which would make one for each connection (RFC 6455 section 5.2: final,
 * unmasked).
 */
import { memberTexts } from "../../json-text.ts";
import type { Entity, LiveFields } from "../entity.ts";
import { entityTextWithMeta } from "../entity.ts";
import { isoMicros } from "../instants.ts";
import type { Applied } from "../writer.ts";

const FINAL_TEXT = 0x81;
const PONG = 0x8a;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const MAX_16 = 0xffff;

export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const head = length < LENGTH_16 ? 2 : length <= MAX_16 ? 4 : 10;
  const frame = Buffer.allocUnsafe(head + length);
  frame[0] = FINAL_TEXT;
  if (head === 2) frame[1] = length;
  else if (head === 4) {
    frame[1] = LENGTH_16;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = LENGTH_64;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.write(text, head);
  return frame;
}

/** The answer to a ping, whose data is at most 125 bytes long. */
export function pongFrame(data: Buffer): Buffer {
  return Buffer.concat([Buffer.from([PONG, data.length]), data]);
}

/** What stock clients read: a message for each property (flux-wire 2). A property that was taken away becomes null. */
export function stockFrames({ entity, change }: Applied): Buffer {
  if (entity.properties === undefined) return stockDeletion(entity);
  const removed = change.remove.filter((name) => !change.properties.has(name)).map((name) => [name, "null"] as const);
  const updates = [...change.properties, ...removed].map(([name, value]) => stockUpdate(entity, name, value));
  return Buffer.concat(updates);
}

/** The whole of an entity, as stock clients would have learnt of it piece by piece. */
export function stockState(entity: Entity & LiveFields): Buffer {
  return Buffer.concat([...memberTexts(entity.properties)].map(([name, value]) => stockUpdate(entity, name, value)));
}

export function stockDeletion({ id, at }: Entity): Buffer {
  return textFrame(`{"type":"entity_deleted","entity_id":${JSON.stringify(id)},"timestamp":"${isoMicros(at)}Z"}`);
}

function stockUpdate({ id, at }: Entity, name: string, value: string): Buffer {
  const [entityId, property] = [JSON.stringify(id), JSON.stringify(name)];
  return textFrame(
    `{"type":"state_update","entity_id":${entityId},"property":${property},"value":${value},"timestamp":"${isoMicros(at)}Z"}`,
  );
}

/** Makes the position after an event into text that a client keeps and sends back. */
export type CursorText = (seq: number) => string;

/**
 * What watchers of mode `explicit` read: a message for each event, whole.
 * @param wanted whether a property was asked for
 */
export function explicitUpdate(
  applied: Applied,
  cursorText: CursorText,
  wanted: (property: string) => boolean = () => true,
): Buffer {
  const { entity, entry, change } = applied;
  if (entity.properties === undefined) return explicitDeletion(entity, cursorText(entry.seq));
  const changes = [...change.properties]
    .filter(([name]) => wanted(name))
    .map(([name, value]) => `${JSON.stringify(name)}:${value}`);
  const removed = change.remove.filter((name) => wanted(name) && !change.properties.has(name));
  return textFrame(
    `{"type":"entity_update","entity_id":${JSON.stringify(entity.id)},"changes":{${changes.join(",")}},` +
      `"removed":${JSON.stringify(removed)},"version":${entity.version},"timestamp":"${isoMicros(entity.at)}Z",` +
      `"eventId":${JSON.stringify(entry.eventId)},"stream":${JSON.stringify(entry.stream)},` +
      `"source":${JSON.stringify(entry.source)},"cursor":"${cursorText(entry.seq)}"}`,
  );
}

/** All of an entity; whatever a client held of it is to be replaced. */
export function explicitState(entity: Entity & LiveFields, cursor: string): Buffer {
  return textFrame(`{"type":"entity_state","entity":${entityTextWithMeta(entity)},"cursor":"${cursor}"}`);
}

export function explicitDeletion({ id, at, version }: Entity, cursor: string): Buffer {
  return textFrame(
    `{"type":"entity_deleted","entity_id":${JSON.stringify(id)},"timestamp":"${isoMicros(at)}Z","version":${version},` +
      `"cursor":"${cursor}"}`,
  );
}

/** A part of what a subscription holds. @param entities their texts */
export function snapshotFrame(label: string, entities: readonly string[], more: boolean, cursor: string): Buffer {
  return textFrame(
    `{"type":"snapshot","subscription":${label},"entities":[${entities.join(",")}],"more":${more},"cursor":"${cursor}"}`,
  );
}
