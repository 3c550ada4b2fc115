import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeCursor, decodeOlderCursor, encodeCursor, encodeOlderCursor } from "../../src/topics/cursor.ts";

describe("cursors", () => {
  it("come back as they went out, on their own topic only", () => {
    fc.assert(
      fc.property(fc.uuid(), fc.uuid(), fc.maxSafeNat(), (topic, other, seq) => {
        expect(decodeCursor(topic, encodeCursor(topic, seq))).toBe(seq);
        expect(decodeOlderCursor(topic, encodeOlderCursor(topic, seq))).toBe(seq);
        expect(decodeCursor(topic, encodeOlderCursor(topic, seq))).toBeUndefined();
        fc.pre(topic.slice(0, 8) !== other.slice(0, 8));
        expect(decodeCursor(other, encodeCursor(topic, seq))).toBeUndefined();
      }),
    );
  });

  it("are nothing else", () => {
    fc.assert(
      fc.property(fc.uuid(), fc.string(), (topic, text) => {
        expect(decodeCursor(topic, text)).toBeUndefined();
      }),
    );
    const topic = "11111111-1111-4111-8111-111111111111";
    expect(decodeCursor(topic, "cur_11111111_zzzzzzzzzzz")).toBeUndefined();
  });
});
