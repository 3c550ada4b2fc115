/**
 * Owns the ids of our events: UUIDs of version 7, which hold the time they were made at. A hub that knows an event by its id
 * compares the whole event, its timestamp included; so whoever repeats one by its id alone has to get the same timestamp
 * again, and finds it in the id.
 */

import { randomBytes } from "node:crypto";

const UUID_V7 = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** A new id. @param nowMs epoch milliseconds */
export function newEventId(nowMs: number, random: (bytes: number) => Buffer = randomBytes): string {
  const time = Math.floor(nowMs).toString(16).padStart(12, "0").slice(-12);
  const rest = random(10).toString("hex");
  const variant = "89ab"[Number.parseInt(rest.charAt(3), 16) % 4];
  return `${time.slice(0, 8)}-${time.slice(8)}-7${rest.slice(0, 3)}-${variant}${rest.slice(4, 7)}-${rest.slice(7, 19)}`;
}

/** When an id was made, epoch milliseconds; undefined where it is none of ours. */
export function eventTime(id: string): number | undefined {
  const [, high, low] = UUID_V7.exec(id) ?? [];
  const time = Number.parseInt(`${high}${low}`, 16);
  return time > 0 ? time : undefined;
}
