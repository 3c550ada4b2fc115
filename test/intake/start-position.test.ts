import { mkdir, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { settleStartPosition, type StartOptions } from "../../src/intake/start-position.ts";
import type { IntakeTrouble } from "../../src/intake/trouble.ts";
import { AgentruxError } from "../../src/errors.ts";
import type { Generation, PullRequest } from "../../src/service/types.ts";
import { createTroubleLog } from "../../src/trouble-log.ts";
import { temporaryAccount } from "../credentials/support.ts";
import { eventOf, FakeTopic, openWaterline, RememberingLog, TOPIC } from "./support.ts";

const unavailable = () => new AgentruxError("server_error", "down", { kind: "refused", retryable: true, status: 503 });

async function setUp(topic: FakeTopic, saved?: string, overrides: Partial<StartOptions> = {}) {
  const paths = await temporaryAccount();
  await mkdir(paths.dir, { recursive: true, mode: 0o700 });
  if (saved !== undefined) await writeFile(paths.waterline, saved, { mode: 0o600 });
  const waterline = await openWaterline(paths, topic.generation);
  const log = new RememberingLog();
  const troubles: IntakeTrouble[] = [];
  const waits: number[] = [];
  const stop = new AbortController();
  const options: StartOptions = {
    topicId: TOPIC,
    client: topic.client,
    waterline,
    startFrom: "latest",
    watchdogMs: 90_000,
    log,
    troubles: createTroubleLog({ log, clock: { now: () => 0, monotonic: () => 0 } }),
    sleep: async (ms, signal) => {
      signal.throwIfAborted();
      if (ms === 90_000) return await new Promise((_resolve, reject) => signal.addEventListener("abort", reject));
      waits.push(ms);
    },
    random: () => 0.5,
    onTrouble: (trouble) => troubles.push(trouble),
    signal: stop.signal,
    ...overrides,
  };
  const reopened = async () => (await openWaterline(paths, topic.generation)).position(TOPIC);
  return { options, log, troubles, waits, stop, reopened, paths };
}

describe("a saved position", () => {
  it.each([
    ["a", `{"${TOPIC}":3}`, "3", `info [agentrux] Resuming from saved waterline=3 topic=${TOPIC}`],
    [
      "b",
      `{"v":3,"w":{"top_${TOPIC}":{"event_id":"cur-3"}}}`,
      "cur-3",
      `info [agentrux] Resuming from saved waterline evt=cur-3 topic=${TOPIC}`,
    ],
  ] as const)("is where reading goes on: generation %s", async (generation, saved, cursor, line) => {
    const topic = new FakeTopic(generation, 9);
    const { options, log } = await setUp(topic, saved);
    expect(await settleStartPosition(options)).toEqual({ kind: "resumed", cursor });
    expect(log.lines).toEqual([line]);
    expect(topic.pulls).toEqual([]);
  });
});

describe("a first start", () => {
  it("skips to the newest event, says how many it skipped, and asks for a handful of events only", async () => {
    const topic = new FakeTopic("a", 5_000);
    const { options, log, reopened } = await setUp(topic);
    expect(await settleStartPosition(options)).toEqual({
      kind: "skipped",
      cursor: "5000",
      skipped: { count: 5_000, bound: "at-most" },
    });
    expect(log.lines).toEqual([
      "info [agentrux] First startup: skipped to waterline=5000",
      `info [agentrux] Skipped at most 5000 event(s) published before the first start topic=${TOPIC}`,
    ]);
    expect(topic.pulls.reduce((sum, pull) => sum + pull.limit, 0)).toBeLessThan(10);
    expect(await reopened()).toEqual({ kind: "saved", cursor: "5000" });
  });

  it("counts what retention has left", async () => {
    const topic = new FakeTopic("a", 100);
    topic.retainFrom(91);
    const { options } = await setUp(topic);
    expect(await settleStartPosition(options)).toMatchObject({ skipped: { count: 10, bound: "at-most" } });
  });

  it.each([
    ["a", "", "info [agentrux] First startup: skipped to waterline=0"],
    ["b", "", "info [agentrux] Startup: topic is empty, waterline initialized empty"],
  ] as const)("of an empty topic begins at its beginning: generation %s", async (generation, cursor, line) => {
    const { options, log, reopened } = await setUp(new FakeTopic(generation));
    expect(await settleStartPosition(options)).toEqual({
      kind: "skipped",
      cursor,
      skipped: { count: 0, bound: "exact" },
    });
    expect(log.lines[0]).toBe(line);
    expect((await reopened()).kind).toBe("saved");
  });

  it.each([
    [700, { count: 700, bound: "exact" }],
    [9_000, { count: 5_000, bound: "at-least" }],
  ] as const)("counts %i events without sequence numbers over a bounded number of pages", async (events, skipped) => {
    const topic = new FakeTopic("b", events);
    const { options, log } = await setUp(topic);
    expect(await settleStartPosition(options)).toEqual({ kind: "skipped", cursor: `cur-${events}`, skipped });
    expect(log.lines[0]).toBe(`info [agentrux] Startup: skipped to latest evt=${eventOf(events, "b").eventId}`);
    expect(topic.pulls.length).toBeLessThanOrEqual(6);
  });

  it("begins with the oldest event where that is asked for", async () => {
    const topic = new FakeTopic("a", 9);
    const { options, reopened } = await setUp(topic, undefined, { startFrom: "earliest" });
    expect(await settleStartPosition(options)).toEqual({ kind: "earliest", cursor: "" });
    expect(await reopened()).toEqual({ kind: "saved", cursor: "0" });
  });

  it("retries until the position is known, and never begins at the beginning because of an error", async () => {
    const topic = new FakeTopic("a", 5);
    const fail = async () => {
      throw unavailable();
    };
    topic.script.push(fail, fail, fail);
    const { options, log, waits, troubles } = await setUp(topic);
    expect(await settleStartPosition(options)).toMatchObject({ kind: "skipped", cursor: "5" });
    expect(waits).toEqual([500, 1_000, 2_000]);
    expect(troubles.map((trouble) => trouble.kind)).toEqual(["passing", "passing", "passing"]);
    expect(log.lines[0]).toMatch(/^warn \[agentrux\] Failed to fetch initial waterline: down\. Nothing is read/);
  });

  it("retries slowly what only a person can mend, and honours Retry-After", async () => {
    const topic = new FakeTopic("a", 5);
    topic.script.push(
      async () => {
        throw new AgentruxError("forbidden", "no grant", { kind: "refused", status: 403 });
      },
      async () => {
        throw new AgentruxError("rate_limited", "slow", { kind: "refused", retryable: true, retryAfterMs: 7_000 });
      },
    );
    const { options, waits, troubles } = await setUp(topic);
    await settleStartPosition(options);
    expect(waits).toEqual([45_000, 7_000]);
    expect(troubles.map((trouble) => trouble.kind)).toEqual(["fatal", "passing"]);
  });

  it("is not misled by a server that answers oldest first", async () => {
    const topic = new FakeTopic("a", 2_500);
    const pull = topic.client.pull;
    const client = {
      pull: (request: PullRequest) => {
        const { order: _order, ...rest } = request;
        return pull({ after: "", ...rest });
      },
    };
    const { options } = await setUp(topic, undefined, { client });
    expect(await settleStartPosition(options)).toMatchObject({
      kind: "skipped",
      cursor: "2500",
      skipped: { count: 2_500 },
    });
  });

  it("goes by the position of newest items that are no events, and waits where there is none", async () => {
    const topic = new FakeTopic("a", 3);
    topic.script.push(
      async () => ({ events: [], malformed: 2 }),
      async () => ({ events: [], malformed: 2, next: "8" }),
    );
    const { options, waits } = await setUp(topic);
    expect(await settleStartPosition(options)).toMatchObject({ kind: "skipped", cursor: "8" });
    expect(waits).toHaveLength(1);
  });

  it("is not held up by a count that cannot be had", async () => {
    const topic = new FakeTopic("b", 3);
    topic.script.push(undefined, async () => {
      throw unavailable();
    });
    const { options, log } = await setUp(topic);
    expect(await settleStartPosition(options)).toEqual({ kind: "skipped", cursor: "cur-3" });
    expect(log.lines[1]).toContain("could not be counted");
  });

  it("gives up only when stopped", async () => {
    const topic = new FakeTopic("a", 5);
    const { options, stop } = await setUp(topic);
    topic.script.push(async () => {
      stop.abort();
      throw unavailable();
    });
    await expect(settleStartPosition(options)).rejects.toBe(stop.signal.reason);
  });
});

describe("an unknown position", () => {
  const cut = `{"${TOPIC}":`;

  it("is recalled from the journal", async () => {
    const topic = new FakeTopic("a", 9);
    const { options, troubles } = await setUp(topic, cut, {
      recall: async () => ({ generation: "a", cursor: "4" }),
      startFrom: "earliest",
    });
    expect(await settleStartPosition(options)).toEqual({ kind: "recalled", cursor: "4" });
    expect(troubles).toEqual([]);
  });

  it.each(["latest", "earliest"] as const)(
    "goes on from the newest event, loudly, with startFrom %s",
    async (startFrom) => {
      const topic = new FakeTopic("a", 9);
      const { options, log, troubles } = await setUp(topic, cut, { startFrom, recall: async () => undefined });
      expect(await settleStartPosition(options)).toMatchObject({ kind: "skipped", cursor: "9" });
      expect(troubles).toMatchObject([
        { kind: "position-unknown", reason: expect.stringContaining("is not a JSON object") },
      ]);
      expect(log.lines.at(-1)).toMatch(/^error \[agentrux\] The read position was lost/);
    },
  );
});

describe("the vendor's position of the other generation", () => {
  it.each([
    ["a number, where events have none", "b", `{"${TOPIC}":9000}`, "cur-150"],
    ["an opaque cursor", "a", `{"v":3,"w":{"top_${TOPIC}":{"event_id":"opaque"}}}`, "150"],
    ["an event that is gone", "a", `{"v":3,"w":{"top_${TOPIC}":{"event_id":"${eventOf(999, "b").eventId}"}}}`, "150"],
  ] as const)("never runs the topic's history: %s", async (_name, generation, saved, cursor) => {
    const topic = new FakeTopic(generation, 150);
    const { options, log, troubles } = await setUp(topic, saved, { startFrom: "earliest" });
    expect(await settleStartPosition(options)).toMatchObject({ kind: "skipped", cursor });
    expect(troubles).toMatchObject([{ kind: "position-unknown" }]);
    expect(log.lines.at(-1)).toMatch(/^error \[agentrux\] The read position was lost/);
  });

  it("is found again by its event", async () => {
    const saved = `{"v":3,"w":{"top_${TOPIC}":{"event_id":"${eventOf(37, "b").eventId}"}}}`;
    const { options, troubles } = await setUp(new FakeTopic("a", 150), saved);
    expect(await settleStartPosition(options)).toEqual({ kind: "crossed", cursor: "37" });
    expect(troubles).toEqual([]);
  });
});

describe("both generations", () => {
  it.each(["a", "b"] as Generation[])("remember the position over a restart: %s", async (generation) => {
    const topic = new FakeTopic(generation, 4);
    const { options, paths } = await setUp(topic);
    await settleStartPosition(options);
    topic.publish(5);
    const again = { ...options, waterline: await openWaterline(paths, generation) };
    expect(await settleStartPosition(again)).toMatchObject({ kind: "resumed" });
  });
});
