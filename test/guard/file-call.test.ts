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

  it.each([
    ..."write_file createFile append-file delete_file MoveFile edit_file NotebookEdit".split(" "),
    ..."str_replace_editor write edit".split(" "),
  ])("knows that %s writes", (tool) => {
    expect(namedFiles(tool, { path: "a.md" })).toEqual({ ok: true, names: ["a.md"], access: "write" });
  });

  it.each(["ls", "Glob", "tree", "list_dir", "ListDirectory", "grep", "find"])(
    "knows that %s looks at all there",
    (tool) => {
      expect(namedFiles(tool, { path: "a" })).toEqual({ ok: true, names: ["a"], access: "walk" });
      expect(namedFiles(tool, { DIR: "a" })).toEqual({ ok: true, names: ["a"], access: "walk" });
      expect(namedFiles(tool, { dir: 7 })).toEqual({ ok: true, names: ["."], access: "walk" });
    },
  );

  it.each([
    ..."content contents text oldText newText old_text new_text oldString newString".split(" "),
    ..."old_string new_string old_str new_str insert_text file_text new_source".split(" "),
  ])("takes nothing that is put into a file under %s for a name, but what a reader is given there", (field) => {
    const params = { path: "a.md", [field]: "/etc/passwd" };
    expect(namedFiles("write", params)).toEqual({ ok: true, names: ["a.md"], access: "write" });
    expect(namedFiles("read", params)).toEqual({ ok: true, names: ["a.md", "/etc/passwd"], access: "read" });
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
      "***  Update   File : wide.txt",
      "*** Move   to: far.txt",
    );
    const result = namedFiles("apply_patch", params);
    expect(result).toMatchObject({ ok: true, access: "write" });
    const names = result.ok ? result.names.map((name) => name.trim()) : [];
    expect(names).toEqual(["new.txt", "old.txt", "../moved.txt", "/etc/x", "close.txt", "wide.txt", "far.txt"]);
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
    const nested = (levels: number, wrap: (inner: unknown) => unknown): Record<string, unknown> => {
      let inner: unknown = "x";
      for (let level = 1; level < levels; level += 1) inner = wrap(inner);
      return { inner };
    };
    for (const wrap of [(inner: unknown) => ({ inner }), (inner: unknown) => [inner]]) {
      expect(namedFiles("read", nested(8, wrap))).toMatchObject({ ok: true, names: ["x"] });
      expect(namedFiles("read", nested(9, wrap))).toMatchObject({ ok: false });
    }
    const many = (count: number) => ({ paths: Array.from({ length: count }, () => "x") });
    expect(namedFiles("read", many(1_001))).toMatchObject({ ok: true });
    expect(namedFiles("read", many(1_002))).toMatchObject({ ok: false });
    const tool = "t".repeat(1_000);
    const refused = namedFiles(tool, many(1_002));
    expect(refused.ok ? "" : refused.reason).toContain("ttt");
    expect(JSON.stringify(refused).length).toBeLessThan(200);
  });

  it("takes no text for a path that no system would take for one", () => {
    expect(namedFiles("read", { path: "x".repeat(4_096) })).toMatchObject({ names: ["x".repeat(4_096)] });
    expect(namedFiles("read", { path: "x".repeat(4_097) })).toMatchObject({ names: [] });
  });
});
