import { describe, expect, it } from "vitest";
import { createTroubleLog } from "../src/trouble-log.ts";

const EPOCH = Date.parse("2026-04-08T12:00:00Z");

function setUp() {
  let now = 0;
  const lines: string[] = [];
  const add = (level: string) => (line: string) => void lines.push(`${now / 1_000} ${level} ${line}`);
  const log = { info: add("info"), warn: add("warn"), error: add("error") };
  const troubles = createTroubleLog({ log, clock: { now: () => EPOCH + now, monotonic: () => now } });
  return {
    lines,
    troubles,
    wait: (ms: number) => void (now += ms),
    /** Fails once a second for so long. */
    fail: (seconds: number): void => {
      for (let n = 0; n < seconds; n += 1) {
        troubles.again("t", "down");
        now += 1_000;
      }
    },
  };
}

describe("a trouble in the log", () => {
  it("is a warning at first, and one line when it is over", () => {
    const { lines, troubles, wait } = setUp();
    troubles.again("t", "down");
    wait(500);
    troubles.over("t", "up");
    troubles.over("t", "up");
    expect(lines).toEqual(["0 warn down", "0.5 info up"]);
  });

  it("is told ever more rarely, with count and beginning, and becomes an error after a minute", () => {
    const { lines, fail, troubles } = setUp();
    fail(200);
    troubles.over("t", "up");
    expect(lines).toEqual([
      "0 warn down",
      "10 warn down (11 times since 2026-04-08T12:00:00.000Z)",
      "30 warn down (31 times since 2026-04-08T12:00:00.000Z)",
      "70 error down (71 times since 2026-04-08T12:00:00.000Z)",
      "150 error down (151 times since 2026-04-08T12:00:00.000Z)",
      "200 info up (200 times since 2026-04-08T12:00:00.000Z)",
    ]);
  });

  it("fills about a dozen lines in a night", () => {
    const { lines, fail } = setUp();
    fail(10 * 3_600);
    expect(lines.length).toBeLessThan(20);
    expect(lines.at(-1)).toContain("error down (");
  });

  it("that flickers is one trouble, whose ends are told once a minute, the last one too", () => {
    const { lines, troubles, wait } = setUp();
    for (let n = 0; n < 300; n += 1) {
      troubles.again("t", "down");
      wait(1_000);
      troubles.over("t", "up");
      wait(1_000);
    }
    expect(lines.length).toBeLessThan(20);
    expect(lines.some((line) => line.includes("error down ("))).toBe(true);
    wait(60_000);
    troubles.over("t", "up");
    expect(lines.at(-1)).toContain("info up (300 times");
  });

  it("that comes back after a calm minute is a new one", () => {
    const { lines, fail, troubles, wait } = setUp();
    fail(100);
    troubles.over("t", "up");
    wait(61_000);
    troubles.again("t", "down");
    expect(lines.at(-1)).toBe("161 warn down");
  });

  it("is none of another trouble's, and nothing is over that never was", () => {
    const { lines, troubles } = setUp();
    troubles.again("one", "one down");
    troubles.again("other", "other down");
    troubles.over("third", "third up");
    expect(lines).toEqual(["0 warn one down", "0 warn other down"]);
  });
});
