import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { pageBody } from "../../src/topics/page-body.ts";

describe("pageBody", () => {
  it("is the encoded text, whatever the characters", () => {
    const text = fc.string({ unit: "binary", maxLength: 20 });
    fc.assert(
      fc.property(text, fc.array(text, { maxLength: 8 }), text, (head, texts, tail) => {
        expect(Buffer.from(pageBody(head, texts, tail))).toEqual(Buffer.from(head + texts.join(",") + tail));
      }),
      { numRuns: 1000 },
    );
  });
});
