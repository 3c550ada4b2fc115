import * as fc from "fast-check";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { Metrics } from "../../src/runtime.ts";
import { noMetrics } from "../../src/runtime.ts";
import type { AppendRequest, CommitNotice, NewEvent } from "../../src/store/port.ts";
import type { SqliteStore } from "../../src/store/sqlite.ts";
import { openSqliteStore } from "../../src/store/sqlite.ts";
import { tempFolder } from "../support/hub.ts";

const HOUR_MS = 3_600_000;
const TOPIC = topicId(1);
const OTHER = topicId(2);

function topicId(n: number): string {
  return `0000000${n}-0000-4000-8000-000000000000`;
}

/** A metrics sink that keeps what the commits report. */
function commitSizes(): Metrics & { readonly sizes: number[] } {
  const sizes: number[] = [];
  return {
    ...noMetrics,
    sizes,
    histogram: (name) => ({ observe: (value) => void (name.endsWith("per_commit") && sizes.push(value)) }),
  };
}

async function storeWithTopics(metrics: Metrics = noMetrics): Promise<SqliteStore> {
  const store = openSqliteStore({ dataDir: await tempFolder(), metrics, idempotencyKeyMs: 8 * 24 * HOUR_MS });
  onTestFinished(() => store.close());
  for (const id of [TOPIC, OTHER]) {
    await store.topics.create({ id, name: id, displayName: null, retentionS: 3600, createdAt: 0 });
  }
  return store;
}

let serial = 0;
function request(overrides: Partial<AppendRequest> & { readonly type?: string } = {}): AppendRequest {
  serial += 1;
  const event: NewEvent = {
    eventId: `00000000-0000-7000-8000-${String(serial).padStart(12, "0")}`,
    type: overrides.type ?? "t",
    payloadJson: "{}",
    objectId: null,
    correlationId: null,
    replyTopic: null,
    metadataJson: null,
  };
  return { topicId: TOPIC, producer: "scr_a", storedAt: 1000, event, mentionedObjectIds: [], ...overrides };
}

const keyed = (key: string, fingerprint: string) => request({ idempotency: { key, fingerprint } });
const turn = () => new Promise((done) => setImmediate(done));

describe("group commit", () => {
  it("puts the publishes of one turn into one transaction", async () => {
    const metrics = commitSizes();
    const store = await storeWithTopics(metrics);
    await Promise.all(Array.from({ length: 50 }, () => store.events.append(request())));
    await store.events.append(request());
    expect(metrics.sizes).toEqual([50, 1]);
  });

  it("commits at 512 rows without waiting for the turn to end", async () => {
    const metrics = commitSizes();
    const store = await storeWithTopics(metrics);
    await Promise.all(Array.from({ length: 1100 }, () => store.events.append(request())));
    expect(metrics.sizes).toEqual([512, 512, 76]);
  });

  it("answers only after the commit", async () => {
    const store = await storeWithTopics();
    const states: boolean[] = [];
    const appended = store.events.append(request()).then(() => states.push(store.database.isTransaction));
    expect(await store.events.bounds(TOPIC)).toMatchObject({ lastSeq: 0 });
    await appended;
    expect(states).toEqual([false]);
    expect(await store.events.bounds(TOPIC)).toMatchObject({ lastSeq: 1 });
  });

  it("numbers each topic from 1 without gaps, in the order of the calls", async () => {
    const store = await storeWithTopics();
    const results = await Promise.all(
      [TOPIC, OTHER, TOPIC, TOPIC, OTHER].map((id) => store.events.append(request({ topicId: id }))),
    );
    expect(results.map((result) => result.seq)).toEqual([1, 1, 2, 3, 2]);
  });

  it("refuses one publisher's request without touching its neighbours", async () => {
    const store = await storeWithTopics();
    const outcomes = await Promise.allSettled([
      store.events.append(request()),
      store.events.append(request({ topicId: topicId(9) })),
      store.events.appendAll([request(), request({ topicId: topicId(9) }), request()]),
      store.events.append(request()),
    ]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(["fulfilled", "rejected", "rejected", "fulfilled"]);
    expect(outcomes[3]).toMatchObject({ value: { seq: 2 } });
    expect(outcomes[1]).toMatchObject({ reason: { code: "NOT_FOUND" } });
  });

  it("fails the whole group when the database fails, stores nothing of it, and goes on", async () => {
    const store = await storeWithTopics();
    const twin = request();
    const outcomes = await Promise.allSettled([
      store.events.append(request()),
      store.events.append(twin),
      store.events.append(twin),
    ]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(["rejected", "rejected", "rejected"]);
    expect(outcomes[0]).toMatchObject({ reason: { code: "INTERNAL" } });
    expect((await store.events.page({ topicId: TOPIC, order: "asc", limit: 10 })).events).toEqual([]);
    expect((await store.events.append(request())).seq).toBe(1);
  });

  it("refuses more than it can hold instead of growing", async () => {
    const store = await storeWithTopics();
    const many = Array.from({ length: 20_001 }, () => request());
    await expect(store.events.appendAll(many)).rejects.toMatchObject({ code: "UNAVAILABLE", retryAfterS: 1 });
  });

  it("commits what is queued when it closes, and refuses what comes later", async () => {
    const store = await storeWithTopics();
    const queued = store.events.append(request());
    await store.close();
    expect((await queued).seq).toBe(1);
    await expect(store.events.append(request())).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  it("knows keys of the same group, of the same turn and of before", async () => {
    const store = await storeWithTopics();
    const [first, twin, other] = await Promise.all([
      store.events.append(keyed("k", "x")),
      store.events.append(keyed("k", "x")),
      store.events.append(keyed("k2", "x")),
    ]);
    const later = await store.events.append(keyed("k", "x"));
    expect([first?.replayed, twin?.replayed, other?.replayed, later.replayed]).toEqual([false, true, false, true]);
    expect([twin?.eventId, later.eventId]).toEqual([first?.eventId, first?.eventId]);
    await expect(store.events.append(keyed("k", "y"))).rejects.toMatchObject({ code: "IDEMPOTENCY_CONFLICT" });
  });
});

describe("commit notices", () => {
  it("come once per topic and commit, after the commit, with the newest of all and of others", async () => {
    const store = await storeWithTopics();
    const notices: CommitNotice[] = [];
    const stop = store.events.onCommit((notice) => void notices.push(notice));
    const by = (producer: string, id = TOPIC) => store.events.append(request({ producer, topicId: id }));
    await Promise.all([by("scr_a"), by("scr_b"), by("scr_a"), by("scr_a"), by("scr_a", OTHER)]);
    expect(notices).toHaveLength(2);
    expect(notices[0]).toMatchObject({
      topicId: TOPIC,
      newest: { seq: 4, producer: "scr_a" },
      newestByOther: { seq: 2, producer: "scr_b" },
    });
    expect(notices[1]).toMatchObject({ topicId: OTHER, newest: { seq: 1 } });
    expect(notices[1]?.newestByOther).toBeUndefined();
    stop();
    await by("scr_a");
    expect(notices).toHaveLength(2);
  });

  it("are right for any run of producers", async () => {
    const store = await storeWithTopics();
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 12 }), async (producers) => {
        const notices: CommitNotice[] = [];
        const stop = store.events.onCommit((notice) => void notices.push(notice));
        const results = await Promise.all(producers.map((producer) => store.events.append(request({ producer }))));
        stop();
        const newest = producers.at(-1);
        const other = producers.findLastIndex((producer) => producer !== newest);
        expect(notices).toHaveLength(1);
        expect(notices[0]?.newest.seq).toBe(results.at(-1)?.seq);
        expect(notices[0]?.newestByOther?.seq).toBe(results[other]?.seq);
      }),
      { numRuns: 60 },
    );
  });

  it("do not come for replays", async () => {
    const store = await storeWithTopics();
    await store.events.append(keyed("k", "x"));
    const notices: CommitNotice[] = [];
    store.events.onCommit((notice) => void notices.push(notice));
    await store.events.append(keyed("k", "x"));
    expect(notices).toEqual([]);
  });
});

describe("retention", () => {
  it("deletes a prefix only, so that a clock that jumped never takes a younger event with it", async () => {
    const store = await storeWithTopics();
    for (const storedAt of [1000, 9 * HOUR_MS, 1000]) await store.events.append(request({ storedAt }));
    expect(await store.events.sweep(2 * HOUR_MS, 100)).toBe(1);
    expect(await store.events.bounds(TOPIC)).toMatchObject({ deletedThroughSeq: 1, oldest: { seq: 2 } });
    expect(await store.events.sweep(11 * HOUR_MS, 100)).toBe(2);
    expect(await store.events.bounds(TOPIC)).toEqual({ lastSeq: 3, deletedThroughSeq: 3 });
  });

  it("keeps each topic by its own retention, and stays within its bound", async () => {
    const store = await storeWithTopics();
    await store.topics.setRetention(OTHER, 7200);
    for (let i = 0; i < 5; i += 1) {
      await store.events.append(request({ topicId: TOPIC }));
      await store.events.append(request({ topicId: OTHER }));
    }
    const now = 1000 + 1.5 * HOUR_MS;
    expect(await store.events.sweep(now, 3)).toBe(3);
    expect(await store.events.bounds(TOPIC)).toMatchObject({ deletedThroughSeq: 3 });
    expect(await store.events.sweep(now, 100)).toBe(2);
    expect(await store.events.bounds(OTHER)).toMatchObject({ deletedThroughSeq: 0 });
    expect(await store.events.sweep(now + HOUR_MS, 100)).toBe(5);
  });

  it("keeps an event until its very last moment", async () => {
    const store = await storeWithTopics();
    await store.events.append(request({ storedAt: 5000 }));
    expect(await store.events.sweep(5000 + HOUR_MS, 100)).toBe(0);
    expect(await store.events.sweep(5001 + HOUR_MS, 100)).toBe(1);
  });

  it("forgets idempotency keys after their time, not before", async () => {
    const store = await storeWithTopics();
    await store.events.append(keyed("k", "x"));
    await store.events.sweep(1000 + 8 * 24 * HOUR_MS, 100);
    expect((await store.events.append(keyed("k", "x"))).replayed).toBe(true);
    await store.events.sweep(1001 + 8 * 24 * HOUR_MS, 100);
    expect((await store.events.append(keyed("k", "x"))).replayed).toBe(false);
  });

  it("clears out refresh tokens and codes that nobody can use any more", async () => {
    const store = await storeWithTopics();
    await store.scripts.create({ id: "scr_a", name: "a", description: null, createdAt: 0, disabledAt: null }, []);
    const times = { createdAt: 0, expiresAt: 1000 };
    await store.credentials.create("scr_a", { id: "crd_a", generation: "a", secretHash: "h", ...times });
    await store.credentials.startRefreshFamily("crd_a", "f", { hash: "r", ...times });
    await store.codes.createActivationCode({ hash: "c", scriptId: "scr_a", generation: "a", ...times });
    await store.codes.createInviteCode({ hash: "i", topicId: TOPIC, action: "read", ...times });
    await store.events.sweep(1001, 100);
    expect(await store.credentials.byRefreshToken("r")).toBeUndefined();
    const credential = { id: "crd_b", generation: "a", secretHash: "h", ...times } as const;
    expect(await store.codes.redeemActivationCode("c", 2000, credential)).toEqual({ outcome: "expired" });
    await store.events.sweep(1001 + 7 * 24 * HOUR_MS, 100);
    expect(await store.codes.redeemActivationCode("c", 2000, credential)).toEqual({ outcome: "unknown" });
    expect(await store.codes.redeemInviteCode("i", 2000, "scr_a", "g")).toEqual({ outcome: "unknown" });
  });
});

describe("pages", () => {
  it("match a plain list for any mix of filters", async () => {
    const store = await storeWithTopics();
    const model: { seq: number; type: string; producer: string }[] = [];
    for (let i = 0; i < 40; i += 1) {
      const [type, producer] = [`t${i % 3}`, `p${i % 4}`] as const;
      const { seq } = await store.events.append(request({ type, producer }));
      model.push({ seq, type, producer });
      if (i % 10 === 0) await turn();
    }
    const bound = fc.option(fc.integer({ min: 0, max: 42 }), { nil: undefined });
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          afterSeq: bound,
          beforeSeq: bound,
          order: fc.constantFrom("asc" as const, "desc" as const),
          limit: fc.integer({ min: 1, max: 50 }),
          type: fc.constantFrom(undefined, "t0", "t2", "none"),
          excludeProducer: fc.constantFrom(undefined, "p0", "nobody"),
        }),
        async ({ afterSeq, beforeSeq, order, limit, type, excludeProducer }) => {
          const expected = model
            .filter(({ seq }) => seq > (afterSeq ?? 0) && seq < (beforeSeq ?? Infinity))
            .filter((event) => (type === undefined || event.type === type) && event.producer !== excludeProducer)
            .map(({ seq }) => seq);
          const { events } = await store.events.page({
            topicId: TOPIC,
            order,
            limit,
            ...(afterSeq === undefined ? {} : { afterSeq }),
            ...(beforeSeq === undefined ? {} : { beforeSeq }),
            ...(type === undefined ? {} : { type }),
            ...(excludeProducer === undefined ? {} : { excludeProducer }),
          });
          const inOrder = order === "asc" ? expected : expected.toReversed();
          expect(events.map(({ seq }) => seq)).toEqual(inOrder.slice(0, limit));
        },
      ),
      { numRuns: 300 },
    );
  });

  it("count metadata and correlation against their bound, and so do ranges", async () => {
    const store = await storeWithTopics();
    const text = JSON.stringify("x".repeat(40));
    for (const said of [{ metadataJson: text }, { correlationId: text }, { replyTopic: text }, { payloadJson: text }]) {
      const one = request();
      await store.events.append({ ...one, event: { ...one.event, ...said } });
    }
    const page = await store.events.page({ topicId: TOPIC, order: "asc", limit: 10, maxBytes: 150 });
    expect([page.events.length, page.truncated]).toEqual([3, true]);
    expect(await store.events.range(TOPIC, 1, 3, 150)).toHaveLength(3);
    await expect(store.events.range(TOPIC, 1, 4, 150)).rejects.toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
  });

  it("are served by indexes, without scanning or sorting", async () => {
    const store = await storeWithTopics();
    const { eventId } = await store.events.append(request());
    const prepare = vi.spyOn(store.database, "prepare");
    const query = { topicId: TOPIC, order: "desc", limit: 1 } as const;
    await store.events.page(query);
    await store.events.page({ ...query, type: "t" });
    await store.events.page({ ...query, excludeProducer: "scr_a" });
    await store.events.byId(TOPIC, eventId);
    await store.events.bounds(TOPIC);
    const statements = prepare.mock.calls.map(([sql]) => sql);
    prepare.mockRestore();
    const plans = statements.map((sql) =>
      store.database
        .prepare(`EXPLAIN QUERY PLAN ${sql}`)
        .all(...Array.from({ length: sql.split("?").length - 1 }, () => 1))
        .map((row) => String(row["detail"]))
        .join("; "),
    );
    expect(plans).toHaveLength(6);
    expect(plans.filter((plan) => !/USING (COVERING )?INDEX events_by_/.test(plan))).toEqual([]);
    expect(plans.filter((plan) => plan.includes("TEMP B-TREE"))).toEqual([]);
    expect(plans[1]).toContain("events_by_type (topic_no=? AND type=? AND seq>? AND seq<?)");
  });

  it("commit with an fsync", async () => {
    const store = await storeWithTopics();
    const pragma = (name: string) => Object.values(store.database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
    expect([pragma("journal_mode"), pragma("synchronous")]).toEqual(["wal", 2]);
  });
});
