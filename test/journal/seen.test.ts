import { hash } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeKeys, KEY_BYTES, type SeenKey, seenKey, SeenSet } from "../../src/journal/seen.ts";

const keyOf = (n: number): SeenKey => seenKey(hash("sha256", String(n), "hex").slice(0, 32));

describe("SeenSet", () => {
  it("answers like a Set, through growth", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(5_000), { maxLength: 3_000 }), (numbers) => {
        const seen = new SeenSet();
        const model = new Set<number>();
        for (const n of numbers) {
          const key = keyOf(n);
          expect(seen.has(key)).toBe(model.has(n));
          expect(seen.add(key)).toBe(!model.has(n));
          model.add(n);
        }
        expect(seen.size).toBe(model.size);
      }),
      { numRuns: 50 },
    );
  });

  it("tells keys apart that fall on the same place and share words", () => {
    const seen = new SeenSet();
    const keys = ["00000001ffffffff00000000", "00000001ffffffff00000001", "0000000100000000ffffffff"].map(seenKey);
    for (const key of keys) expect(seen.add(key)).toBe(true);
    for (const key of keys) expect(seen.has(key)).toBe(true);
    expect(seen.has(seenKey("00000001fffffffe00000000"))).toBe(false);
  });

  it("reads 96 bits of a key, whatever stands behind them", () => {
    expect(seenKey("00000001fffffffe89abcdef01234567")).toEqual([1, 0xff_ff_ff_fe, 0x89_ab_cd_ef]);
  });

  it("takes in the blocks it wrote", () => {
    const keys = Array.from({ length: 2_500 }, (_, n) => keyOf(n));
    const block = encodeKeys(keys);
    expect(block.byteLength).toBe(keys.length * KEY_BYTES);
    const seen = new SeenSet();
    seen.addBlock(block);
    expect(keys.every((key) => seen.has(key))).toBe(true);
    expect(seen.has(keyOf(9_999_999))).toBe(false);
  });
});
