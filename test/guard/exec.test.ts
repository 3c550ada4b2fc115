import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { decideExec } from "../../src/guard/exec.ts";
import { canonical, parseLine } from "../../src/guard/shell.ts";
import { ALLOWED, BENIGN, PATTERN_ATTACKS, SYNTAX_ATTACKS } from "./support/command-lines.ts";

const on = (...allowedCommands: string[]) => ({ enabled: true, allowedCommands });

describe("decideExec", () => {
  it("denies everything while the policy is off, whatever is listed", () => {
    expect(decideExec({ enabled: false, allowedCommands: [".*"] }, "true").allowed).toBe(false);
  });

  const allowedOf = (lines: readonly string[], ...patterns: string[]) =>
    lines.filter((line) => decideExec(on(...patterns), line).allowed);

  it.each(SYNTAX_ATTACKS)("refuses %s even under a pattern that matches anything", (_kind, lines) => {
    expect(allowedOf(lines, "[\\s\\S]*")).toEqual([]);
  });

  it.each(PATTERN_ATTACKS)("refuses what no pattern covers, and for that reason: %s", (_kind, lines) => {
    expect(allowedOf(lines, ...ALLOWED)).toEqual([]);
    expect(allowedOf(lines, "[\\s\\S]*")).toEqual(lines);
  });

  it("allows what an operator would expect", () => {
    expect(allowedOf(BENIGN, ...ALLOWED)).toEqual(BENIGN);
  });

  it("has tables of the promised size, without repetition", () => {
    const attacks = [...SYNTAX_ATTACKS, ...PATTERN_ATTACKS].flatMap(([, lines]) => lines);
    expect(new Set(attacks).size).toBe(attacks.length);
    expect(attacks.length).toBeGreaterThanOrEqual(400);
    expect(new Set(BENIGN).size).toBeGreaterThanOrEqual(60);
  });

  it.each([undefined, null, 3, {}, ["df"], "", "   ", "d".repeat(2_000), "df;".repeat(20) + "df"])(
    "refuses what is no command line, or too much of one: %j",
    (command) => {
      expect(decideExec(on("[\\s\\S]*"), command).allowed).toBe(false);
    },
  );

  it("looks at lines of up to a thousand characters and ten commands", () => {
    const any = on("[\\s\\S]*");
    expect(decideExec(any, "d".repeat(1_000)).allowed).toBe(true);
    expect(decideExec(any, "d".repeat(1_001)).allowed).toBe(false);
    expect(decideExec(any, Array.from({ length: 10 }, () => "df").join(";")).allowed).toBe(true);
    expect(decideExec(any, Array.from({ length: 11 }, () => "df").join(";")).allowed).toBe(false);
    // A refusal is short, whatever was asked.
    expect(JSON.stringify(decideExec(on("df"), `rm ${"x".repeat(900)}`)).length).toBeLessThan(400);
  });

  it("fails closed on a pattern that does not compile, also one that would between the anchors", () => {
    expect(decideExec(on("(df"), "df").allowed).toBe(false);
    expect(decideExec(on("x)|(df"), "df").allowed).toBe(false);
    expect(decideExec(on("(df", "df"), "df").allowed).toBe(true);
  });

  it("says what is wrong with an assignment", () => {
    expect(decideExec(on(".*"), "A=1 df")).toMatchObject({ reason: "environment assignments are not allowed" });
  });

  it("meets the whole command, each alternative of a pattern included", () => {
    expect(decideExec(on("df|ls"), "df x").allowed).toBe(false);
    expect(decideExec(on("df|ls"), "x ls").allowed).toBe(false);
  });

  it("refuses, soon, what a pattern cannot decide", () => {
    expect(decideExec(on("(a+)+b", "df"), "a".repeat(60))).toEqual({
      allowed: false,
      reason: "the allowed commands take too long to compare; the operator has to simplify a pattern",
    });
    expect(decideExec(on("(a+)+b", "df"), "df").allowed).toBe(true);
  });

  it("tells an excluding pattern no way around it by quoting", () => {
    const policy = on("git (?!push)\\w+");
    for (const line of ["git push", "git 'push'", 'git "push"', "git pu''sh", "'git' p\"us\"h"]) {
      expect(decideExec(policy, line).allowed).toBe(false);
    }
    expect(decideExec(policy, "git 'status'").allowed).toBe(true);
  });
});

describe("parseLine, against the shell itself", () => {
  /** What a real shell makes of the words of one command: one line per word. */
  const shellWords = (shell: string, line: string): string[] =>
    execFileSync(shell, ["-c", `show() { for word; do printf '[%s]\\n' "$word"; done; }; show ${line}`], {
      encoding: "utf8",
      env: { PATH: process.env["PATH"] ?? "" },
    })
      .split("\n")
      .slice(0, -1)
      .map((row) => row.slice(1, -1));

  const simple = BENIGN.map((line) => [line, parseLine(line)] as const).flatMap(([line, parsed]) =>
    parsed.ok && parsed.commands.length === 1 && !line.includes(">") && !line.includes("</")
      ? [[line, parsed.commands[0] ?? []] as const]
      : [],
  );

  it("understands every single command as sh does, and so is its canonical form understood", () => {
    expect(simple.length).toBeGreaterThan(40);
    const script = simple.map(([line]) => line);
    for (const [index, [, words]] of simple.entries()) {
      expect(shellWords("sh", script[index] ?? "")).toEqual(words);
      expect(shellWords("sh", canonical(words))).toEqual(words);
      expect(parseLine(canonical(words))).toEqual({ ok: true, commands: [words] });
    }
  });
});

describe("canonical", () => {
  it("is one text per command", () => {
    expect(canonical(["echo", "a b", "", "it's"])).toBe(`echo 'a b' '' 'it'"'"'s'`);
    expect(canonical(["a", "b c"])).not.toBe(canonical(["a", "b", "c"]));
  });
});
