/** Agents that answer each other come to rest. */

import { describe, expect, it } from "vitest";
import type { TopicEvent } from "../../src/service/types.ts";
import { Bench, replied, type Reply } from "./support/bench.ts";

let serial = 0;
/** A published reply as it appears to whoever reads the result topic. */
function asEvent(reply: Reply, type = "openclaw.response", producer = "scr_agent"): TopicEvent {
  serial += 1;
  return { topicId: "t", eventId: `evt_r${serial}`, cursor: String(serial), type, producer, payload: reply.payload };
}

describe("a loop", () => {
  it("does not begin when command and result topic are the same", async () => {
    const bench = await new Bench().start();
    bench.auto = ({ command }) => replied(`re: ${command.message}`);
    await bench.send("c1", "a");
    for (let round = 0; round < 5; round += 1) await bench.admit(...bench.replies.map((reply) => asEvent(reply)));
    expect(bench.turns).toHaveLength(1);
    expect(bench.delivery.snapshot().counts.ignored).toEqual({ result_type: 15 - 10 });
  });

  it("does not begin between two plugins wired to each other", async () => {
    const [one, two] = [await new Bench().start(), await new Bench().start()];
    for (const bench of [one, two]) bench.auto = ({ command }) => replied(`re: ${command.message}`);
    await one.send("c1", "a");
    await two.admit(...one.replies.map((reply) => asEvent(reply)));
    await one.admit(...two.replies.map((reply) => asEvent(reply)));
    expect([one.turns.length, two.turns.length]).toEqual([1, 0]);
  });

  it("is known by the reply id when a bridge changes the type", async () => {
    const bench = await new Bench().start();
    bench.auto = ({ command }) => replied(command.message);
    await bench.send("c1", "a");
    await bench.admit(...bench.replies.map((reply) => asEvent(reply, "chat.message")));
    expect(bench.turns).toHaveLength(1);
    expect(bench.delivery.snapshot().counts.ignored).toEqual({ reply: 1 });
  });

  it("does not begin with our own events", async () => {
    const bench = await new Bench({ parse: { ownScriptId: "scr_agent" } }).start();
    await bench.admit(bench.event("mine", { producer: "scr_agent" }), bench.event("theirs"));
    expect(bench.begun).toEqual(["theirs"]);
  });

  it("that strips everything but the trace ends at the hop limit, with one refusal", async () => {
    const bench = await new Bench({ maxOpen: 1_000 }).start();
    bench.auto = ({ command }) => replied(`re: ${command.message}`);
    await bench.send("c1", "a");
    // A relay that turns every reply into a new command, passing on the trace as it should.
    for (let round = 0; round < 50; round += 1) {
      const last = bench.replies.at(-1);
      if (last === undefined) break;
      const relayed = bench.event(last.message, {
        payload: { trace: last.payload["trace"], request_id: `relay-${round}` },
      });
      await bench.admit(relayed);
    }
    expect(bench.turns).toHaveLength(9);
    expect(bench.replies.map((reply) => reply.status)).toEqual([
      ...Array.from({ length: 9 }, () => "completed"),
      "rejected",
    ]);
    expect(new Set(bench.replies.map((reply) => (reply.payload["trace"] as { id: string }).id)).size).toBe(1);
  });
});

describe("the kill switch", () => {
  it("starts no more turns, lets the running ones end, and loses nothing", async () => {
    const bench = await new Bench().start();
    await bench.send("c1", "running", "behind it");
    bench.paused = true;
    await bench.send("c2", "while it is off");
    await bench.turn("running").end(replied("done"));
    await bench.clock.advance(60_000);
    expect(bench.begun).toEqual(["running"]);
    expect(bench.answers).toEqual(["completed: done"]);
    expect(bench.delivery.snapshot()).toMatchObject({ backlog: 2, running: 0 });

    bench.auto = ({ command }) => replied(command.message);
    bench.paused = false;
    bench.delivery.pump();
    await bench.clock.until(() => bench.replies.length === 3);
    expect(bench.answers.toSorted()).toEqual(["completed: behind it", "completed: done", "completed: while it is off"]);
  });
});
