import { readdirSync } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import { createOutgoing } from "../../src/attachments/outbound.ts";
import { createSpool } from "../../src/attachments/spool.ts";
import { addressOf, parseAddress } from "../../src/intake/address.ts";
import type { ReplyFiles } from "../../src/replies/files.ts";
import type { TurnResult } from "../../src/replies/turn.ts";
import { tempDir } from "../journal/support.ts";
import { Bench, replied } from "../promises/support/bench.ts";
import type { FakeClock } from "../promises/support/fake-clock.ts";
import { memoryLog } from "../replies/support.ts";

const FAILED: TurnResult = { kind: "failed", reason: "HTTP 400: the model's own words, with a secret" };
const notStarted = (reason: "draining" | "starting" | "capacity" | "aborted"): TurnResult => ({
  kind: "not-started",
  reason,
});

/** Timers ring a moment before their time, as they do on a machine that is busy; it has come after so many looks. */
function ringEarly(clock: FakeClock, looks: number): void {
  const exact = clock.monotonic.bind(clock);
  const after = clock.after.bind(clock);
  let looksEarly = 0;
  clock.monotonic = () => {
    looksEarly -= 1;
    return looksEarly < 0 ? exact() : exact() - 1;
  };
  clock.after = (delayMs, callback) =>
    after(delayMs, () => {
      looksEarly = looks;
      callback();
    });
}

let bench: Bench;

beforeEach(async () => {
  bench = await new Bench().start();
});

describe("a turn that", () => {
  it("answers ends the command, and its reply is published", async () => {
    await bench.send("c1", "a");
    expect(bench.turn("a").request).toMatchObject({ attempt: 1, timeoutMs: 10_000 });
    expect(bench.turn("a").request.address).toBe(`cmd:${bench.turn("a").request.command.commandId}~1`);
    await bench.turn("a").end(replied("pong"));
    expect(bench.answers).toEqual(["completed: pong"]);
    expect(bench.delivery.snapshot()).toMatchObject({ backlog: 0, unsentReplies: 0, counts: { published: 1 } });
  });

  it("is counted on disk before it starts", async () => {
    await bench.send("c1", "a");
    expect(bench.records.openCommands(0, 10)).toMatchObject([{ state: "running", attempt: 1, tries: 1 }]);
  });

  it("says nothing is answered with an empty completed reply", async () => {
    await bench.send("c1", "a");
    await bench.turn("a").end({ kind: "silent" });
    expect(bench.answers).toEqual(["completed: "]);
  });

  it.each([
    ["fails", (): Promise<void> => bench.turn("a").end(FAILED)],
    ["throws", (): Promise<void> => bench.turn("a").fail(new Error("thrown, with a secret"))],
  ])("%s is tried again after a pause, and in the end reported without the host's words", async (_name, fail) => {
    await bench.send("c1", "a");
    const begins: number[] = [];
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      await bench.clock.until(() => bench.turns.length === attempt);
      expect(bench.turn("a").request.attempt).toBe(attempt);
      begins.push(bench.clock.monotonic());
      await fail();
    }
    expect(begins).toEqual([0, 500, 1_500]);
    await bench.clock.advance(60_000);
    expect(bench.turns).toHaveLength(3);
    expect(bench.answers).toEqual(["failed: The agent could not complete this request."]);
    expect(JSON.stringify(bench.replies)).not.toContain("secret");
    const [letter] = await bench.delivery.operator.deadLetters(1e9, 10);
    expect(letter).toMatchObject({ kind: "turn", attempt: 3 });
    expect(letter?.reason).toContain("secret");
    expect(bench.log.lines.filter((line) => line.includes("dispatch failed"))).toMatchObject([
      expect.stringContaining("warn [agentrux] dispatch failed for evt_1 (attempt 1/3): "),
      expect.stringContaining("(attempt 2/3): "),
      expect.stringContaining("error [agentrux] dispatch failed 3 times for evt_1, skipping: "),
    ]);
  });

  it("fails is tried again also by a timer that rings a moment early", async () => {
    ringEarly(bench.clock, 1);
    await bench.send("c1", "a");
    await bench.turn("a").end(FAILED);
    await bench.clock.advance(60_000);
    expect(bench.turns).toHaveLength(2);
  });

  it("fails once and then answers is answered once", async () => {
    await bench.send("c1", "a");
    await bench.turn("a").end(FAILED);
    await bench.clock.until(() => bench.turns.length === 2);
    await bench.turn("a").end(replied("second"));
    expect(bench.answers).toEqual(["completed: second"]);
    expect(await bench.delivery.operator.deadLetters(1e9, 10)).toEqual([]);
  });

  it("reports a timeout is not tried again", async () => {
    await bench.send("c1", "a");
    await bench.turn("a").end({ kind: "timeout" });
    await bench.clock.advance(60_000);
    expect(bench.turns).toHaveLength(1);
    expect(bench.answers).toEqual(["timeout: The agent did not finish within 10 seconds."]);
    expect(await bench.delivery.operator.deadLetters(1e9, 10)).toMatchObject([{ kind: "turn" }]);
  });
});

describe("the time limit", () => {
  it("aborts the turn, and leaves behind one that does not listen", async () => {
    await bench.send("c1", "a", "b");
    await bench.clock.advance(9_999);
    expect(bench.turn("a").signal.aborted).toBe(false);
    await bench.clock.advance(1);
    expect(bench.turn("a").signal.aborted).toBe(true);
    expect(bench.begun).toEqual(["a"]);
    await bench.clock.advance(5_000);
    expect(bench.begun).toEqual(["a", "b"]);
    expect(bench.answers).toEqual(["timeout: The agent did not finish within 10 seconds."]);

    // What it says in the end is not heard any more.
    await bench.turn("a").end(replied("too late"));
    await bench.turn("b").end(replied("b"));
    expect(bench.answers).toHaveLength(2);
  });

  it.each<TurnResult>([notStarted("aborted"), { kind: "silent" }, FAILED, { kind: "deferred" }])(
    "means a timeout whatever else the aborted turn says (%s)",
    async (result) => {
      await bench.send("c1", "a");
      await bench.clock.advance(10_000);
      await bench.turn("a").end(result);
      expect(bench.answers).toEqual(["timeout: The agent did not finish within 10 seconds."]);
    },
  );

  it("does not throw away an answer that comes just after it", async () => {
    await bench.send("c1", "a");
    await bench.clock.advance(10_000);
    await bench.turn("a").end(replied("just in time"));
    expect(bench.answers).toEqual(["completed: just in time"]);
  });
});

describe("a host that takes no work", () => {
  it.each(["draining", "starting", "capacity"] as const)(
    "(%s) costs no attempt, and is asked again with growing pauses",
    async (reason) => {
      bench.auto = () => notStarted(reason);
      await bench.send("c1", "a");
      await bench.send("c2", "b");
      await bench.clock.advance(60_000);
      const refused = bench.turns.length;
      expect(refused).toBeGreaterThan(4);
      expect(refused).toBeLessThan(25);
      expect(bench.delivery.snapshot()).toMatchObject({ backlog: 2, hostRefuses: true });
      expect(bench.records.openCommands(0, 10).map(({ tries }) => tries)).toEqual([0, 0]);
      bench.auto = ({ command }) => replied(command.message);
      await bench.clock.until(() => bench.replies.length === 2, 30_000);
      expect(bench.answers.toSorted()).toEqual(["completed: a", "completed: b"]);
      expect(bench.delivery.snapshot().hostRefuses).toBe(false);
    },
  );

  it("is asked again also by a timer that rings a moment early", async () => {
    ringEarly(bench.clock, 2);
    await bench.send("c1", "a");
    await bench.turn("a").end(notStarted("draining"));
    await bench.clock.advance(60_000);
    expect(bench.turns).toHaveLength(2);
  });

  it("is tried with a single turn, and trusted again as soon as that one goes on", async () => {
    bench.auto = () => notStarted("draining");
    for (const conversation of ["c1", "c2", "c3"]) await bench.send(conversation, conversation);
    bench.auto = undefined;
    const before = bench.turns.length;
    await bench.clock.until(() => bench.turns.length > before);
    await bench.clock.settle();
    expect(bench.turns).toHaveLength(before + 1);
    await bench.clock.advance(1_000);
    expect(bench.turns).toHaveLength(before + 3);
  });

  it("once refused, is tried with another turn although an older one goes on", async () => {
    bench = await new Bench().start();
    await bench.send("c1", "long");
    await bench.clock.advance(2_000);
    await bench.send("c2", "b");
    await bench.turn("b").end(notStarted("capacity"));
    await bench.send("c3", "c");
    await bench.clock.until(() => bench.begun.length > 2, 7_000);
    expect(bench.begun.slice(0, 2)).toEqual(["long", "b"]);
    expect(bench.turns).toHaveLength(3);
  });

  it("keeps the order of a conversation", async () => {
    bench.auto = () => notStarted("draining");
    await bench.send("c1", "a", "b");
    bench.auto = ({ command }) => replied(command.message);
    await bench.clock.until(() => bench.replies.length === 2, 60_000);
    expect(bench.answers).toEqual(["completed: a", "completed: b"]);
  });
});

describe("a turn the host took elsewhere", () => {
  it("is answered at its address, and frees its slot but not its conversation meanwhile", async () => {
    bench = await new Bench({ maxConcurrency: 1 }).start();
    await bench.send("c1", "a", "a2");
    await bench.send("c2", "b");
    await bench.turn("a").end({ kind: "deferred" });
    expect(bench.begun).toEqual(["a", "b"]);
    expect(bench.delivery.snapshot()).toMatchObject({ waitingForHost: 1, running: 1 });
    const { address } = bench.turn("a").request;
    expect(await bench.delivery.acceptHostReply(`agentrux:${address}`, "from elsewhere", [])).toBe("accepted");
    await bench.turn("b").end(replied("b"));
    expect(bench.begun).toEqual(["a", "b", "a2"]);
    expect(bench.answers).toContain("completed: from elsewhere");
  });

  it("is run again when no answer comes in its time and the host disowns it", async () => {
    await bench.send("c1", "a");
    await bench.turn("a").end({ kind: "deferred" });
    await bench.clock.advance(9_999);
    expect(bench.turns).toHaveLength(1);
    await bench.clock.until(() => bench.turns.length === 2, 20_000);
    expect(bench.turn("a").request.attempt).toBe(2);
    expect(bench.records.openCommands(0, 1)).toMatchObject([{ tries: 2 }]);
  });

  it("is waited for as long as the host owns it", async () => {
    bench.owner = () => "host";
    await bench.send("c1", "a");
    await bench.turn("a").end({ kind: "deferred" });
    await bench.clock.advance(5 * 60_000);
    expect(bench.turns).toHaveLength(1);
    bench.owner = () => "nobody";
    await bench.clock.until(() => bench.turns.length === 2, 20_000);
  });

  it("is not waited for without end", async () => {
    bench.owner = () => "host";
    await bench.send("c1", "a");
    await bench.turn("a").end({ kind: "deferred" });
    await bench.clock.until(() => bench.turns.length === 2, 30 * 60_000);
    expect(bench.turn("a").request.attempt).toBe(2);
  });
});

describe("an attempt the host swallowed", () => {
  it("is made again under a new address, and costs nothing", async () => {
    await bench.send("c1", "a");
    await bench.turn("a").end({ kind: "swallowed" });
    await bench.clock.until(() => bench.turns.length === 2, 20_000);
    expect(bench.turns.map((turn) => turn.request.address.split("~")[1])).toEqual(["1", "2"]);
    expect(bench.records.openCommands(0, 1)).toMatchObject([{ attempt: 2, tries: 1 }]);
  });

  it("is waited for when the host answers it by itself", async () => {
    bench.owner = () => "host";
    await bench.send("c1", "a");
    await bench.turn("a").end({ kind: "swallowed" });
    await bench.clock.advance(30_000);
    expect(bench.turns).toHaveLength(1);
    await bench.delivery.acceptHostReply(bench.turn("a").request.address, "resumed", []);
    await bench.clock.advance(30_000);
    expect(bench.answers).toEqual(["completed: resumed"]);
    expect(bench.turns).toHaveLength(1);
  });

  it("is reported as failed when it is always swallowed", async () => {
    bench.auto = () => ({ kind: "swallowed" });
    await bench.send("c1", "a");
    await bench.clock.until(() => bench.replies.length === 1);
    expect(bench.answers).toEqual(["failed: The agent could not complete this request."]);
    expect(bench.turns.length).toBeLessThan(12);
  });
});

describe("what the host says by itself", () => {
  it("of an attempt before the one that runs is the reply, and the one that runs is broken off", async () => {
    await bench.send("c1", "a", "b");
    const { address } = bench.turn("a").request;
    await bench.turn("a").end({ kind: "swallowed" });
    await bench.clock.until(() => bench.turns.length === 2, 20_000);
    expect(await bench.delivery.acceptHostReply(address, "resumed", [])).toBe("accepted");
    expect(bench.turn("a").signal.aborted).toBe(true);
    // It keeps its conversation until it has ended.
    expect(bench.begun).toEqual(["a", "a"]);
    await bench.turn("a").end(notStarted("aborted"));
    expect(bench.begun).toEqual(["a", "a", "b"]);
    expect(bench.answers).toEqual(["completed: resumed"]);
  });

  it("is the reply when it comes first; the turn's own answer is then dropped", async () => {
    await bench.send("c1", "a", "b");
    const { address } = bench.turn("a").request;
    expect(await bench.delivery.acceptHostReply(address, "aside", [])).toBe("accepted");
    expect(bench.turn("a").signal.aborted).toBe(false);
    // The turn still holds its conversation.
    await bench.clock.settle();
    expect(bench.begun).toEqual(["a"]);
    await bench.turn("a").end(replied("own"));
    expect(bench.begun).toEqual(["a", "b"]);
    expect(bench.answers).toEqual(["completed: aside"]);
  });

  it.each<TurnResult>([FAILED, notStarted("draining"), { kind: "deferred" }, { kind: "timeout" }])(
    "also wins over a turn that then ends otherwise (%s)",
    async (result) => {
      await bench.send("c1", "a");
      await bench.delivery.acceptHostReply(bench.turn("a").request.address, "aside", []);
      await bench.turn("a").end(result);
      await bench.clock.advance(600_000);
      expect(bench.answers).toEqual(["completed: aside"]);
      expect(bench.turns).toHaveLength(1);
      expect(await bench.delivery.operator.deadLetters(1e9, 10)).toEqual([]);
    },
  );

  it("is dropped when the command is answered, unknown, or when it says nothing", async () => {
    await bench.send("c1", "a");
    const { address } = bench.turn("a").request;
    expect(await bench.delivery.acceptHostReply(address, "", [])).toBe("empty");
    await bench.turn("a").end(replied("own"));
    expect(await bench.delivery.acceptHostReply(address, "again", [])).toBe("closed");
    expect(await bench.delivery.acceptHostReply("cmd:0000000000000000~1", "who", [])).toBe("closed");
    for (const other of ["", "cmd:", "user:5", "cmd:XYZ~1", `${address}~2`, "agentrux:topic:1"]) {
      expect(await bench.delivery.acceptHostReply(other, "where", [])).toBe("unknown_address");
    }
    expect(bench.answers).toEqual(["completed: own"]);
  });

  it("answers a command that waits for its next attempt, which is then not made", async () => {
    await bench.send("c1", "a", "b");
    const { address } = bench.turn("a").request;
    await bench.turn("a").end(FAILED);
    expect(await bench.delivery.acceptHostReply(address, "after all", [])).toBe("accepted");
    await bench.clock.advance(5_000);
    expect(bench.begun).toEqual(["a", "b"]);
    expect(bench.answers).toEqual(["completed: after all"]);
  });

  it("at an older attempt's address still answers the command", async () => {
    await bench.send("c1", "a");
    const { address } = bench.turn("a").request;
    await bench.turn("a").end(FAILED);
    await bench.clock.until(() => bench.turns.length === 2);
    expect(await bench.delivery.acceptHostReply(address, "from the first", [])).toBe("accepted");
    await bench.turn("a").end(replied("from the second"));
    expect(bench.answers).toEqual(["completed: from the first"]);
  });
});

describe("attachments", () => {
  const discard = () => Promise.resolve();
  const forget = () => Promise.resolve();

  it("go with the reply", async () => {
    const listed = [{ name: "a.png", object_id: "obj_1", content_type: "image/png" }];
    const asked: (readonly string[])[] = [];
    const collect: ReplyFiles["collect"] = (_command, media) => {
      asked.push(media);
      return Promise.resolve({ listed, files: [] });
    };
    bench = await new Bench({ files: { collect, discard, forget } }).start();
    await bench.send("c1", "a");
    await bench.turn("a").end({ kind: "replied", text: "see", media: ["/tmp/a.png", "/tmp/b.png"] });
    expect(bench.replies[0]?.payload["attachments"]).toEqual(listed);
    expect(asked).toEqual([["/tmp/a.png", "/tmp/b.png"]]);
  });

  it("that cannot be made, or never are, do not keep the reply back, and it says so", async () => {
    let hang = false;
    const collect = () => (hang ? new Promise<never>(() => {}) : Promise.reject(new Error("no such file")));
    bench = await new Bench({ files: { collect, discard, forget } }).start();
    await bench.send("c1", "a", "b");
    await bench.turn("a").end({ kind: "replied", text: "a", media: ["/x"] });
    hang = true;
    await bench.turn("b").end({ kind: "replied", text: "b", media: ["/y"] });
    await bench.clock.until(() => bench.replies.length === 2, 600_000);
    expect(bench.answers).toEqual(["completed: a", "completed: b"]);
    expect(bench.log.lines.filter((line) => line.includes("attachments of"))).toHaveLength(2);
    for (const { payload } of bench.replies) {
      expect(payload["attachments"]).toMatchObject([{ error: { message: "This file could not be sent." } }]);
    }
  });

  it.each(["completed", "timeout", "failed"])(
    "of tools are no longer kept when the command has ended as %s",
    async (end) => {
      const dir = tempDir();
      const spool = createSpool(dir.path, () => 0);
      const policy = {
        rules: () => ({ readable: [], roots: [] }) as never,
        originalOf: (reference: string) => Promise.resolve(reference),
        typeOf: () => Promise.resolve("text/plain"),
      };
      const files = createOutgoing({ spool, policy, log: memoryLog(), keepMs: 8 * 86_400_000 });
      bench = await new Bench({ files, maxAttempts: 1 }).start();
      await bench.send("c1", "a");
      const { commandId } = bench.turn("a").request.command;
      await files.add(commandId, { reference: "x.txt", text: "content" });
      const ends: Record<string, TurnResult> = { completed: replied("ok"), failed: { kind: "failed", reason: "no" } };
      await bench.turn("a").end(ends[end] ?? { kind: "timeout" });
      // The copies of an answer stay until they are uploaded, which is not done here.
      const kept = end === "completed" ? 1 : 0;
      await expect.poll(() => [bench.answers.length, readdirSync(dir.path).length]).toEqual([1, kept]);
      expect(await files.collect(bench.turn("a").request.command, [])).toEqual({ listed: [], files: [] });
      dir.remove();
    },
  );
});

describe("the operator", () => {
  it("replays a dead letter as a new run with a reply of its own", async () => {
    await bench.send("c1", "a");
    await bench.turn("a").end({ kind: "timeout" });
    const [letter] = await bench.delivery.operator.deadLetters(1e9, 10);
    expect(bench.delivery.snapshot().deadLetters).toBe(1);
    expect(await bench.delivery.operator.replay(letter?.id ?? 0)).toBe(true);
    await bench.clock.settle();
    expect(bench.turns).toHaveLength(2);
    expect(bench.turn("a").request.attempt).toBe(2);
    await bench.turn("a").end(replied("now"));
    expect(bench.answers).toEqual(["timeout: The agent did not finish within 10 seconds.", "completed: now"]);
    expect(new Set(bench.replies.map((reply) => reply.payload["reply_id"])).size).toBe(2);
    expect(bench.delivery.snapshot().deadLetters).toBe(0);
    expect(await bench.delivery.operator.replay(letter?.id ?? 0)).toBe(false);
  });

  it("asks from another process, and is answered within a second", async () => {
    await bench.send("c1", "a");
    await bench.turn("a").end({ kind: "timeout" });
    const [letter] = await bench.delivery.operator.deadLetters(1e9, 10);
    const replay = bench.records.ask({ action: "replay", deadLetter: letter?.id ?? 0 }, 1);
    const drop = bench.records.ask({ action: "drop", deadLetter: 999 }, 1);
    await bench.clock.advance(1_000);
    expect(bench.records.requestOutcome(replay)).toBe("done");
    expect(bench.records.requestOutcome(drop)).toBe("not found");
    expect(bench.turns).toHaveLength(2);
  });

  it("sees what is open", async () => {
    await bench.send("c1", "a", "b");
    expect(await bench.delivery.operator.inbox(0, 10)).toMatchObject([{ state: "running" }, { state: "received" }]);
  });
});

describe("addresses", () => {
  it("name a command and an attempt, with or without the channel's prefix, in either case", () => {
    const address = addressOf("abcdef0123456789", 3);
    const named = { commandId: "abcdef0123456789", attempt: 3 };
    expect(parseAddress(address)).toEqual(named);
    expect(parseAddress(` agentrux:${address} `)).toEqual(named);
    expect(parseAddress(address.toUpperCase())).toEqual(named);
    expect(parseAddress("cmd:abcdef0123456789")).toBeUndefined();
    expect(parseAddress(`other:${address}`)).toBeUndefined();
  });
});
