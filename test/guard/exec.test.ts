import { describe, expect, it } from "vitest";
import { decideExec } from "../../src/guard/exec.ts";

const on = (...allowedCommands: string[]) => ({ enabled: true, allowedCommands });

describe("decideExec", () => {
  it("denies everything while the policy is off, whatever is listed", () => {
    expect(decideExec({ enabled: false, allowedCommands: [".*"] }, "true").allowed).toBe(false);
  });

  it("allows a simple command that a pattern matches as a whole", () => {
    expect(decideExec(on("df -h", "ls( -l)?"), "ls -l").allowed).toBe(true);
    expect(decideExec(on("df -h"), "  df -h ").allowed).toBe(true);
  });

  it.each(["df -h /etc", "xdf -h", "df", "DF -h", "df -h x"])("does not take a part for the whole: %s", (command) => {
    expect(decideExec(on("df -h"), command).allowed).toBe(false);
  });

  it.each([
    "df; id",
    "df && id",
    "df | sh",
    "df $(id)",
    "df `id`",
    "df > x",
    "df < x",
    "df\nid",
    "df\rid",
    "df ${HOME}",
    "(df)",
    "{ df; }",
    "df & id",
    "df \\; id",
    "df #x",
    "df <<EOF",
    "!df",
    "df \u0000id",
    "PATH=/tmp df",
    " A=1 df",
  ])("refuses shell syntax even under a pattern that matches anything: %j", (command) => {
    expect(decideExec(on("[\\s\\S]*"), command).allowed).toBe(false);
  });

  it.each([undefined, null, 3, {}, ["df"], "", "   ", "d".repeat(2_000)])(
    "refuses what is no command line: %j",
    (command) => {
      expect(decideExec(on("[\\s\\S]*"), command).allowed).toBe(false);
    },
  );

  it("fails closed on a pattern that does not compile", () => {
    expect(decideExec(on("(df"), "df").allowed).toBe(false);
    expect(decideExec(on("(df", "df"), "df").allowed).toBe(true);
  });
});
