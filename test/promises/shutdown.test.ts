/** A stop settles what was accepted, in bounded time; whatever it leaves, the next start takes up. */

import { describe, expect, it } from "vitest";
import { Bench, replied } from "./support/bench.ts";

/** Stops, and tells how long that took in virtual time. */
async function stop(bench: Bench, deadlineMs: number): Promise<number> {
  const begin = bench.clock.monotonic();
  let stopped = false;
  const stopping = bench.delivery.stop(deadlineMs).then(() => (stopped = true));
  await bench.clock.until(() => stopped, 60_000);
  await stopping;
  return bench.clock.monotonic() - begin;
}

describe("a stop", () => {
  it("takes no time when nothing is under way, and leaves no timer behind", async () => {
    const bench = await new Bench().start();
    expect(await stop(bench, 5_000)).toBe(0);
    await bench.clock.advance(120_000);
    expect(bench.clock.pending).toBe(0);
  });

  it("lets a turn end, and sends its reply", async () => {
    const bench = await new Bench().start();
    await bench.send("c1", "a", "b");
    const stopping = bench.delivery.stop(5_000);
    await bench.clock.advance(1_000);
    await bench.turn("a").end(replied("a"));
    await stopping;
    expect(bench.answers).toEqual(["completed: a"]);
    expect(bench.begun).toEqual(["a"]);
  });

  it("aborts a turn at the deadline, does not count it, and takes it up at the next start", async () => {
    const bench = await new Bench().start();
    await bench.send("c1", "a");
    const { signal } = bench.turn("a");
    signal.addEventListener("abort", () => void bench.turn("a").end({ kind: "not-started", reason: "aborted" }));
    const took = await stop(bench, 4_000);
    expect(took).toBeLessThanOrEqual(5_000);
    expect(signal.aborted).toBe(true);
    expect(bench.records.openCommands(0, 1)).toMatchObject([{ state: "received", tries: 0, attempt: 1 }]);
    await bench.crash();
    expect(bench.turn("a").request.attempt).toBe(2);
    expect(bench.answers).toEqual([]);
  });

  it("leaves nearly all of its time to the turns", async () => {
    const bench = await new Bench({ turnTimeoutMs: 120_000 }).start();
    await bench.send("c1", "a");
    const stopping = bench.delivery.stop(130_000);
    await bench.clock.advance(119_000);
    expect(bench.turn("a").signal.aborted).toBe(false);
    await bench.turn("a").end(replied("a"));
    await stopping;
    expect(bench.answers).toEqual(["completed: a"]);
  });

  it("does not wait for a turn that ignores it, nor for a disk or a service that never answers", async () => {
    const bench = await new Bench().start();
    await bench.send("c1", "ignores");
    await bench.send("c2", "answered");
    bench.publishes = () => new Promise(() => {});
    await bench.turn("answered").end(replied("x"));
    bench.diskFull = true;
    expect(await stop(bench, 3_000)).toBeLessThanOrEqual(4_000);
    bench.diskFull = false;
    bench.publishes = undefined;
    await bench.crash();
    await bench.clock.until(() => bench.turns.length === 3);
    expect(bench.answers).toEqual(["completed: x"]);
  });

  it("does not wait for the host", async () => {
    const bench = await new Bench().start();
    bench.owner = () => "host";
    await bench.send("c1", "a");
    await bench.turn("a").end({ kind: "swallowed" });
    expect(await stop(bench, 5_000)).toBe(0);
    await bench.crash();
    expect(bench.delivery.snapshot().waitingForHost).toBe(1);
  });

  it("still writes down an answer that comes after it, which the next life publishes", async () => {
    const bench = await new Bench().start();
    await bench.send("c1", "a");
    const late = bench.turn("a");
    await stop(bench, 1_000);
    bench.owner = () => "host";
    await bench.restart();
    await late.end(replied("late, but not lost"));
    expect(bench.records.numbers().replied).toBe(1);
    await bench.clock.until(() => bench.replies.length === 1, 120_000);
    expect(bench.answers).toEqual(["completed: late, but not lost"]);
    await bench.clock.advance(1_800_000);
    expect(bench.turns).toHaveLength(1);
    expect(bench.delivery.snapshot().backlog).toBe(0);
  });

  it("refuses what is handed over afterwards", async () => {
    const bench = await new Bench().start();
    await stop(bench, 1_000);
    await expect(bench.admit(bench.event("a"))).rejects.toMatchObject({ code: "stopped" });
  });

  it("begins no turn any more, not even one whose attempt was being counted, and counts none", async () => {
    const bench = await new Bench().start();
    bench.paused = true;
    await bench.send("c1", "a");
    bench.diskFull = true;
    bench.paused = false;
    bench.delivery.pump();
    await bench.clock.settle();
    const stopped = bench.delivery.stop(10_000);
    await bench.clock.advance(7_200);
    bench.diskFull = false;
    await bench.clock.advance(4_000);
    await stopped;
    expect(bench.begun).toEqual([]);
    expect(bench.records.openCommands(0, 5)).toMatchObject([{ state: "received", tries: 0 }]);
  });

  it("right after the start leaves what it found as it was", async () => {
    const bench = await new Bench().start();
    bench.paused = true;
    await bench.send("c1", "a");
    await bench.crash();
    bench.paused = false;
    bench.delivery.pump();
    expect(await stop(bench, 0)).toBeLessThanOrEqual(1_000);
    expect(bench.begun).toEqual([]);
    expect(bench.records.openCommands(0, 5)).toMatchObject([{ state: "received", tries: 0 }]);
  });
});
