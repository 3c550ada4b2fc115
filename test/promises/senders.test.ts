/** Whose commands are taken: the others are told once, are counted, and cost no turn. */

import { describe, expect, it } from "vitest";
import { preparePage } from "../../src/intake/admission.ts";
import { composeReply } from "../../src/replies/compose.ts";
import type { TopicEvent } from "../../src/service/types.ts";
import { Bench, replied } from "./support/bench.ts";

const DAY_MS = 86_400_000;
const parse = { senders: { dmPolicy: "allowlist", allowFrom: ["scr_friend"] } } as const;

async function benchOf(options: ConstructorParameters<typeof Bench>[0] = { parse }): Promise<Bench> {
  const bench = await new Bench(options).start();
  bench.auto = ({ command }) => replied(command.message);
  return bench;
}

describe("a sender that is not on the list", () => {
  it("costs no turn, is told so once, and is counted", async () => {
    const bench = await benchOf();
    const strange = (text: string) => bench.event(text, { producer: "scr_stranger" });
    await bench.admit(strange("a"), strange("b"), bench.event("hello", { producer: "scr_friend" }));
    await bench.admit(strange("c"));
    expect(bench.begun).toEqual(["hello"]);
    expect(bench.replies.map(({ status }) => status).toSorted()).toEqual(["completed", "rejected"]);
    expect(bench.replies.find(({ status }) => status === "rejected")?.payload).toMatchObject({
      final: true,
      error: { code: "sender_not_allowed" },
    });
    expect(bench.delivery.snapshot().counts.rejected).toEqual({ sender_not_allowed: 3 });
  });

  it("is told each its own once, and those the service does not name once together", async () => {
    const bench = await benchOf();
    const nobody = (): TopicEvent => {
      const { producer: _producer, ...event } = bench.event("x");
      return event;
    };
    const from = (producer: string) => bench.event("x", { producer });
    await bench.admit(nobody(), from("scr_a"), from("scr_b"), nobody(), from("scr_a"));
    expect(bench.replies).toHaveLength(3);
    expect(bench.turns).toHaveLength(0);
  });

  it("is not told again after a restart, but in the next window", async () => {
    const bench = await benchOf();
    await bench.admit(bench.event("a", { producer: "scr_stranger" }));
    await bench.restart();
    await bench.admit(bench.event("b", { producer: "scr_stranger" }));
    expect(bench.replies).toHaveLength(1);
    await bench.clock.advance(DAY_MS);
    await bench.admit(bench.event("c", { producer: "scr_stranger" }));
    expect(bench.replies).toHaveLength(2);
  });

  it("leaves none of its words in the journal", async () => {
    const bench = await benchOf();
    const event = bench.event("much of it", { producer: "scr_stranger", payload: { request_id: "r1" } });
    const { rows } = await preparePage([event], parse, composeReply, 0, () => Promise.resolve());
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain("much of it");
  });

  it("cannot take another's request id by it", async () => {
    const bench = await benchOf();
    const asked = (producer: string) => bench.event("hello", { producer, payload: { request_id: "r1" } });
    await bench.admit(asked("scr_stranger"), asked("scr_friend"));
    expect(bench.begun).toEqual(["hello"]);
  });

  it("is nobody at all while the policy is disabled", async () => {
    const bench = await benchOf({ parse: { senders: { dmPolicy: "disabled", allowFrom: ["scr_friend"] } } });
    await bench.admit(bench.event("hello", { producer: "scr_friend" }));
    expect(bench.turns).toHaveLength(0);
    expect(bench.replies[0]?.payload).toMatchObject({ status: "rejected", error: { code: "senders_disabled" } });
  });
});
