/** A message that always fails harms nobody but itself. */

import { describe, expect, it } from "vitest";
import { AgentruxError } from "../../src/errors.ts";
import type { TopicEvent } from "../../src/service/types.ts";
import { Bench, replied } from "./support/bench.ts";

describe("poison", () => {
  it("among a thousand commands ends in the dead letters, alone, and can be replayed", async () => {
    const bench = await new Bench({ maxOpen: 2_000 }).start();
    bench.auto = ({ command }) => {
      if (command.message === "poison") throw new Error("it always throws");
      return replied(command.message);
    };
    const events = Array.from({ length: 1_000 }, (_, n) =>
      bench.event(n === 400 ? "poison" : `m${n}`, { payload: { conversation_key: `k${n % 20}` } }),
    );
    await bench.admit(...events);
    await bench.clock.until(() => bench.replies.length === 1_000);
    expect(bench.replies.filter((reply) => reply.status === "completed")).toHaveLength(999);
    const letters = await bench.delivery.operator.deadLetters(1e9, 10);
    expect(letters).toHaveLength(1);
    expect(bench.delivery.snapshot()).toMatchObject({ backlog: 0, deadLetters: 1 });

    bench.auto = ({ command }) => replied(command.message);
    await bench.delivery.operator.replay(letters[0]?.id ?? 0);
    await bench.clock.until(() => bench.replies.length === 1_001);
    expect(bench.replies.at(-1)).toMatchObject({ status: "completed", message: "poison" });
  });

  it("in an event's own fields does not stop the page it comes in", async () => {
    const bench = await new Bench().start();
    bench.auto = ({ command }) => replied(command.message);
    const odd: readonly unknown[] = [
      { message: "p1", attachments: { a: 1 } },
      { message: "p2", attachments: [null, { object_id: { toString: "no" } }] },
      { message: "p3", trace: { id: {}, hops: { valueOf: 1 } } },
      { message: ["p4"] },
      JSON.parse('{"message":"p5","__proto__":{"polluted":true},"constructor":null}') as unknown,
      { message: "p6", request_id: { a: 1 }, conversation_key: ["k"] },
      "text",
      [],
    ];
    const events = odd.map((payload): TopicEvent => ({ ...bench.event("x"), payload }));
    await bench.admit(...events, bench.event("fine"));
    await bench.clock.until(() => bench.replies.some((reply) => reply.message === "fine"));
    expect(bench.answers.filter((answer) => answer.startsWith("completed")).toSorted()).toEqual(
      ["fine", "p1", "p2", "p3", "p5", "p6"].map((message) => `completed: ${message}`),
    );
    expect(bench.delivery.snapshot().counts).toMatchObject({ ignored: { no_message: 2 }, rejected: { bad_field: 1 } });
  });

  it("in the form of a turn that never ends frees its place", async () => {
    const bench = await new Bench({ maxConcurrency: 1 }).start();
    await bench.send("c1", "hangs");
    await bench.send("c2", "fine");
    await bench.clock.until(() => bench.begun.includes("fine"), 20_000);
    await bench.turn("fine").end(replied("fine"));
    expect(bench.answers).toEqual(["timeout: The agent did not finish within 10 seconds.", "completed: fine"]);
  });

  it.each(["begin", "reply", "putBack"] as const)(
    "in the form of a fault of our own (%s) costs a pause, and no slot",
    async (operation) => {
      const bench = await new Bench({ maxConcurrency: 1 }).start();
      let faults = 1;
      bench.fault = (called) => {
        if (called !== operation || faults === 0) return undefined;
        faults -= 1;
        return new AgentruxError("disk", "a statement that cannot succeed");
      };
      bench.auto = ({ command, attempt }) =>
        // The first attempt is counted when the command is taken over; only a second one is begun by itself.
        operation !== "reply" && attempt === 1 ? { kind: "failed", reason: "r" } : replied(command.message);
      await bench.send("c1", "a");
      await bench.send("c2", "b");
      await bench.clock.until(() => bench.replies.length === 2, 120_000);
      expect(faults).toBe(0);
      expect(bench.answers.toSorted()).toEqual(["completed: a", "completed: b"]);
      expect(bench.delivery.snapshot()).toMatchObject({ backlog: 0, running: 0 });
    },
  );

  it("in the journal's own record is set aside for a while, and the others run", async () => {
    const bench = await new Bench().start();
    bench.disk.admit("t", [{ commandId: "f".repeat(32), producer: "p", lane: "l", body: "{ not json" }], 1);
    await bench.crash();
    await bench.send("c1", "fine");
    await bench.turn("fine").end(replied("fine"));
    expect(bench.answers).toEqual(["completed: fine"]);
    expect(bench.log.lines.some((line) => line.includes("could not be handled"))).toBe(true);
    await bench.clock.advance(600_000);
    expect(bench.log.lines.filter((line) => line.includes("could not be handled")).length).toBeLessThan(30);
  });
});
