import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { elementTexts, memberTexts } from "../src/json-text.ts";

/** Prints a value with white space wherever JSON allows it. */
function spaced(value: unknown, space: string): string {
  return JSON.stringify(value, null, space);
}

const whiteSpace = fc.constantFrom("", " ", "\t", "    ");

describe("memberTexts", () => {
  it("cuts out exactly what JSON.parse reads, for any object and any white space", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue()), whiteSpace, (object, space) => {
        const text = `\r\n ${spaced(object, space)} \n`;
        const expected = Object.entries(JSON.parse(text) as Record<string, unknown>);
        const members = memberTexts(text);
        expect(members.size).toBe(expected.length);
        for (const [name, value] of expected) {
          const cut = members.get(name);
          expect(cut).toBe(cut?.trim());
          expect(JSON.parse(cut ?? "")).toEqual(value);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("reads escaped names, escaped quotes and backslashes at the end of strings", () => {
    const members = memberTexts(String.raw`{"pay\u006coad":"a\\","b\"c":"\\\"","d":{"e":"}"}}`);
    expect([...members]).toEqual([
      ["payload", String.raw`"a\\"`],
      ['b"c', String.raw`"\\\""`],
      ["d", '{"e":"}"}'],
    ]);
  });

  it("takes the last of members named twice", () => {
    expect(memberTexts('{"a":1,"a":2}').get("a")).toBe("2");
    expect(memberTexts("{}").size).toBe(0);
    expect(memberTexts(" { } ").size).toBe(0);
  });
});

describe("elementTexts", () => {
  it("cuts out exactly the elements of any list", () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), whiteSpace, (list, space) => {
        const text = spaced(list, space);
        expect(elementTexts(text).map((element): unknown => JSON.parse(element))).toEqual(JSON.parse(text));
      }),
      { numRuns: 1000 },
    );
  });
});
