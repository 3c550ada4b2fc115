import { describe, expect, it } from "vitest";
import { done, duration, failed, print, table } from "../../src/cli/output.ts";

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

describe("table and duration", () => {
  it("line up", () => {
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
