import { describe, expect, it } from "vitest";
import { namedFiles } from "../../src/guard/file-call.ts";

const patch = (...lines: string[]) => ({ input: ["*** Begin Patch", ...lines, "*** End Patch"].join("\n") });

describe("what a call says about files", () => {
  it.each([
    ["read", { path: "a.md", offset: 1 }, { names: ["a.md"], access: "read" }],
    ["Read", { file_path: "a.md" }, { names: ["a.md"], access: "read" }],
    [
      "view_image",
      { path: "a.png", paths: ["b.png", "c.png"] },
      { names: ["a.png", "b.png", "c.png"], access: "read" },
    ],
    ["pdf", { pdfs: ["a.pdf"], prompt: "two\nlines" }, { names: ["a.pdf"], access: "read" }],
    ["message", { attachments: [{ media: "a.png" }] }, { names: ["a.png"], access: "read" }],
    ["some_tool", { files: { "a/b.txt": "x" } }, { names: ["a/b.txt", "x"], access: "read" }],
    ["grep", { pattern: "x" }, { names: ["x", "."], access: "walk" }],
    ["grep", { pattern: "x", path: "  " }, { names: ["x", "  ", "."], access: "walk" }],
    ["read", { path: "a.md\n" }, { names: ["a.md\n"], access: "read" }],
    ["read", { path: null, paths: ["a.md", null] }, { names: ["a.md"], access: "read" }],
    ["find", { pattern: "x", path: "notes" }, { names: ["x", "notes"], access: "walk" }],
    ["write", { path: "a.md", content: "/etc/passwd" }, { names: ["a.md"], access: "write" }],
    ["edit", { path: "a.md", edits: [{ oldText: "~/b", newText: "~/c" }] }, { names: ["a.md"], access: "write" }],
    ["MultiEdit", { file_path: "a.md", edits: [{ old_string: "b" }] }, { names: ["a.md"], access: "write" }],
    ["str_replace_based_edit_tool", { path: "a", old_str: "b", new_str: "c" }, { names: ["a"], access: "write" }],
  ])("%s %j", (tool, params, expected) => {
    expect(namedFiles(tool, params)).toEqual({ ok: true, ...expected });
  });

  it("finds every file of a patch, however its headers are indented or ended", () => {
    const params = patch(
      "*** Add File: new.txt",
      "+*** Add File: no header",
      "*** Update File: old.txt",
      "*** Move to: ../moved.txt",
      "@@",
      "-x",
      "  *** Delete File: /etc/x\r",
      "***update file:close.txt",
    );
    const result = namedFiles("apply_patch", params);
    expect(result).toMatchObject({ ok: true, access: "write" });
    const names = result.ok ? result.names.map((name) => name.trim()) : [];
    expect(names).toEqual(["new.txt", "old.txt", "../moved.txt", "/etc/x", "close.txt"]);
  });

  it("finds them wherever the patch stands in the call", () => {
    expect(namedFiles("apply-patch", { patch: { text: "*** Delete File: x" } })).toMatchObject({
      ok: true,
      names: ["x"],
    });
  });

  it.each([[{}], [{ input: "" }], [patch("--- a/x", "+++ b/x")]])(
    "refuses a patch that names no file: %j",
    (params) => {
      expect(namedFiles("apply_patch", params)).toMatchObject({ ok: false });
    },
  );

  it("refuses what is too large to look through", () => {
    let deep: object = { path: "x" };
    for (let level = 0; level < 20; level += 1) deep = { deep };
    expect(namedFiles("read", { ...deep })).toMatchObject({ ok: false });
    expect(namedFiles("read", { paths: Array.from({ length: 2_000 }, () => "x") })).toMatchObject({ ok: false });
  });
});
