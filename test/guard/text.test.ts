import { describe, expect, it } from "vitest";
import { cleanLine, cleanText } from "../../src/guard/text.ts";

describe("cleanText", () => {
  it("takes out NULs, control characters and bidirectional overrides, keeping tabs, newlines and every script", () => {
    expect(cleanText("a\u0000b\u0007c\u009bd\u202ee\tf\r\ng\u00e9\u65e5\u672c\u{1f600}")).toBe(
      "abcde\tf\ng\u00e9\u65e5\u672c\u{1f600}",
    );
  });

  it("declares a cut and never splits a character", () => {
    expect(cleanText("abcdef", 3)).toBe("abc\n[cut: 3 more characters]");
    expect(cleanText("ab\u{1f600}c", 3)).toBe("ab\n[cut: 3 more characters]");
  });
});

describe("cleanLine", () => {
  it("is one line of bounded length", () => {
    expect(cleanLine("a\nb\t c")).toBe("a b c");
    expect(cleanLine("x".repeat(10_000)).length).toBeLessThan(200);
  });
});
