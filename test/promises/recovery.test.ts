/** What a crash leaves behind is taken up again, at every point of a command's life, whatever the host does by itself. */

import { describe, expect, it } from "vitest";
import type { TurnOwner } from "../../src/replies/turn.ts";
import { Bench, replied } from "./support/bench.ts";

async function crashedInTurn(options = {}): Promise<Bench> {
  const bench = await new Bench(options).start();
  await bench.send("c1", "a", "b");
  return bench;
}

describe("a crash", () => {
  it("before a turn leaves the command waiting", async () => {
    const bench = await new Bench({ maxConcurrency: 1 }).start();
    await bench.send("c1", "a");
    await bench.send("c2", "b");
    await bench.crash();
    expect(bench.begun).toEqual(["a", "b"]);
    expect(bench.turn("b").request.attempt).toBe(1);
  });

  it("in mid-turn runs the turn again under a new address, and counts the first", async () => {
    const bench = await crashedInTurn();
    await bench.crash();
    expect(bench.begun).toEqual(["a", "a"]);
    expect(bench.turns.map((turn) => turn.request.attempt)).toEqual([1, 2]);
    expect(bench.records.openCommands(0, 1)).toMatchObject([{ attempt: 2, tries: 2 }]);
    await bench.turn("a").end(replied("a"));
    await bench.turn("b").end(replied("b"));
    expect(bench.answers).toEqual(["completed: a", "completed: b"]);
  });

  it("in every attempt ends with a failed reply and a dead letter, and the next command runs", async () => {
    const bench = await crashedInTurn();
    for (let crash = 1; crash <= 3; crash += 1) await bench.crash();
    await bench.clock.settle();
    expect(bench.begun).toEqual(["a", "a", "a", "b"]);
    expect(bench.answers).toEqual(["failed: The agent could not complete this request."]);
    expect(await bench.delivery.operator.deadLetters(1e9, 10)).toMatchObject([{ attempt: 3 }]);
  });

  it("with the answer written down publishes it, without another turn", async () => {
    const bench = await crashedInTurn();
    bench.publishes = () => new Promise(() => {});
    await bench.turn("a").end(replied("a"));
    bench.publishes = undefined;
    await bench.crash();
    expect(bench.answers).toEqual(["completed: a"]);
    expect(bench.begun.filter((message) => message === "a")).toHaveLength(1);
  });

  it("keeps the pause before the next attempt", async () => {
    const bench = await new Bench().start();
    await bench.send("c1", "a");
    await bench.turn("a").end({ kind: "failed", reason: "r" });
    await bench.crash();
    await bench.clock.advance(499);
    expect(bench.turns).toHaveLength(1);
    await bench.clock.advance(1);
    expect(bench.turns).toHaveLength(2);
  });

  it("does not make a pause a day long because the clock jumped", async () => {
    const bench = await new Bench().start();
    await bench.send("c1", "a");
    await bench.turn("a").end({ kind: "failed", reason: "r" });
    bench.clock.wallOffset -= 86_400_000;
    await bench.crash();
    await bench.clock.until(() => bench.turns.length === 2, 10_000);
    expect(bench.turn("a").request.attempt).toBe(2);
  });
});

describe("after a crash the host", () => {
  it("that resumes the turn is waited for, and its answer is the reply", async () => {
    const bench = await crashedInTurn();
    bench.owner = () => "host";
    await bench.crash();
    await bench.clock.advance(60_000);
    expect(bench.begun).toEqual(["a"]);
    expect(bench.delivery.snapshot()).toMatchObject({ waitingForHost: 1, running: 0 });
    const { address } = bench.turn("a").request;
    expect(await bench.delivery.acceptHostReply(address, "resumed", [])).toBe("accepted");
    await bench.clock.advance(5_000);
    expect(bench.begun).toEqual(["a", "b"]);
    expect(bench.answers).toEqual(["completed: resumed"]);
  });

  it("does not keep other conversations waiting meanwhile", async () => {
    const bench = await crashedInTurn({ maxConcurrency: 1 });
    bench.owner = () => "host";
    await bench.crash();
    await bench.send("c2", "other");
    expect(bench.begun).toContain("other");
  });

  it("that lets go without an answer is asked twice, then the turn runs again", async () => {
    const bench = await crashedInTurn();
    bench.owner = () => "host";
    await bench.crash();
    await bench.clock.advance(10_000);
    bench.owner = () => "nobody";
    await bench.clock.advance(2_000);
    expect(bench.turns).toHaveLength(1);
    await bench.clock.advance(2_000);
    expect(bench.turn("a").request.attempt).toBe(2);
  });

  it("that has only marked the turn is waited for as long as it works on another, and a minute more", async () => {
    const bench = await new Bench().start();
    await bench.send("c1", "marked");
    await bench.send("c2", "resumed");
    const { address } = bench.turn("resumed").request;
    let resumed: TurnOwner = "host";
    bench.owner = (request) => (request.command.message === "marked" ? "later" : resumed);
    await bench.crash();
    await bench.clock.advance(10 * 60_000);
    expect(bench.turns).toHaveLength(2);
    resumed = "nobody";
    await bench.delivery.acceptHostReply(address, "resumed", []);
    await bench.clock.advance(55_000);
    expect(bench.turns).toHaveLength(2);
    await bench.clock.advance(8_000);
    expect(bench.turn("marked").request.attempt).toBe(2);
    await bench.turn("marked").end(replied("run again"));
    expect(bench.answers).toEqual(["completed: resumed", "completed: run again"]);
  });

  it("that takes up a marked turn within that minute is waited for", async () => {
    const bench = await crashedInTurn();
    bench.owner = () => "later";
    await bench.crash();
    await bench.clock.advance(55_000);
    bench.owner = () => "host";
    await bench.clock.advance(5 * 60_000);
    expect(bench.turns).toHaveLength(1);
  });

  it("whose answer is on its way when it lets go is still heard", async () => {
    const bench = await crashedInTurn();
    bench.owner = () => "host";
    await bench.crash();
    const { address } = bench.turn("a").request;
    await bench.clock.advance(10_000);
    bench.owner = () => "nobody";
    await bench.clock.advance(2_000);
    await bench.delivery.acceptHostReply(address, "resumed", []);
    await bench.clock.advance(5_000);
    expect(bench.begun).toEqual(["a", "b"]);
    expect(bench.answers).toEqual(["completed: resumed"]);
  });

  it("that cannot be read is waited for a minute", async () => {
    const bench = await crashedInTurn();
    bench.owner = () => "unknown";
    await bench.crash();
    await bench.clock.advance(59_000);
    expect(bench.turns).toHaveLength(1);
    await bench.clock.until(() => bench.turns.length === 2, 5_000);
  });

  it("that cannot even be asked is as one that cannot be read", async () => {
    const bench = await crashedInTurn();
    bench.owner = () => {
      throw new Error("no such store");
    };
    await bench.crash();
    await bench.clock.until(() => bench.turns.length === 2, 70_000);
    expect(bench.turn("a").request.attempt).toBe(2);
  });

  it("that answers although the turn was run again is not heard twice", async () => {
    const bench = await crashedInTurn();
    const { address } = bench.turn("a").request;
    await bench.crash();
    await bench.turn("a").end(replied("second run"));
    expect(await bench.delivery.acceptHostReply(address, "resumed", [])).toBe("closed");
    expect(bench.answers).toEqual(["completed: second run"]);
  });

  it("is asked again after a second crash while it was waited for", async () => {
    const bench = await crashedInTurn();
    bench.owner = () => "host";
    await bench.crash();
    await bench.clock.advance(4_000);
    await bench.crash();
    await bench.clock.advance(4_000);
    expect(bench.turns).toHaveLength(1);
    bench.owner = () => "nobody";
    await bench.clock.until(() => bench.turns.length === 2, 10_000);
    expect(bench.records.openCommands(0, 1)).toMatchObject([{ tries: 2 }]);
  });
});
