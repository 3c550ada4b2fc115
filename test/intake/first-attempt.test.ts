import { beforeEach, describe, expect, it } from "vitest";
import { Bench, replied } from "../promises/support/bench.ts";

let bench: Bench;
let operations: string[];

beforeEach(async () => {
  bench = await new Bench({ maxConcurrency: 2 }).start();
  operations = [];
  bench.fault = (operation) => {
    operations.push(operation);
    return undefined;
  };
});

const states = () => bench.records.openCommands(0, 10).map(({ state, attempt, tries }) => [state, attempt, tries]);

describe("the first attempt of a command that may start at once", () => {
  it("is counted in the same write that takes it over", async () => {
    await bench.send("c1", "a");
    expect(operations).toEqual(["admit"]);
    expect(states()).toEqual([["running", 1, 1]]);
    expect(bench.turns).toHaveLength(1);
  });

  it("is not counted while another command of its conversation is open", async () => {
    await bench.send("c1", "a");
    await bench.send("c1", "b");
    expect(states()).toEqual([
      ["running", 1, 1],
      ["received", 0, 0],
    ]);
    await bench.turn("a").end(replied("a"));
    expect(operations).toContain("begin");
    expect(states()).toEqual([["running", 1, 1]]);
  });

  it("is not counted while no slot is free", async () => {
    for (const name of ["a", "b", "c"]) await bench.send(name, name);
    expect(states().at(-1)).toEqual(["received", 0, 0]);
    expect(bench.turns).toHaveLength(2);
  });

  it("is not counted while the host refuses turns", async () => {
    await bench.send("c1", "a");
    await bench.turn("a").end({ kind: "not-started", reason: "draining" });
    await bench.send("c2", "b");
    expect(states().at(-1)).toEqual(["received", 0, 0]);
  });

  it("is given back when the host refuses turns meanwhile and a stop follows", async () => {
    await bench.send("c1", "a");
    bench.fault = (operation) => {
      if (operation === "admit") void bench.turn("a").end({ kind: "not-started", reason: "draining" });
      return undefined;
    };
    await bench.send("c2", "b");
    expect(states().at(-1)).toEqual(["running", 1, 1]);
    expect(bench.begun).toEqual(["a"]);
    const stopped = bench.delivery.stop(1_000);
    await bench.clock.until(() => states().at(-1)?.[0] === "received", 5_000);
    await stopped;
    expect(states().at(-1)).toEqual(["received", 1, 0]);

    await bench.restart();
    await bench.clock.until(() => bench.begun.includes("b"), 60_000);
    expect(bench.turn("b").request.attempt).toBe(2);
    await bench.turn("b").end(replied("b"));
    expect(bench.answers).toContain("completed: b");
  });

  it("counts as interrupted when the process dies before the turn has started", async () => {
    await bench.send("c1", "a");
    await bench.crash();
    await bench.clock.until(() => bench.turns.length === 2, 120_000);
    expect(bench.turns.at(-1)?.request.attempt).toBe(2);
  });
});
