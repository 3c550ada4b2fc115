import { getEventListeners } from "node:events";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { AgentruxError } from "../../src/errors.ts";
import { type Intake, type IntakeOptions, startIntake } from "../../src/intake/intake.ts";
import type { IntakeTrouble } from "../../src/intake/trouble.ts";
import type { EventPage, PullRequest } from "../../src/service/types.ts";
import { temporaryAccount, until } from "../credentials/support.ts";
import { Admission, eventOf, FakeTopic, Gate, ManualTime, openWaterline, RememberingLog, TOPIC } from "./support.ts";

const POLL_MS = 60_000;
const down = (extra: object = {}) => new AgentruxError("server_error", "down", { retryable: true, ...extra });
const expired = () => new AgentruxError("cursor_expired", "too old", { kind: "refused", status: 404 });

async function setUp(topic: FakeTopic, saved: number | undefined, overrides: Partial<IntakeOptions> = {}) {
  const paths = await temporaryAccount();
  await mkdir(paths.dir, { recursive: true, mode: 0o700 });
  if (saved !== undefined) {
    const position =
      topic.generation === "a" ? { [TOPIC]: saved } : { v: 3, w: { [TOPIC]: { event_id: `cur-${saved}` } } };
    await writeFile(paths.waterline, JSON.stringify(position), { mode: 0o600 });
  }
  const waterline = await openWaterline(paths, topic.generation);
  const time = new ManualTime();
  const admission = new Admission();
  const log = new RememberingLog();
  const troubles: IntakeTrouble[] = [];
  const onHealthy = vi.fn<() => void>();
  const options: IntakeOptions = {
    topicId: TOPIC,
    client: topic.client,
    waterline,
    admit: admission.admit,
    startFrom: "latest",
    excludeSelf: true,
    pollIntervalMs: POLL_MS,
    onTrouble: (trouble) => troubles.push(trouble),
    onHealthy,
    log,
    clock: time.clock,
    sleep: time.sleep,
    random: () => 0.5,
    ...overrides,
  };
  const intake = startIntake(options);
  onTestFinished(async () => {
    await intake.stop();
  });
  const reopened = async () => (await openWaterline(paths, topic.generation)).position(TOPIC);
  return { intake, topic, time, admission, log, troubles, onHealthy, waterline, reopened, paths, options };
}

/** Until the intake has read to the end and waits. */
async function idle(intake: Intake, time: ManualTime): Promise<void> {
  await until(() => {
    expect(intake.health().lagging).toBe(false);
    expect(time.waiting).toBeGreaterThan(0);
  });
}

describe("when it drains", () => {
  it("at start, with a silent stream (W9)", async () => {
    const { intake, time, admission, onHealthy, reopened } = await setUp(new FakeTopic("a", 5), 2);
    await idle(intake, time);
    expect(admission.sequences).toEqual([3, 4, 5]);
    expect(onHealthy).toHaveBeenCalledTimes(1);
    await until(async () => expect(await reopened()).toEqual({ kind: "saved", cursor: "5" }));
  });

  it("on each opening of the stream (W9)", async () => {
    const { intake, topic, time, admission } = await setUp(new FakeTopic("a", 5), 5);
    await idle(intake, time);
    topic.publish(6);
    topic.stream?.onOpen();
    await until(() => expect(admission.sequences).toEqual([6]));
    topic.publish(7);
    topic.stream?.onDown(new Error("gone"), 1_000);
    expect(intake.health().connected).toBe(false);
    topic.stream?.onOpen();
    await until(() => expect(admission.sequences).toEqual([6, 7]));
    expect(intake.health().connected).toBe(true);
  });

  it("on a hint, and by the safety poll when there is none", async () => {
    const { intake, topic, time, admission } = await setUp(new FakeTopic("a", 5), 5);
    await idle(intake, time);
    topic.publish(6);
    topic.stream?.onHint("6");
    await until(() => expect(admission.sequences).toEqual([6]));
    await idle(intake, time);
    topic.publish(7);
    expect(time.pending[0]).toBe(54_000);
    time.advance(53_999);
    expect(admission.sequences).toEqual([6]);
    time.advance(1);
    await until(() => expect(admission.sequences).toEqual([6, 7]));
  });

  it("again for a hint that comes while an empty page is under way (W8)", async () => {
    const topic = new FakeTopic("a", 5);
    let answer: () => void = () => {};
    topic.script.push(
      (request) =>
        new Promise<EventPage>((resolve) => {
          const page = topic.answer(request);
          answer = () => resolve(page);
        }),
    );
    const { admission } = await setUp(topic, 5);
    await until(() => expect(topic.pulls).toHaveLength(1));
    topic.publish(6);
    topic.stream?.onHint("6");
    answer();
    await until(() => expect(admission.sequences).toEqual([6]));
  });

  it("once at a time, however many hints come", async () => {
    const topic = new FakeTopic("a", 3);
    const { intake, time, admission } = await setUp(topic, 0);
    const gate = new Gate();
    admission.next = gate.pass;
    await until(() => expect(topic.stream).toBeDefined());
    for (let hint = 0; hint < 100; hint++) topic.stream?.onHint("3");
    await new Promise((resolve) => setTimeout(resolve, 20));
    const during = topic.pulls.length;
    gate.open();
    await idle(intake, time);
    expect(during).toBeLessThanOrEqual(2);
    expect(admission.sequences).toEqual([1, 2, 3]);
    expect(topic.pulls.length).toBeLessThanOrEqual(4);
  });
});

describe("how it reads", () => {
  it("in order, in growing pages, one page ahead", async () => {
    const topic = new FakeTopic("a", 5_000);
    const { intake, time, admission } = await setUp(topic, 0);
    let pullsDuringAdmission = 0;
    admission.next = async () => {
      await until(() => expect(topic.pulls).toHaveLength(2));
      await new Promise((resolve) => setTimeout(resolve, 10));
      pullsDuringAdmission = topic.pulls.length;
    };
    await until(() => expect(admission.sequences).toHaveLength(5_000));
    await idle(intake, time);
    expect(pullsDuringAdmission).toBe(2);
    expect(admission.sequences).toEqual(Array.from({ length: 5_000 }, (_, index) => index + 1));
    expect(topic.pulls.map((pull) => pull.limit).slice(0, 6)).toEqual([100, 200, 250, 250, 250, 250]);
  });

  it("to the end even where the server cuts pages short", async () => {
    const topic = new FakeTopic("a", 500);
    topic.pageLimit = 7;
    const { intake, time, admission } = await setUp(topic, 0);
    await until(() => expect(admission.sequences).toHaveLength(500));
    await idle(intake, time);
    expect(intake.health()).toMatchObject({ position: "500", admitted: 500 });
  });

  it("to the end after an outage, whatever the last hint before it had told", async () => {
    const topic = new FakeTopic("a", 5);
    topic.pageLimit = 7;
    const { intake, time, admission } = await setUp(topic, 4);
    await idle(intake, time);
    topic.stream?.onHint("5");
    await idle(intake, time);
    for (let sequence = 6; sequence <= 105; sequence++) topic.publish(sequence);
    topic.stream?.onOpen();
    await until(() => expect(admission.sequences).toHaveLength(101));
  });

  it("with one pull for one hinted event", async () => {
    const { intake, topic, time, admission } = await setUp(new FakeTopic("a", 5), 5);
    await idle(intake, time);
    const before = topic.pulls.length;
    topic.publish(6);
    topic.stream?.onHint("6");
    await until(() => expect(admission.sequences).toEqual([6]));
    await idle(intake, time);
    expect(topic.pulls.length - before).toBe(1);
  });

  it("skipping what cannot be read as events, counted and told", async () => {
    const topic = new FakeTopic("a", 3);
    topic.script.push(async () => ({ events: [eventOf(1)], malformed: 2, next: "2" }));
    const { intake, time, admission, troubles, log } = await setUp(topic, 0);
    await idle(intake, time);
    expect(admission.sequences).toEqual([1, 3]);
    expect(troubles).toEqual([{ kind: "malformed", count: 2 }]);
    expect(intake.health().malformed).toBe(2);
    expect(log.lines).toContain(`warn [agentrux] Skipped 2 event(s) that cannot be read as events topic=${TOPIC}`);
  });

  it("past a page of nothing but unreadable items", async () => {
    const topic = new FakeTopic("a", 3);
    topic.script.push(async () => ({ events: [], malformed: 2, next: "2" }));
    const { intake, time, admission } = await setUp(topic, 0);
    await idle(intake, time);
    expect(admission.sequences).toEqual([3]);
  });

  it("without spinning when a page does not lead on", async () => {
    const topic = new FakeTopic("a", 3);
    const same = async () => ({ events: [], malformed: 1 });
    topic.script.push(same);
    const { intake, time, admission, troubles } = await setUp(topic, 0);
    await until(() => expect(intake.health().failures).toBe(1));
    expect(topic.pulls).toHaveLength(1);
    expect(troubles.at(-1)).toMatchObject({ kind: "passing", error: { code: "malformed_response" } });
    time.advance(1_000);
    await until(() => expect(admission.sequences).toEqual([1, 2, 3]));
  });

  it("over empty pages, where the service says that more follows", async () => {
    const topic = new FakeTopic("b", 300);
    const filtered = (next: string) => async () => ({ events: [], malformed: 0, next, hasMore: true as const });
    topic.script.push(filtered("cur-100"), filtered("cur-200"));
    const { intake, time, admission } = await setUp(topic, 0);
    await idle(intake, time);
    expect(topic.pulls.map(({ after }) => after)).toEqual(["cur-0", "cur-100", "cur-200", "cur-300"]);
    expect(admission.sequences[0]).toBe(201);
    expect(admission.sequences).toHaveLength(100);
  });

  it.each([
    ["whose position stays", () => "cur-5", 1],
    ["whose position moves for ever", (pull: number) => `cur-${5 + pull}`, 100],
  ])("no further over empty pages %s", async (_name, next, pulls) => {
    const topic = new FakeTopic("b", 0);
    const pull = async (request: PullRequest): Promise<EventPage> => {
      await topic.client.pull(request);
      return { events: [], malformed: 0, next: next(topic.pulls.length), hasMore: true };
    };
    const { intake, time, troubles } = await setUp(topic, 5, { client: { ...topic.client, pull } });
    await idle(intake, time);
    expect(topic.pulls).toHaveLength(pulls);
    expect(troubles).toEqual([]);
  });

  it("keeping the frontier of an empty page", async () => {
    const topic = new FakeTopic("b", 0);
    topic.script.push(async () => ({ events: [], malformed: 0, next: "cur-frontier" }));
    const { intake, time } = await setUp(topic, 5);
    await idle(intake, time);
    expect(intake.health().position).toBe("cur-frontier");
  });
});

describe("the waterline", () => {
  it("moves only after the page was taken", async () => {
    const { admission, waterline, intake, time, reopened } = await setUp(new FakeTopic("a", 3), 0);
    const gate = new Gate();
    admission.next = gate.pass;
    await gate.entered;
    expect(waterline.position(TOPIC)).toMatchObject({ cursor: "0" });
    gate.open();
    await idle(intake, time);
    await until(async () => expect(await reopened()).toEqual({ kind: "saved", cursor: "3" }));
    expect(waterline.position(TOPIC)).toMatchObject({ cursor: "3" });
  });

  it("stays where nothing was taken, and the page comes again", async () => {
    const topic = new FakeTopic("a", 3);
    const full = new AgentruxError("disk", "disk full", { retryable: true });
    const { admission, intake, time, troubles, waterline, onHealthy } = await setUp(topic, 0);
    admission.next = async () => {
      throw full;
    };
    await until(() => expect(intake.health().failures).toBe(1));
    expect(waterline.position(TOPIC)).toMatchObject({ cursor: "0" });
    expect(intake.health()).toMatchObject({ lagging: true, lastError: "disk full" });
    expect(troubles).toMatchObject([{ kind: "passing", failures: 1, retryInMs: 250 }]);
    time.advance(250);
    await idle(intake, time);
    expect(admission.sequences).toEqual([1, 2, 3]);
    expect(intake.health()).toMatchObject({ failures: 0, lastError: undefined });
    expect(onHealthy).toHaveBeenCalledTimes(1);
  });

  it("goes back to the oldest retained event when its position has aged out, once, and drains in order", async () => {
    const topic = new FakeTopic("b", 9);
    topic.retainFrom(5);
    topic.script.push(async () => {
      throw expired();
    });
    const { intake, time, admission, log, troubles } = await setUp(topic, 2);
    await idle(intake, time);
    expect(admission.sequences).toEqual([5, 6, 7, 8, 9]);
    const lines = log.lines.filter((line) => line.includes("expired"));
    expect(lines).toEqual([
      `warn [agentrux] Cursor expired (ttl); re-anchoring to oldest retained (FIFO drain) topic=${TOPIC}`,
    ]);
    expect(troubles).toEqual([]);
  });

  it("does the same when the position ages out in the middle of a drain", async () => {
    const topic = new FakeTopic("b", 400);
    topic.script.push(undefined, async () => {
      topic.retainFrom(300);
      throw expired();
    });
    const { intake, time, admission } = await setUp(topic, 0);
    await idle(intake, time);
    expect(admission.sequences.slice(100)).toEqual(Array.from({ length: 101 }, (_, index) => 300 + index));
    expect(intake.health().position).toBe("cur-400");
  });

  it("does not take another 404 for an aged-out position", async () => {
    const topic = new FakeTopic("b", 9);
    topic.script.push(async () => {
      throw new AgentruxError("not_found", "no such topic", { kind: "refused", status: 404 });
    });
    const { intake, log, troubles, admission } = await setUp(topic, 2);
    await until(() => expect(intake.health().failures).toBe(1));
    expect(log.lines.some((line) => line.includes("expired"))).toBe(false);
    expect(troubles).toMatchObject([{ kind: "fatal" }]);
    expect(admission.pages).toEqual([]);
  });

  it("ends even where the beginning is said to have aged out too", async () => {
    const topic = new FakeTopic("b", 9);
    const fail = async () => {
      throw expired();
    };
    topic.script.push(fail, fail);
    const { intake, time, admission } = await setUp(topic, 2);
    await until(() => expect(intake.health().failures).toBe(1));
    expect(topic.pulls).toHaveLength(2);
    time.advance(60_000);
    await until(() => expect(admission.sequences).toHaveLength(9));
  });
});

describe("a topic that says its beginning has aged out", () => {
  it("is not asked for its beginning a second time", async () => {
    const topic = new FakeTopic("b", 9);
    topic.script.push(async () => {
      throw expired();
    });
    const { intake, log } = await setUp(topic, undefined, { startFrom: "earliest" });
    await until(() => expect(intake.health().failures).toBe(1));
    expect(topic.pulls).toHaveLength(1);
    expect(log.lines.some((line) => line.includes("re-anchoring"))).toBe(false);
  });
});

describe("a position that could not be stored", () => {
  it("is stored by the next drain, even one that finds nothing", async () => {
    const { intake, topic, time, paths, reopened, admission } = await setUp(new FakeTopic("a", 5), 5);
    await idle(intake, time);
    await rm(paths.dir, { recursive: true });
    topic.publish(6);
    topic.stream?.onHint("6");
    await until(() => expect(admission.sequences).toEqual([6]));
    await until(() => expect(intake.health().unsaved).toBe(true));
    await mkdir(paths.dir, { mode: 0o700 });
    await idle(intake, time);
    time.advance(POLL_MS);
    await until(async () => expect(await reopened()).toEqual({ kind: "saved", cursor: "6" }));
    await until(() => expect(intake.health().unsaved).toBe(false));
  });
});

describe("troubles", () => {
  it("back off, and a hint does not shorten that; the stream opening does", async () => {
    const topic = new FakeTopic("a", 5);
    const fail = async () => {
      throw down();
    };
    topic.script.push(fail, fail, fail);
    const { intake, time, admission, troubles } = await setUp(topic, 4);
    await until(() => expect(intake.health().failures).toBe(1));
    topic.stream?.onHint("5");
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(topic.pulls).toHaveLength(1);
    time.advance(250);
    await until(() => expect(intake.health().failures).toBe(2));
    topic.stream?.onOpen();
    await until(() => expect(intake.health().failures).toBe(3));
    expect(troubles.map((trouble) => "retryInMs" in trouble && trouble.retryInMs)).toEqual([250, 500, 1_000]);
    topic.stream?.onOpen();
    await until(() => expect(admission.sequences).toEqual([5]));
  });

  it("honour Retry-After, whatever rings (W18)", async () => {
    const topic = new FakeTopic("a", 5);
    topic.script.push(async () => {
      throw new AgentruxError("rate_limited", "slow", { retryable: true, retryAfterMs: 5_000 });
    });
    const { intake, time, admission } = await setUp(topic, 4);
    await until(() => expect(intake.health().failures).toBe(1));
    topic.stream?.onHint("5");
    topic.stream?.onOpen();
    time.advance(4_999);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(topic.pulls).toHaveLength(1);
    time.advance(1);
    await until(() => expect(admission.sequences).toEqual([5]));
  });

  it("that only a person can mend are told as such and retried slowly", async () => {
    const topic = new FakeTopic("a", 5);
    topic.script.push(async () => {
      throw new AgentruxError("forbidden", "no grant", { kind: "refused", status: 403 });
    });
    const { intake, time, troubles, onHealthy } = await setUp(topic, 4);
    await until(() => expect(intake.health().failures).toBe(1));
    expect(troubles).toMatchObject([{ kind: "fatal", error: { code: "forbidden" }, retryInMs: 45_000 }]);
    expect(onHealthy).not.toHaveBeenCalled();
    time.advance(45_000);
    await until(() => expect(onHealthy).toHaveBeenCalledTimes(1));
  });

  it("are logged at the start of a row, then ever fewer", async () => {
    const topic = new FakeTopic("a", 5);
    for (let failures = 0; failures < 9; failures++) {
      topic.script.push(async () => {
        throw down();
      });
    }
    const { intake, time, log } = await setUp(topic, 4);
    for (let failures = 1; failures <= 9; failures++) {
      await until(() => expect(intake.health().failures).toBe(failures));
      await until(() => expect(time.waiting).toBeGreaterThan(0));
      time.advance(60_000);
    }
    await idle(intake, time);
    expect(log.lines.filter((line) => line.includes("error: down"))).toEqual([
      "warn [agentrux] drainEvents error: down",
      "error [agentrux] Poller error: down (2 times since 1970-01-01T00:16:40.000Z)",
      "error [agentrux] Poller error: down (3 times since 1970-01-01T00:16:40.000Z)",
      "error [agentrux] Poller error: down (4 times since 1970-01-01T00:16:40.000Z)",
      "error [agentrux] Poller error: down (6 times since 1970-01-01T00:16:40.000Z)",
      "error [agentrux] Poller error: down (9 times since 1970-01-01T00:16:40.000Z)",
    ]);
  });

  it("of a pull that never settles end with the watchdog (W5)", async () => {
    const topic = new FakeTopic("a", 5);
    topic.script.push(() => new Promise(() => {}));
    const { intake, time, admission, troubles } = await setUp(topic, 4, { watchdogMs: 30_000 });
    await until(() => expect(time.waiting).toBeGreaterThan(0));
    time.advance(30_000);
    await until(() => expect(intake.health().failures).toBe(1));
    expect(troubles).toMatchObject([{ kind: "passing", error: { code: "timeout" } }]);
    time.advance(1_000);
    await until(() => expect(admission.sequences).toEqual([5]));
  });

  it("do not include a full house: handing over may take as long as it takes", async () => {
    const topic = new FakeTopic("a", 5);
    const { time, admission, intake } = await setUp(topic, 4, { watchdogMs: 30_000 });
    const gate = new Gate();
    admission.next = gate.pass;
    await gate.entered;
    time.advance(3_600_000);
    gate.open();
    await idle(intake, time);
    expect(intake.health().failures).toBe(0);
    expect(admission.sequences).toEqual([5]);
  });
});

describe("stopping", () => {
  it("is at once when idle, and leaves no wait and no listener behind (W38)", async () => {
    const { intake, topic, time } = await setUp(new FakeTopic("a", 5), 0);
    await idle(intake, time);
    await intake.stop();
    expect(time.waiting).toBe(0);
    expect(topic.stream?.signal.aborted).toBe(true);
    const before = topic.pulls.length;
    intake.wake();
    time.advance(POLL_MS);
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(topic.pulls).toHaveLength(before);
  });

  it("settles the page that is being handed over, and stores the position (W44)", async () => {
    const { intake, admission, reopened } = await setUp(new FakeTopic("a", 3), 0);
    const gate = new Gate();
    admission.next = gate.pass;
    await gate.entered;
    const stopped = intake.stop();
    gate.open();
    await stopped;
    expect(admission.sequences).toEqual([1, 2, 3]);
    expect(await reopened()).toEqual({ kind: "saved", cursor: "3" });
  });

  it("ends at the deadline where the page is not settled, and the waterline stays", async () => {
    const { intake, admission, time, reopened, waterline } = await setUp(new FakeTopic("a", 3), 0);
    let aborted = false;
    const gate = new Gate();
    admission.next = (_page, signal) => {
      signal.addEventListener("abort", () => (aborted = true), { once: true });
      return gate.pass();
    };
    await gate.entered;
    const stopped = intake.stop(1_000);
    time.advance(1_000);
    await stopped;
    expect(aborted).toBe(true);
    gate.open();
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(waterline.position(TOPIC)).toMatchObject({ cursor: "0" });
    expect(await reopened()).toMatchObject({ cursor: "0" });
  });

  it("works while the start position is still being asked for", async () => {
    const topic = new FakeTopic("a", 5);
    topic.script.push(() => new Promise(() => {}));
    const { intake, admission } = await setUp(topic, undefined);
    await until(() => expect(topic.pulls).toHaveLength(1));
    await intake.stop();
    expect(admission.pages).toEqual([]);
  });
});

describe("over a long life", () => {
  it("adds no listeners to anything (W38)", async () => {
    const topic = new FakeTopic("a", 0);
    const signals = new Set<AbortSignal>();
    const pull = topic.client.pull;
    const client = {
      ...topic.client,
      pull: async (request: PullRequest) => {
        signals.add(request.signal);
        return await pull(request);
      },
    };
    const { intake, time, admission } = await setUp(topic, 0, { client });
    await idle(intake, time);
    const listeners = () => getEventListeners(topic.stream?.signal ?? new EventTarget(), "abort").length;
    const before = listeners();
    for (let sequence = 1; sequence <= 200; sequence++) {
      topic.publish(sequence);
      topic.stream?.onHint(String(sequence));
      await until(() => expect(admission.sequences).toHaveLength(sequence));
    }
    await idle(intake, time);
    expect(listeners()).toBe(before);
    for (const signal of signals) expect(getEventListeners(signal, "abort")).toHaveLength(0);
    expect(time.waiting).toBe(1);
  });
});

describe("a position set by an operator", () => {
  const stuckForEver = () => new Promise<never>(() => {});

  it("is taken between two drains, on disk before the answer, and read from at once", async () => {
    const topic = new FakeTopic("a", 5);
    const { intake, admission, time, reopened } = await setUp(topic, 5);
    await idle(intake, time);
    await intake.moveTo("2");
    expect(await reopened()).toEqual({ kind: "saved", cursor: "2" });
    await until(() => expect(admission.sequences).toEqual([3, 4, 5]));
  });

  it("breaks off a pull that never ends", async () => {
    const topic = new FakeTopic("a", 5);
    topic.script.push(
      ({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    );
    const { intake, admission, troubles } = await setUp(topic, 4);
    await until(() => expect(topic.pulls).toHaveLength(1));
    await intake.moveTo("0");
    await until(() => expect(admission.sequences).toEqual([1, 2, 3, 4, 5]));
    expect(troubles).toEqual([]);
    expect(intake.health().failures).toBe(0);
  });

  it("does not wait for room for a page, and does not let that page move the position on", async () => {
    const topic = new FakeTopic("a", 5);
    const admission = new Admission();
    const gate = new Gate();
    admission.next = async (_page, signal) => {
      gate.open();
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    };
    const { intake } = await setUp(topic, 3, { admit: admission.admit });
    await gate.pass();
    await intake.moveTo("4");
    await until(() => expect(admission.sequences).toEqual([5]));
  });

  it("ends the search for the start position", async () => {
    const topic = new FakeTopic("a", 5);
    topic.script.push(stuckForEver);
    const { intake, admission } = await setUp(topic, undefined);
    await until(() => expect(topic.pulls).toHaveLength(1));
    await intake.moveTo("3");
    await until(() => expect(admission.sequences).toEqual([4, 5]));
  });

  it("is refused when it is none, and after the stop", async () => {
    const { intake } = await setUp(new FakeTopic("a", 1), 1);
    await expect(intake.moveTo("evt_1")).rejects.toMatchObject({ code: "invalid" });
    await intake.stop();
    await expect(intake.moveTo("1")).rejects.toMatchObject({ code: "stopped" });
  });
});
