/** Accepted means on disk; every command gets exactly one terminal reply; nothing is dropped silently. */

import { describe, expect, it } from "vitest";
import { healthOf } from "../../src/account/health.ts";
import { metricsOf } from "../../src/account/metrics.ts";
import { AgentruxError } from "../../src/errors.ts";
import type { IntakeHealth } from "../../src/intake/intake.ts";
import type { TurnResult } from "../../src/replies/turn.ts";
import { Bench, replied, TOPIC } from "./support/bench.ts";

const signal = new AbortController().signal;

describe("taking over", () => {
  it("is confirmed only when every event of the page is on disk", async () => {
    const bench = await new Bench().start();
    bench.diskFull = true;
    const page = { topicId: TOPIC, events: [bench.event("a"), bench.event("b")], position: "2" };
    await expect(bench.delivery.admit(page, signal)).rejects.toMatchObject({ code: "disk", retryable: true });
    expect(bench.records.numbers().received).toBe(0);
    expect(bench.delivery.snapshot().journalFault).toContain("full");
    expect(bench.turns).toEqual([]);

    bench.diskFull = false;
    await bench.delivery.admit(page, signal);
    expect(bench.records.numbers().received + bench.records.numbers().running).toBe(2);
    expect(bench.delivery.snapshot().journalFault).toBeUndefined();
  });

  it("absorbs a page that is read again", async () => {
    const bench = await new Bench().start();
    const events = [bench.event("a"), bench.event("b", { payload: { conversation_key: "c2" } })];
    await bench.admit(...events);
    await bench.turn("a").end(replied("a"));
    await bench.admit(...events);
    await bench.turn("b").end(replied("b"));
    await bench.admit(...events);
    expect(bench.begun).toEqual(["a", "b"]);
    expect(bench.answers).toEqual(["completed: a", "completed: b"]);
    expect(bench.delivery.snapshot().counts).toMatchObject({ events: 6, commands: 2, duplicates: 4 });
  });

  it("takes a request id once, also after its reply, and events without one each time", async () => {
    const bench = await new Bench().start();
    bench.auto = ({ command }) => replied(command.message);
    const named = { payload: { request_id: "same" } };
    await bench.admit(bench.event("a", named), bench.event("b", named));
    await bench.admit(bench.event("c", named), bench.event("c", { ...named, producer: "scr_2" }));
    await bench.admit(
      bench.event("d", { payload: { request_id: undefined } }),
      bench.event("d", { payload: { request_id: undefined } }),
    );
    expect(bench.answers).toEqual(["completed: a", "completed: c", "completed: d", "completed: d"]);
    expect(bench.delivery.snapshot().counts.repeatedRequests).toBe(2);
  });

  it("goes on past an event on which the reading fails, counts it and says so; a full disk still stops it", async () => {
    const bench = await new Bench().start();
    bench.auto = ({ command }) => replied(command.message);
    const broken = Object.defineProperty(bench.event("broken"), "payload", {
      get() {
        throw new TypeError("a fault of ours");
      },
    });
    const page = [bench.event("before"), broken, bench.event("after")];
    bench.diskFull = true;
    await expect(bench.admit(...page)).rejects.toMatchObject({ code: "disk" });
    bench.diskFull = false;
    await bench.admit(...page);
    expect(bench.answers).toEqual(["completed: before", "completed: after"]);
    const delivery = bench.delivery.snapshot();
    expect(delivery.counts).toMatchObject({ events: 3, malformed: 1, commands: 2 });
    // Beside those that the service gave in no form of an event.
    const intake = { malformed: 2 } as IntakeHealth;
    expect(healthOf(intake, delivery)).toMatchObject({ malformed: 3 });
    expect(metricsOf(intake, delivery, 0)).toContainEqual(
      expect.objectContaining({ name: "agentrux_malformed_events_total", samples: [{ value: 3 }] }),
    );
    const told = bench.log.lines.filter((line) => line.includes(broken.eventId));
    expect(told).toEqual([expect.stringContaining("cannot be read and is passed over: a fault of ours")]);
  });

  it("accounts for every event", async () => {
    const bench = await new Bench().start();
    bench.auto = ({ command }) => replied(command.message);
    const bare = (payload: unknown, type = "openclaw.request"): ReturnType<Bench["event"]> => ({
      ...bench.event("x"),
      type,
      payload,
    });
    await bench.admit(
      bench.event("fine"),
      bare(null),
      bare({ message: "not a command" }, "openclaw.response"),
      bare({ message: { not: "text" } }),
      bare({ message: "far", trace: { hops: 9 } }),
      bare({ message: "too far", trace: { hops: 10 } }),
    );
    const { counts } = bench.delivery.snapshot();
    expect(counts).toMatchObject({
      events: 6,
      commands: 1,
      ignored: { no_message: 1, result_type: 1 },
      rejected: { bad_field: 1, too_many_hops: 2 },
      replies: { completed: 1, rejected: 2 },
      published: 3,
    });
    expect(bench.answers.toSorted()).toEqual([
      "completed: fine",
      "rejected: The message, request id or conversation key is not a text of acceptable length.",
      "rejected: This request has passed through too many agents.",
    ]);
  });

  it("waits while too much is open, and goes on when there is room", async () => {
    const bench = await new Bench({ maxOpen: 2, maxConcurrency: 1 }).start();
    await bench.send("c1", "a", "b");
    let admitted = false;
    const page = { topicId: TOPIC, events: [bench.event("c")], position: "3" };
    const waiting = bench.delivery.admit(page, signal).then(() => (admitted = true));
    await bench.clock.advance(5_000);
    expect(admitted).toBe(false);
    await bench.turn("a").end(replied("a"));
    await waiting;
    expect(bench.delivery.snapshot().backlog).toBe(2);
  });

  it("that waits for room ends with its signal, or with a stop", async () => {
    const bench = await new Bench({ maxOpen: 1 }).start();
    await bench.send("c1", "a");
    const page = { topicId: TOPIC, events: [bench.event("b")], position: "3" };
    const abort = new AbortController();
    const aborted = bench.delivery.admit(page, abort.signal);
    abort.abort();
    await expect(aborted).rejects.toMatchObject({ code: "aborted" });
    const stopped = bench.delivery.admit(page, signal);
    const stop = bench.delivery.stop(0);
    await expect(stopped).rejects.toMatchObject({ code: "stopped" });
    await bench.clock.advance(5_000);
    await stop;
  });
});

describe("the one reply", () => {
  const endings: readonly (readonly [string, TurnResult, string])[] = [
    ["an answer", replied("x"), "completed"],
    ["silence", { kind: "silent" }, "completed"],
    ["failure", { kind: "failed", reason: "r" }, "failed"],
    ["a timeout", { kind: "timeout" }, "timeout"],
    ["a swallowed attempt", { kind: "swallowed" }, "failed"],
    ["a deferred turn that is never answered", { kind: "deferred" }, "failed"],
  ];

  it.each(endings)("comes after %s, once, whatever happens later", async (_name, result, status) => {
    const bench = await new Bench().start();
    bench.auto = () => result;
    await bench.send("c1", "a");
    await bench.clock.until(() => bench.replies.length === 1);
    const { address } = bench.turn("a").request;
    await bench.delivery.acceptHostReply(address, "late", []);
    await bench.crash();
    await bench.clock.advance(3_600_000);
    expect(bench.replies.map((reply) => reply.status)).toEqual([status]);
    expect(bench.records.numbers()).toMatchObject({ received: 0, running: 0, replied: 0 });
  });

  it("is on disk before it is sent", async () => {
    const bench = await new Bench().start();
    bench.publishes = () => new Promise(() => {});
    await bench.send("c1", "a");
    await bench.turn("a").end(replied("pong"));
    expect(bench.replies).toEqual([]);
    expect(bench.records.numbers().replied).toBe(1);
    bench.publishes = undefined;
    await bench.crash();
    expect(bench.answers).toEqual(["completed: pong"]);
    expect(bench.turns).toHaveLength(1);
  });

  it("is kept back, not lost, while the disk is full, and so is the next turn", async () => {
    const bench = await new Bench({ maxConcurrency: 1 }).start();
    await bench.send("c1", "a", "b");
    bench.diskFull = true;
    await bench.turn("a").end(replied("a"));
    await bench.clock.advance(120_000);
    expect(bench.replies).toEqual([]);
    expect(bench.begun).toEqual(["a"]);
    expect(bench.delivery.snapshot().journalFault).toBeDefined();
    bench.diskFull = false;
    await bench.clock.until(() => bench.turns.length === 2, 30_000);
    expect(bench.answers).toEqual(["completed: a"]);
    expect(bench.delivery.snapshot().journalFault).toBeUndefined();
  });

  it("does not wait for a service that is away: turns go on, up to a bound", async () => {
    const bench = await new Bench({ maxUnsent: 3 }).start();
    bench.publishes = () => Promise.reject(new AgentruxError("network", "away", { kind: "unknown", retryable: true }));
    bench.auto = ({ command }) => replied(command.message);
    await bench.send("c1", ..."abcdefgh".split(""));
    await bench.clock.advance(60_000);
    expect(bench.turns.length).toBeGreaterThanOrEqual(3);
    expect(bench.turns.length).toBeLessThanOrEqual(6);
    bench.publishes = undefined;
    await bench.clock.until(() => bench.replies.length === 8);
    expect(bench.answers).toEqual("abcdefgh".split("").map((message) => `completed: ${message}`));
  });
});

describe("the numbers", () => {
  it("tell of work done, and of work that waits", async () => {
    const bench = await new Bench().start();
    expect(bench.delivery.snapshot()).toMatchObject({ backlog: 0, oldestAgeMs: 0, last: {} });
    await bench.send("c1", "a", "b");
    await bench.clock.advance(7_000);
    expect(bench.delivery.snapshot()).toMatchObject({ backlog: 2, running: 1, oldestAgeMs: 7_000 });
    await bench.turn("a").end(replied("a"));
    const { last } = bench.delivery.snapshot();
    expect(last.turn).toBe(bench.clock.now());
    expect(last.published).toBe(bench.clock.now());
    expect(last.admitted).toBe(bench.clock.now() - 7_000);
  });
});
