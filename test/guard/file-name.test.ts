/** Names from outside as file names. */

import { assert, property, string } from "fast-check";
import { describe, expect, it } from "vitest";
import { safeFileName } from "../../src/guard/file-name.ts";

describe("a name from outside", () => {
  it.each([
    ["report.pdf", "report.pdf"],
    ["日本語 メモ.txt", "日本語 メモ.txt"],
    ["../../../pwned", "pwned"],
    ["..\\..\\windows\\system32\\x.dll", "x.dll"],
    ["/etc/passwd", "passwd"],
    ["C:\\boot.ini", "boot.ini"],
    ["..", "attachment"],
    [".", "attachment"],
    ["", "attachment"],
    [undefined, "attachment"],
    ["a/", "attachment"],
    [".bashrc", "bashrc"],
    ["-rf", "rf"],
    ["con", "_con"],
    ["NUL.txt", "_NUL.txt"],
    ["com1.tar.gz", "_com1.tar.gz"],
    ["console.log", "console.log"],
    ["a\u0000b.txt", "ab.txt"],
    ["a\nb\r\nc.txt", "a b c.txt"],
    ["a\u202Etxt.exe", "atxt.exe"],
    ["x. . .", "x"],
    ['a<b>:"c|d?e*.txt', "a_b___c_d_e_.txt"],
    ["foo.zip/../../evil.sh", "evil.sh"],
    ["file.txt::$DATA", "file.txt__$DATA"],
    ["\u{1F600}".repeat(3), "\u{1F600}".repeat(3)],
  ])("%j becomes %j", (name, expected) => {
    expect(safeFileName(name)).toBe(expected);
  });

  it("is cut on a character, and keeps its extension", () => {
    const cut = safeFileName(`${"é".repeat(500)}.tar.gz`);
    expect(cut).toMatch(/^é+\.gz$/);
    expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(120);
    expect(safeFileName(`${"a".repeat(500)}.elevenchars`)).toMatch(/^a+\.elevenchars$/);
    // What is longer is no extension.
    expect(safeFileName(`${"a".repeat(500)}.twelve-chars`)).toBe("a".repeat(120));
    expect(safeFileName(`${"\ufffd".repeat(3)}x`)).toBe(`${"\ufffd".repeat(3)}x`);
  });

  it("is always one harmless part of a path", () => {
    assert(
      property(string({ unit: "binary", maxLength: 300 }), (name) => {
        const safe = safeFileName(name);
        expect(safe).not.toBe("");
        expect(Buffer.byteLength(safe)).toBeLessThanOrEqual(121);
        // eslint-disable-next-line no-control-regex
        expect(safe).not.toMatch(/[/\\\u0000-\u001f\u007f]|^\.|[. ]$/);
        expect(safe.isWellFormed()).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
