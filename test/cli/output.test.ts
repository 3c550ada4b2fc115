import { describe, expect, it } from "vitest";
import { done, duration, failed, failedBy, jsonLine, print, table } from "../../src/cli/output.ts";
import { AgentruxError } from "../../src/errors.ts";
import { deepJson } from "../support/deep.ts";

function printed(result: Parameters<typeof print>[0], asJson: boolean) {
  const out: string[] = [];
  const err: string[] = [];
  print(result, asJson, { out: (line) => void out.push(line), err: (line) => void err.push(line) });
  return { out, err };
}

describe("print", () => {
  it("gives a program one JSON document, also for a failure", () => {
    expect(printed(done({ a: 1 }, ["x"]), true)).toEqual({ out: ['{"a":1}'], err: [] });
    expect(printed(failed("c", "m"), true)).toEqual({ out: ['{"error":{"code":"c","message":"m"}}'], err: [] });
  });

  it("gives a person lines, a failure on the error stream", () => {
    expect(printed(done({}, ["x", "y"]), false)).toEqual({ out: ["x", "y"], err: [] });
    expect(printed(failed("c", "m"), false)).toEqual({ out: [], err: ["m"] });
  });
});

describe("bad news", () => {
  it("that was asked for is no failure", () => {
    expect(printed({ json: { worst: "error" }, lines: ["x"], exitCode: 1 }, false)).toEqual({ out: ["x"], err: [] });
  });

  it("tells by its exit code whether the same command can work later", () => {
    const codeOf = (options: object, code: "rate_limited" | "forbidden" | "invalid" = "rate_limited") =>
      failedBy(new AgentruxError(code, "no", options)).exitCode;
    expect(codeOf({ retryable: true, kind: "refused" })).toBe(3);
    expect(codeOf({ kind: "refused" }, "forbidden")).toBe(1);
    expect(codeOf({ kind: "refused" }, "invalid")).toBe(1);
    expect(codeOf({}, "invalid")).toBe(2);
    expect(failedBy(new Error("odd"))).toMatchObject({ exitCode: 1, json: { error: { code: "unexpected" } } });
  });

  it("says how long to wait", () => {
    const result = failedBy(new AgentruxError("rate_limited", "Too many.", { retryable: true, retryAfterMs: 360_000 }));
    expect(result.lines).toEqual(["Too many. Try again in 6 min."]);
    expect(result.json).toMatchObject({ error: { retryAfterMs: 360_000 } });
  });
});

describe("JSON", () => {
  it("holds nothing that a terminal would obey, and is the same value", () => {
    const value = { text: "\u001b[2J\u009b31m\u202egnp.exe\u2028" };
    const line = jsonLine(value);
    // oxlint-disable-next-line no-control-regex
    expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2028\u2029]/);
    expect(JSON.parse(line)).toEqual(value);
  });
});

it("prints what is nested too deeply for JSON, too", () => {
  const line = jsonLine({ eventId: "e-1", payload: deepJson() });
  expect(JSON.parse(line)).toMatchObject({ eventId: "e-1" });
  expect(line).toContain("[nested too deeply to be shown]");
});

describe("table and duration", () => {
  it("line up, also with colours", () => {
    expect(
      table(
        ["a", "b"],
        [
          ["\u001b[32mok\u001b[39m", "1"],
          ["warning", "2"],
        ],
      )[1],
    ).toBe("\u001b[32mok\u001b[39m       1");
    expect(
      table(
        ["id", "b"],
        [
          ["1", "xx"],
          ["100", ""],
        ],
      ),
    ).toEqual(["id   b", "1    xx", "100"]);
    expect([0, 59_000, 120_000, 9_000_000, 200_000_000].map(duration)).toEqual([
      "0 s",
      "59 s",
      "2 min",
      "2.5 h",
      "2 d",
    ]);
  });
});
