/** Order is kept in a conversation; conversations, and producers, do not wait for each other. */

import { describe, expect, it } from "vitest";
import { Bench, replied } from "./support/bench.ts";

describe("conversations", () => {
  it("do not wait for each other: a slow one leaves a fast one alone", async () => {
    const bench = await new Bench().start();
    await bench.send("slow", "s1", "s2");
    await bench.send("fast", "f1", "f2");
    await bench.turn("f1").end(replied("f1"));
    await bench.turn("f2").end(replied("f2"));
    expect(bench.answers).toEqual(["completed: f1", "completed: f2"]);
    expect(bench.begun).not.toContain("s2");
    await bench.turn("s1").end(replied("s1"));
    expect(bench.begun).toContain("s2");
  });

  it("run as many at once as allowed, and no more", async () => {
    const bench = await new Bench({ maxConcurrency: 3 }).start();
    for (let n = 0; n < 10; n += 1) await bench.send(`c${n}`, `m${n}`);
    expect(bench.turns).toHaveLength(3);
    expect(bench.delivery.snapshot().running).toBe(3);
    await bench.turn("m1").end(replied("x"));
    expect(bench.turns).toHaveLength(4);
  });

  it("keep their order through failures, refusals and crashes", async () => {
    const bench = await new Bench().start();
    let failures = 2;
    bench.auto = ({ command }) => {
      if (command.message === "b" && failures > 0) {
        failures -= 1;
        return { kind: "failed", reason: "r" };
      }
      return command.message === "c" ? "hold" : replied(command.message);
    };
    await bench.send("c1", "a", "b", "c", "d");
    await bench.clock.until(() => bench.begun.includes("c"));
    await bench.crash();
    bench.auto = ({ command }) => replied(command.message);
    await bench.turn("c").end(replied("c"));
    await bench.clock.until(() => bench.replies.length === 4);
    expect(bench.answers).toEqual(["a", "b", "c", "d"].map((message) => `completed: ${message}`));
  });

  it("of one name but of different producers are different ones", async () => {
    const bench = await new Bench().start();
    await bench.admit(bench.event("mine"), bench.event("theirs", { producer: "scr_2" }));
    expect(bench.begun).toEqual(["mine", "theirs"]);
  });

  it("wait for a pause of their own only", async () => {
    const bench = await new Bench({ maxConcurrency: 1 }).start();
    await bench.send("c1", "bad");
    await bench.send("c2", "good");
    await bench.turn("bad").end({ kind: "failed", reason: "r" });
    expect(bench.begun).toEqual(["bad", "good"]);
  });
});

describe("producers", () => {
  it("take turns, however much one of them sends, in however many conversations", async () => {
    const bench = await new Bench({ maxConcurrency: 1 }).start();
    bench.auto = ({ command }) => (command.message === "first" ? "hold" : replied(command.message));
    await bench.send("start", "first");
    const flood = Array.from({ length: 500 }, (_, n) =>
      bench.event(`flood-${n}`, { producer: "scr_flood", payload: { conversation_key: `k${n}` } }),
    );
    await bench.admit(...flood);
    await bench.admit(bench.event("quiet", { producer: "scr_quiet" }));
    await bench.turn("first").end(replied("first"));
    await bench.clock.until(() => bench.begun.includes("quiet"));
    expect(bench.begun.indexOf("quiet")).toBeLessThan(5);
    await bench.clock.until(() => bench.replies.length === 502);
  });

  it("take turns also over what a restart finds", async () => {
    const bench = await new Bench({ maxConcurrency: 1, maxOpen: 10_000 }).start();
    await bench.send("start", "first");
    await bench.admit(...Array.from({ length: 1_500 }, (_, n) => bench.event(`flood-${n}`, { producer: "scr_flood" })));
    await bench.admit(bench.event("quiet", { producer: "scr_quiet" }));
    bench.auto = ({ command }) => replied(command.message);
    await bench.crash();
    await bench.clock.until(() => bench.begun.includes("quiet"));
    expect(bench.begun.indexOf("quiet")).toBeLessThan(8);
  });
});
