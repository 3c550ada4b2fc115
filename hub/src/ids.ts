/** Making ids from the hub's randomness and clock. */
import type { Random } from "./runtime.ts";

/** A random UUID (version 4). */
export function uuidV4(random: Random): string {
  const bytes = Buffer.from(random.bytes(16));
  return format(bytes, 0x40);
}

/**
 * A time-ordered UUID (version 7, RFC 9562 section 5.7). Events use it: the index stays append-only, and the age of an
 * id that is no longer stored can still be told.
 */
export function uuidV7(random: Random, nowMs: number): string {
  const bytes = Buffer.from(random.bytes(16));
  bytes.writeUIntBE(nowMs, 0, 6);
  return format(bytes, 0x70);
}

/** When a version 7 UUID was made, in epoch milliseconds; `undefined` for other versions. */
export function uuidV7Time(uuid: string): number | undefined {
  return uuid[14] === "7" ? Number.parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16) : undefined;
}

function format(bytes: Buffer, version: number): string {
  bytes[6] = (bytes.readUInt8(6) & 0x0f) | version;
  bytes[8] = (bytes.readUInt8(8) & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
