import { describe, expect, it } from "vitest";
import { blot, decodeText, findCode } from "../../src/activation/code.ts";
import { CODE_A, CODE_B } from "./support.ts";

describe("findCode", () => {
  it.each([
    ["alone", CODE_A],
    ["with notes around it", `# Title\n\nSome text about ac_codes.\n${CODE_A}\nmore\n`],
    ["with white space, CRLF and a byte order mark", `\uFEFF  ${CODE_A} \t\r\n`],
    ["below a malformed one", `ac_tooshort\nac_with space in it and long enough\n${CODE_A}\n`],
    ["above another valid one", `${CODE_A}\n${CODE_B}\n`],
  ])("finds a code %s", (_name, text) => {
    expect(findCode(text)).toEqual({ kind: "found", generation: "a", code: CODE_A });
  });

  it("tells the generations apart by the prefix", () => {
    expect(findCode(CODE_B)).toEqual({ kind: "found", generation: "b", code: CODE_B });
  });

  it.each(["", "\n\n", "no code here", "see ac_ below", `x${CODE_A}`, `atk_${"a".repeat(43)}`])(
    "finds none in %j",
    (text) => expect(findCode(text)).toEqual({ kind: "none" }),
  );

  it("says what a code looks like and how long the line was, not what it said", () => {
    expect(findCode("ac_short!")).toEqual({
      kind: "malformed",
      reason: "activation code must look like 'ac_<43 chars>' (got 9 chars)",
    });
    expect(findCode("act_short")).toEqual({
      kind: "malformed",
      reason: "activation code must look like 'act_<43 chars>' (got 9 chars)",
    });
  });
});

describe("decodeText and blot", () => {
  it("reads what Windows PowerShell writes", () => {
    const bytes = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(`${CODE_A}\r\n`, "utf16le")]);
    expect(findCode(decodeText(bytes))).toMatchObject({ kind: "found", code: CODE_A });
  });

  it("blots out every occurrence and nothing else", () => {
    expect(blot(`# note\n${CODE_A}\n(${CODE_A})\n${CODE_B}`, CODE_A)).toBe(
      `# note\nac_[redacted]\n(ac_[redacted])\n${CODE_B}`,
    );
  });
});
