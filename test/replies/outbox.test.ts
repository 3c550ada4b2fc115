import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgentruxError, type AgentruxErrorOptions, type ErrorCode } from "../../src/errors.ts";
import type { ReplyChannel } from "../../src/replies/channel.ts";
import { composeReply, type OutgoingEvent } from "../../src/replies/compose.ts";
import { createOutbox, type Outbox, type OutboxOptions } from "../../src/replies/outbox.ts";
import { judgeSend } from "../../src/replies/send-verdict.ts";
import { FakeClock } from "../promises/support/fake-clock.ts";
import { asJournal, MemoryJournal } from "../promises/support/memory-journal.ts";
import { command, memoryLog } from "./support.ts";

const DAY_MS = 86_400_000;
const fault = (code: ErrorCode, options: AgentruxErrorOptions): AgentruxError => new AgentruxError(code, code, options);
const UNAVAILABLE = fault("server_error", { kind: "refused", retryable: true, status: 503 });
const LOST = fault("timeout", { kind: "unknown", retryable: true });

let clock: FakeClock;
let disk: MemoryJournal;
let sent: { replyId: string; event: OutgoingEvent; at: number }[];
/** What the next sends meet: an error, or "hang". */
let faults: (AgentruxError | "hang" | undefined)[];
let stored: Set<string>;
/** What the next uploads meet. */
let uploadFaults: (AgentruxError | undefined)[];
let uploads: { text: string; at: number }[];
let lookups: string[];
let done: [number, string][];
let log: ReturnType<typeof memoryLog>;
let outbox: Outbox;

function channel(recognisesRepeats: boolean): ReplyChannel {
  return {
    generation: recognisesRepeats ? "b" : "a",
    recognisesRepeats,
    async upload(text) {
      uploads.push({ text, at: clock.monotonic() });
      const met = uploadFaults.shift();
      if (met !== undefined) throw met;
      return { objectId: `obj_${uploads.length}` };
    },
    async publish(event, replyId) {
      sent.push({ replyId, event, at: clock.monotonic() });
      const met = faults.shift();
      if (met === "hang") await new Promise(() => {});
      if (met instanceof AgentruxError) throw met;
      stored.add(replyId);
    },
    async find(replyId) {
      lookups.push(replyId);
      return stored.has(replyId) ? "found" : "absent";
    },
  };
}

function make(extra: Partial<OutboxOptions> = {}): Outbox {
  return createOutbox({
    journal: asJournal(disk),
    channel: channel(true),
    clock,
    random: () => 0.5,
    log,
    onDone: (id, end) => void done.push([id, end]),
    ...extra,
  });
}

beforeEach(() => {
  clock = new FakeClock();
  disk = new MemoryJournal();
  sent = [];
  faults = [];
  stored = new Set();
  uploadFaults = [];
  uploads = [];
  lookups = [];
  done = [];
  log = memoryLog();
  outbox = make();
});

afterEach(async () => {
  const stopped = outbox.stop(0);
  await clock.advance(10);
  await stopped;
});

let serial = 0;
/** A command that has been answered. */
function answered(message = "pong", lane = "lane"): number {
  serial += 1;
  const commandId = serial.toString(16).padStart(32, "0");
  const [id = 0] = disk.admit("t", [{ commandId, producer: "p", lane, body: "{}" }], clock.now()).ids;
  disk.begin(id);
  disk.reply(id, composeReply(command({ commandId }), { status: "completed", message }, 0), clock.now());
  return id;
}

describe("the outbox", () => {
  it("publishes a journaled reply and closes the command", async () => {
    const id = answered();
    outbox.add(id, "lane");
    await clock.settle();
    expect(sent).toHaveLength(1);
    expect(done).toEqual([[id, "published"]]);
    expect(outbox.size).toBe(0);
    expect(disk.commands.size).toBe(0);
    expect(log.lines).toContain("info [agentrux] Published openclaw.response req=r1 text=4c attachments=0");
  });

  it("takes up at the start what an earlier life left", async () => {
    const ids = [answered("a", "l1"), answered("b", "l2")];
    await outbox.start();
    await clock.settle();
    expect(new Set(done.map(([id]) => id))).toEqual(new Set(ids));
  });

  it("finds later what was journaled behind its back", async () => {
    await outbox.start();
    const id = answered();
    await clock.advance(60_000);
    expect(done).toEqual([[id, "published"]]);
  });

  it("marks a send before it begins", async () => {
    faults = ["hang"];
    const id = answered();
    outbox.add(id, "lane");
    await clock.settle();
    expect(sent).toHaveLength(1);
    expect(disk.nextReply(id)).toMatchObject({ state: "sending", attempts: 1 });
  });

  it("sends the parts of a reply in order, and a failing part holds the next ones back", async () => {
    faults = [undefined, UNAVAILABLE];
    const id = answered("x".repeat(500_000));
    outbox.add(id, "lane");
    await clock.until(() => done.length === 1);
    const parts = sent.map(({ event }) => event.payload["part"]);
    expect(parts).toEqual([1, 2, 2, 3]);
    expect(sent.at(-1)?.event.payload["final"]).toBe(true);
  });

  it("keeps the order of a conversation, and lets others pass", async () => {
    faults = [UNAVAILABLE];
    const [a1, a2, b] = [answered("a1", "a"), answered("a2", "a"), answered("b", "b")];
    outbox.add(a1, "a");
    outbox.add(a2, "a");
    outbox.add(b, "b");
    await clock.until(() => done.length === 3);
    expect(done.map(([id]) => id)).toEqual([b, a1, a2]);
  });

  it("lets a conversation go on when one of its replies keeps failing", async () => {
    const stubborn = answered("bad", "a");
    outbox = make({
      channel: {
        ...channel(true),
        publish: (event) => (event.payload["message"] === "bad" ? Promise.reject(UNAVAILABLE) : Promise.resolve()),
      },
    });
    const next = answered("good", "a");
    outbox.add(stubborn, "a");
    outbox.add(next, "a");
    await clock.until(() => done.length === 1);
    expect(done).toEqual([[next, "published"]]);
    expect(outbox.size).toBe(1);
  });

  it("serves a few conversations at once, not all", async () => {
    faults = Array.from({ length: 10 }, () => "hang");
    for (let n = 0; n < 10; n += 1) outbox.add(answered("x", `l${n}`), `l${n}`);
    await clock.settle();
    expect(sent).toHaveLength(4);
  });
});

describe("a send that fails", () => {
  it("is repeated with growing pauses under the same id, and the pauses survive a restart", async () => {
    faults = [UNAVAILABLE, UNAVAILABLE, UNAVAILABLE];
    const id = answered();
    outbox.add(id, "lane");
    await clock.until(() => sent.length === 3);
    const before = outbox.stop(0);
    await clock.advance(1);
    await before;

    const [first, second, third] = sent.map(({ at }) => at);
    expect([second, third].map((at, index) => (at ?? 0) - ([first, second][index] ?? 0))).toEqual([500, 1_000]);
    outbox = make();
    await outbox.start();
    await clock.settle();
    expect(sent).toHaveLength(3);
    await clock.until(() => done.length === 1);
    expect(new Set(sent.map(({ replyId }) => replyId)).size).toBe(1);
  });

  it("waits as long as the server asks, and so do the others after a rate limit", async () => {
    faults = [fault("rate_limited", { kind: "refused", retryable: true, retryAfterMs: 30_000 })];
    outbox.add(answered("a", "a"), "a");
    await clock.settle();
    outbox.add(answered("b", "b"), "b");
    await clock.advance(29_999);
    expect(sent).toHaveLength(1);
    await clock.until(() => done.length === 2);
    expect(clock.monotonic()).toBeLessThan(40_000);
  });

  it("waits as long as the server asks also when it is only unavailable, and keeps nobody else waiting", async () => {
    faults = [fault("server_error", { kind: "refused", retryable: true, retryAfterMs: 30_000 })];
    const [first, second] = [answered("a", "a"), answered("b", "b")];
    outbox.add(first, "a");
    await clock.settle();
    outbox.add(second, "b");
    await clock.advance(29_999);
    expect(done).toEqual([[second, "published"]]);
    await clock.advance(1);
    expect(done).toEqual([
      [second, "published"],
      [first, "published"],
    ]);
  });

  it("that never ends is given up by the clock, and repeated", async () => {
    faults = ["hang"];
    outbox.add(answered(), "lane");
    await clock.until(() => done.length === 1);
    expect(sent).toHaveLength(2);
  });

  it.each([LOST, UNAVAILABLE])(
    "is looked up before it is repeated where the server does not know the key (%s)",
    async (met) => {
      outbox = make({ channel: channel(false) });
      faults = [met];
      const id = answered();
      outbox.add(id, "lane");
      await clock.settle();
      stored.add(sent[0]?.replyId ?? "");
      await clock.until(() => done.length === 1);
      expect(sent).toHaveLength(1);
      expect(lookups).toHaveLength(1);
    },
  );

  it("is given time to arrive before it is looked up, by this life and by the next", async () => {
    outbox = make({ channel: channel(false) });
    faults = [fault("network", { kind: "unknown", retryable: true }), "hang"];
    outbox.add(answered(), "lane");
    await clock.advance(4_999);
    expect(lookups).toHaveLength(0);
    await clock.advance(1);
    expect([lookups.length, sent.length]).toEqual([1, 2]);
    // The second send is broken off by a stop; the server stores it a little later all the same.
    const stopping = outbox.stop(0);
    await clock.advance(1);
    await stopping;
    outbox = make({ channel: channel(false) });
    await outbox.start();
    await clock.advance(1_000);
    stored.add(sent[0]?.replyId ?? "");
    await clock.until(() => done.length === 1);
    expect([lookups.length, sent.length]).toEqual([2, 2]);
  });

  it("is sent again when it is not there", async () => {
    outbox = make({ channel: channel(false) });
    faults = [LOST];
    outbox.add(answered(), "lane");
    await clock.until(() => done.length === 1);
    expect([sent.length, lookups.length]).toEqual([2, 1]);
  });

  it("is looked up after a crash in the middle of sending", async () => {
    const id = answered();
    disk.markSending(disk.nextReply(id)?.id ?? 0, 0);
    stored.add(disk.nextReply(id)?.replyId ?? "");
    outbox = make({ channel: channel(false) });
    await outbox.start();
    await clock.settle();
    expect(done).toEqual([[id, "published"]]);
    expect(sent).toEqual([]);
  });

  it("is looked up although the server knows keys, once it may have forgotten this one", async () => {
    for (const lane of ["found", "absent"]) {
      const id = answered("pong", lane);
      const reply = disk.nextReply(id);
      disk.markSending(reply?.id ?? 0, 0);
      if (lane === "found") stored.add(reply?.replyId ?? "");
    }
    await clock.advance(3_600_000);
    await outbox.start();
    await clock.settle();
    expect(lookups).toHaveLength(2);
    expect(sent).toHaveLength(1);
    expect(done.map(([, end]) => end)).toEqual(["published", "published"]);
  });

  it("is not replaced because it cannot be looked up", async () => {
    const refused = fault("invalid", { kind: "refused", status: 400 });
    let failing = true;
    const find = () => (failing ? Promise.reject(refused) : Promise.resolve("absent" as const));
    outbox = make({ channel: { ...channel(false), find } });
    const id = answered();
    disk.markSending(disk.nextReply(id)?.id ?? 0, 0);
    await outbox.start();
    await clock.advance(60_000);
    expect(disk.nextReply(id)?.body).toContain("pong");
    failing = false;
    await clock.until(() => done.length === 1, 600_000);
    expect(sent).toHaveLength(1);
    expect(JSON.stringify(sent[0]?.event)).toContain("pong");
  });

  it("is sent once more when nobody can tell, and says so", async () => {
    outbox = make({ channel: { ...channel(false), find: () => Promise.resolve("unknown") } });
    faults = [LOST];
    outbox.add(answered(), "lane");
    await clock.until(() => done.length === 1);
    expect(sent).toHaveLength(2);
    expect(log.lines.some((line) => line.includes("Cannot tell whether"))).toBe(true);
  });

  it("is not repeated while the look-up itself fails", async () => {
    let failing = true;
    outbox = make({
      channel: { ...channel(false), find: () => (failing ? Promise.reject(LOST) : Promise.resolve("found")) },
    });
    faults = [LOST];
    outbox.add(answered(), "lane");
    await clock.advance(600_000);
    expect(sent).toHaveLength(1);
    failing = false;
    await clock.until(() => done.length === 1);
    expect(sent).toHaveLength(1);
  });

  it("with a conflict of the key means that a reply is there already", async () => {
    faults = [fault("conflict", { kind: "refused", serviceCode: "IDEMPOTENCY_CONFLICT" })];
    const id = answered();
    outbox.add(id, "lane");
    await clock.settle();
    expect(done).toEqual([[id, "published"]]);
  });
});

describe("a reply the server will not take", () => {
  it("is replaced by a short failed one", async () => {
    faults = [fault("payload_too_large", { kind: "refused" })];
    outbox.add(answered(), "lane");
    await clock.until(() => done.length === 1);
    expect(sent.map(({ event }) => event.payload["status"])).toEqual(["completed", "failed"]);
    expect(done[0]?.[1]).toBe("published");
  });

  it("goes to the dead letters when that one is refused too", async () => {
    faults = [fault("invalid", { kind: "refused" }), fault("invalid", { kind: "refused" })];
    outbox.add(answered(), "lane");
    await clock.until(() => done.length === 1);
    expect(done[0]?.[1]).toBe("expired");
    expect([...disk.dead.values()]).toMatchObject([{ kind: "reply", reason: "reply_refused: invalid" }]);
  });

  it("is given up after its age, not before, and can be replayed", async () => {
    const id = answered();
    outbox = make({
      channel: { ...channel(true), publish: () => Promise.reject(fault("forbidden", { kind: "refused" })) },
    });
    outbox.add(id, "lane");
    await clock.advance(DAY_MS - 1_000);
    expect(done).toEqual([]);
    await clock.until(() => done.length === 1, DAY_MS);
    expect(done).toEqual([[id, "expired"]]);
    const [letter] = [...disk.dead.values()];
    expect(letter).toMatchObject({ kind: "reply" });
    expect(letter?.reason).toContain("reply_expired");
  });

  it("is not given up because the clock jumped, or the machine was off for days", async () => {
    const id = answered();
    clock.wallOffset += 10 * DAY_MS;
    faults = [UNAVAILABLE, LOST, UNAVAILABLE];
    outbox.add(id, "lane");
    await clock.until(() => done.length === 1);
    expect(done).toEqual([[id, "published"]]);
  });

  it("does not wait for a day because the clock jumped back", async () => {
    const id = answered();
    disk.deferReply(disk.nextReply(id)?.id ?? 0, clock.now() + 1_000, false);
    clock.wallOffset -= DAY_MS;
    await outbox.start();
    await clock.until(() => done.length === 1, 150_000);
    expect(done).toEqual([[id, "published"]]);
  });
});

describe("stopping", () => {
  it("waits for what is under way and begins nothing new", async () => {
    let finish = (): void => {};
    outbox = make({
      parallel: 1,
      channel: { ...channel(true), publish: () => new Promise<void>((resolve) => (finish = resolve)) },
    });
    const [first, second] = [answered("a", "a"), answered("b", "b")];
    outbox.add(first, "a");
    outbox.add(second, "b");
    await clock.settle();
    let stopped = false;
    const stopping = outbox.stop(5_000).then(() => (stopped = true));
    await clock.advance(1_000);
    expect(stopped).toBe(false);
    finish();
    await stopping;
    expect(done).toEqual([[first, "published"]]);
    expect(disk.nextReply(second)?.state).toBe("pending");
  });

  it("breaks off a send at the deadline, and leaves it as of unknown outcome", async () => {
    faults = ["hang"];
    const id = answered();
    outbox.add(id, "lane");
    await clock.settle();
    const stopping = outbox.stop(1_000);
    await clock.advance(1_000);
    await stopping;
    expect(disk.nextReply(id)?.state).toBe("sending");
    expect(clock.pending).toBe(0);
  });
});

describe("what a failure means", () => {
  it.each([
    [fault("conflict", { kind: "refused", serviceCode: "IDEMPOTENCY_CONFLICT" }), { end: "stored" }],
    [fault("conflict", { kind: "refused", serviceCode: "CONFLICT" }), { end: "later", uncertain: false, slow: true }],
    [fault("invalid", { kind: "refused" }), { end: "refused" }],
    [fault("payload_too_large", { kind: "refused" }), { end: "refused" }],
    [fault("invalid", { kind: "unknown" }), { end: "later", uncertain: true }],
    [LOST, { end: "later", uncertain: true, slow: false }],
    [UNAVAILABLE, { end: "later", uncertain: true, slow: false }],
    [fault("forbidden", { kind: "refused" }), { end: "later", uncertain: false, slow: true, everyone: false }],
    [
      fault("rate_limited", { kind: "refused", retryable: true, retryAfterMs: 5 }),
      { end: "later", uncertain: false, everyone: true, retryAfterMs: 5 },
    ],
    [fault("network", { kind: "local", retryable: true }), { end: "later", uncertain: false, slow: false }],
    [new Error("what is this"), { end: "later", uncertain: true }],
  ])("%s", (error, expected) => {
    expect(judgeSend(error)).toMatchObject(expected);
  });
});

describe("a reply of any length", () => {
  const huge = '"line"\n\u{1f600}'.repeat(300_000);
  const messageOf = (): string => sent.map(({ event }) => event.payload["message"]).join("");
  const single = (): Record<string, unknown> => {
    expect(sent.at(-1)?.event.payload).toBeDefined();
    return { ...sent.at(-1)?.event.payload };
  };

  it("is one terminal event that carries its beginning and names the object with the whole of it", async () => {
    const id = answered(huge);
    outbox.add(id, "lane");
    await clock.until(() => done.length === 1);
    expect(done).toEqual([[id, "published"]]);
    expect(uploads.map(({ text }) => text)).toEqual([huge]);
    expect(sent).toHaveLength(1);
    const reference = {
      payload_object_id: "obj_1",
      content_type: "text/plain; charset=utf-8",
      size: Buffer.byteLength(huge),
    };
    const payload = single();
    expect(payload).toMatchObject({
      status: "completed",
      final: true,
      message_object: { ...reference, sha256: createHash("sha256").update(huge).digest("hex") },
      attachments: [{ name: "reply.txt", ...reference }],
    });
    expect(String(payload["message"]).startsWith(huge.slice(0, 1_000))).toBe(true);
    expect(String(payload["message"]).length).toBeLessThan(5_000);
    expect(JSON.stringify(sent[0]?.event.payload).length).toBeLessThan(20_000);
  });

  it("names the object in the words of the generation", async () => {
    outbox = make({ channel: channel(false) });
    outbox.add(answered(huge), "lane");
    await clock.until(() => done.length === 1);
    expect(single()["message_object"]).toMatchObject({ object_id: "obj_1" });
  });

  it("is uploaded once, however often its event has to be sent", async () => {
    faults = [UNAVAILABLE, LOST, UNAVAILABLE];
    outbox.add(answered(huge), "lane");
    await clock.until(() => done.length === 1);
    expect(uploads).toHaveLength(1);
    expect(new Set(sent.map(({ event }) => JSON.stringify(event.payload))).size).toBe(1);
    expect(new Set(sent.map(({ replyId }) => replyId)).size).toBe(1);
  });

  it("keeps the reference over a restart", async () => {
    outbox = make({ channel: { ...channel(true), publish: () => Promise.reject(UNAVAILABLE) } });
    outbox.add(answered(huge), "lane");
    await clock.until(() => uploads.length === 1);
    await clock.advance(10);
    const stopping = outbox.stop(0);
    await clock.advance(10);
    await stopping;
    outbox = make();
    await outbox.start();
    await clock.until(() => done.length === 1);
    expect(uploads).toHaveLength(1);
  });

  it("is uploaded again after an hour: what nobody refers to may have expired", async () => {
    outbox = make({ channel: { ...channel(true), publish: () => Promise.reject(UNAVAILABLE) } });
    outbox.add(answered(huge), "lane");
    await clock.until(() => uploads.length === 2, DAY_MS);
    expect((uploads[1]?.at ?? 0) - (uploads[0]?.at ?? 0)).toBeGreaterThan(3_600_000);
  });

  it("tries an upload again that failed in passing", async () => {
    uploadFaults = [UNAVAILABLE, LOST];
    outbox.add(answered(huge), "lane");
    await clock.until(() => done.length === 1);
    expect(uploads).toHaveLength(3);
    expect(sent).toHaveLength(1);
    expect(lookups).toEqual([]);
  });

  it.each([
    ["refuses objects", [fault("not_found", { kind: "refused", status: 404 })], 1],
    ["takes none of this size", [fault("payload_too_large", { kind: "refused", status: 413 })], 1],
    ["has a broken store", Array.from({ length: 9 }, () => UNAVAILABLE), 5],
  ])("goes out in numbered parts where the service %s", async (_name, met, tries) => {
    uploadFaults = met;
    const id = answered(huge);
    outbox.add(id, "lane");
    await clock.until(() => done.length === 1);
    expect(uploads).toHaveLength(tries);
    expect(sent.length).toBeGreaterThan(8);
    expect(messageOf()).toBe(huge);
    const payloads = sent.map(({ event }) => event.payload);
    expect(payloads.map(({ part }) => part)).toEqual(payloads.map((_payload, index) => index + 1));
    expect(payloads.map(({ final, status }) => [final, status])).toEqual(
      payloads.map((_payload, index) => (index === payloads.length - 1 ? [true, "completed"] : [false, "partial"])),
    );
    expect(payloads.some((payload) => "message_object" in payload || "attachments" in payload)).toBe(false);
    expect(new Set(sent.map(({ replyId }) => replyId)).size).toBe(sent.length);
    expect(done).toEqual([[id, "published"]]);
  });

  it("goes out in numbered parts where the service takes the object and refuses the event", async () => {
    faults = [fault("invalid", { kind: "refused", status: 422 })];
    outbox.add(answered(huge), "lane");
    await clock.until(() => done.length === 1);
    sent.shift();
    expect(messageOf()).toBe(huge);
    expect(sent.at(-1)?.event.payload).not.toHaveProperty("attachments");
  });

  it("is never sent in parts beside an event that may have arrived", async () => {
    faults = [LOST];
    outbox.add(answered(huge), "lane");
    await clock.until(() => sent.length === 1);
    // The event is out, perhaps; the object is old by now, and the service refuses another one.
    for (const reply of disk.replies.values()) {
      const body = JSON.parse(reply.body) as { spill: { object: { uploadedAt: number } } };
      body.spill.object.uploadedAt -= DAY_MS;
      reply.body = JSON.stringify(body);
    }
    uploadFaults = [fault("forbidden", { kind: "refused" }), fault("forbidden", { kind: "refused" })];
    await clock.until(() => done.length === 1);
    expect(uploads).toHaveLength(4);
    expect(sent.every(({ event }) => event.payload["final"] === true)).toBe(true);
    expect(new Set(sent.map(({ replyId }) => replyId)).size).toBe(1);
  });
});

describe("publishing as a whole", () => {
  it("is at fault once it has failed for a while, and mended with the next success", async () => {
    faults = Array.from({ length: 8 }, () => UNAVAILABLE);
    outbox.add(answered(), "lane");
    await clock.until(() => sent.length === 1);
    expect(outbox.fault).toBeUndefined();
    await clock.until(() => outbox.fault !== undefined);
    expect(outbox.fault).toBe("replies cannot be published: server_error");
    await clock.until(() => done.length === 1);
    expect(outbox.fault).toBeUndefined();
    expect(log.lines.filter((line) => line.includes("published again"))).toHaveLength(1);
    expect(log.lines.filter((line) => line.includes("not published")).length).toBeLessThan(8);
  });

  it("is not at fault for one reply that keeps failing while others go out", async () => {
    let bad = "";
    const publish: ReplyChannel["publish"] = (event, replyId) =>
      replyId === bad
        ? Promise.reject(UNAVAILABLE)
        : channel(true).publish(event, replyId, new AbortController().signal);
    outbox = make({ channel: { ...channel(true), publish } });
    const id = answered();
    bad = disk.nextReply(id)?.replyId ?? "";
    outbox.add(id, "bad");
    for (let n = 0; n < 20; n += 1) {
      outbox.add(answered(), `good ${n}`);
      await clock.advance(10_000);
      expect(outbox.fault).toBeUndefined();
    }
  });

  it("is not at fault when there is nothing left to publish", async () => {
    outbox = make({
      channel: { ...channel(true), publish: () => Promise.reject(UNAVAILABLE) },
      maxAgeMs: () => DAY_MS,
    });
    outbox.add(answered(), "lane");
    await clock.until(() => done.length === 1, 3 * DAY_MS);
    expect(done[0]?.[1]).toBe("expired");
    expect(outbox.fault).toBeUndefined();
  });
});

describe("the order of a conversation", () => {
  const published = (): number[] => done.map(([id]) => id);

  it("outlasts an outage of any length", async () => {
    let down = true;
    const through = channel(true);
    outbox = make({
      channel: { ...through, publish: (...args) => (down ? Promise.reject(LOST) : through.publish(...args)) },
    });
    const ids = [answered("1"), answered("2"), answered("3")];
    for (const id of ids) outbox.add(id, "lane");
    await clock.advance(2 * 3_600_000);
    expect(disk.nextReply(ids[0] ?? 0)?.attempts).toBeGreaterThan(20);
    down = false;
    await clock.until(() => done.length === 3, 300_000);
    expect(published()).toEqual(ids);
  });

  it("does not wait for a reply that is stuck by itself", async () => {
    const through = channel(true);
    let stuck = true;
    outbox = make({
      channel: {
        ...through,
        publish: (event, ...rest) =>
          stuck && event.payload["message"] === "1" ? Promise.reject(UNAVAILABLE) : through.publish(event, ...rest),
      },
    });
    const ids = [answered("1"), answered("2"), answered("3")];
    for (const id of ids) outbox.add(id, "lane");
    await clock.until(() => done.length === 2, 600_000);
    expect(published()).toEqual(ids.slice(1));
    stuck = false;
    await clock.until(() => done.length === 3, 300_000);
    expect(sent.filter(({ event }) => event.payload["message"] === "1")).toHaveLength(1);
  });
});
