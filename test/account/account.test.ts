/** One account from activation to reply, over a real hub and a real journal. */

import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { resolveAccountConfig } from "../../src/config/resolve.ts";
import { httpAnswer, Proxy } from "../support/proxy.ts";
import { echo, Place, type Turn, until } from "./support.ts";

let place: Place;

beforeEach(async () => {
  place = await Place.create();
  await mkdir(place.paths.dir, { recursive: true, mode: 0o700 });
});

afterEach(() => place.close());

/** Starts the account with a code of this generation and waits until it takes commands. */
async function activated(generation: "a" | "b", turn?: Turn, settings?: object) {
  await place.drop(await place.code(generation));
  const running = place.start(turn, settings);
  await running.ready();
  return running;
}

describe.each(["a", "b"] as const)("in generation %s", (generation) => {
  it("activates by BOOTSTRAP.md and answers a command once", async () => {
    await activated(generation);
    await place.publish({ request_id: "r1", message: "hello", conversation_key: "c" });
    expect(await place.reply("r1")).toMatchObject({
      request_id: "r1",
      conversation_key: "c",
      status: "completed",
      message: "echo: hello",
    });
    expect(await place.replies()).toHaveLength(1);
  });

  it("answers at any length, with the whole text in an object that the asker can read", async () => {
    const text = '日本語 "quoted"\n'.repeat(200_000);
    await activated(generation, () => Promise.resolve({ kind: "replied", text, media: [] }));
    await place.publish({ request_id: "r1", message: "a lot, please" });
    const reply = await place.reply("r1");
    expect(await place.replies()).toHaveLength(1);
    expect(reply).toMatchObject({ status: "completed", final: true, message: expect.stringContaining("日本語") });
    const { message_object: object, attachments } = reply as {
      message_object: Record<string, unknown>;
      attachments: Record<string, unknown>[];
    };
    expect(attachments).toMatchObject([{ name: "reply.txt", size: object["size"] }]);
    const { downloadUrl } = await place.client.objectInfo({
      topicId: place.keys.resultTopicId,
      objectId: String(object["object_id"] ?? object["payload_object_id"]),
      signal: AbortSignal.timeout(10_000),
    });
    const stored = await (await fetch(downloadUrl)).text();
    expect(stored).toBe(text);
    expect(object["sha256"]).toBe(createHash("sha256").update(stored).digest("hex"));
  });

  it("answers what was sent while it was stopped, and nothing twice", async () => {
    const first = await activated(generation);
    await place.publish({ request_id: "before", message: "1" });
    await place.reply("before");
    await first.stop();
    await place.publish({ request_id: "while", message: "2" });
    const second = place.start();
    expect(await place.reply("while")).toMatchObject({ message: "echo: 2" });
    await second.stop();
    const third = place.start();
    await third.ready();
    expect(third.turns).toHaveLength(0);
    expect(await place.replies()).toHaveLength(2);
  });

  it("goes on where it was when waterline.json is damaged: only deleting it fast-forwards", async () => {
    const first = await activated(generation);
    await place.publish({ request_id: "before", message: "1" });
    await place.reply("before");
    await first.stop();
    await place.publish({ request_id: "while", message: "2" });
    await writeFile(place.paths.waterline, "{ this is not JSON");
    const second = place.start();
    expect(await place.reply("while")).toMatchObject({ message: "echo: 2" });
    expect(second.turns).toHaveLength(1);
    await second.stop();
    await place.publish({ request_id: "skipped", message: "3" });
    await rm(place.paths.waterline);
    const third = place.start();
    await third.ready();
    await place.publish({ request_id: "after", message: "4" });
    await place.reply("after");
    expect(third.turns.map(({ command }) => command.requestId)).toEqual(["after"]);
  });

  it("goes on by itself after the hub was away", async () => {
    await activated(generation);
    await place.restartHub();
    await place.publish({ request_id: "after", message: "still there?" });
    expect(await place.reply("after")).toMatchObject({ status: "completed" });
  });
});

describe("a journal whose thread dies of itself", () => {
  it("is opened again, and nothing is lost or doubled: neither the turn under way nor what came meanwhile", async () => {
    const threads: Worker[] = [];
    const note = (thread: Worker) => threads.push(thread);
    process.on("worker", note);
    try {
      const mayEnd = Promise.withResolvers<void>();
      const turn: Turn = async (request, signal) => {
        if (request.command.message === "slow") await mayEnd.promise;
        return echo(request, signal);
      };
      const running = await activated("b", turn);
      await place.publish({ request_id: "before", message: "1" });
      await place.reply("before");
      await place.publish({ request_id: "under way", message: "slow", conversation_key: "slow" });
      await until("the slow turn runs", () => running.turns.length === 2);
      await threads.at(-1)?.terminate();
      await place.publish({ request_id: "meanwhile", message: "2" });
      mayEnd.resolve();
      expect(await place.reply("meanwhile")).toMatchObject({ message: "echo: 2" });
      expect(await place.reply("under way")).toMatchObject({ message: "echo: slow" });
      expect(threads).toHaveLength(2);
      expect(running.lines.filter((line) => line.startsWith("[agentrux] The journal's thread has ended"))).toHaveLength(
        1,
      );
      expect(await place.replies()).toHaveLength(3);
    } finally {
      process.off("worker", note);
    }
  });
});

describe("a journal that was replaced while it ran", () => {
  it("is opened again: answered commands may be open again in it", async () => {
    const threads: Worker[] = [];
    const note = (thread: Worker) => threads.push(thread);
    process.on("worker", note);
    try {
      const running = await activated("b");
      const finding = { code: "journal_corrupt", setAside: "x", rescued: 1, message: "The journal was damaged." };
      threads[0]?.emit("message", { kind: "finding", finding });
      await until("the journal is opened again", () => threads.length === 2);
      await running.ready();
      expect(running.lines).toContain("[agentrux] The journal was damaged.");
      await place.publish({ request_id: "after", message: "1" });
      await place.reply("after");
    } finally {
      process.off("worker", note);
    }
  });
});

describe("activation while running", () => {
  it("is blocked without credentials, and takes a dropped code without a restart", async () => {
    const running = place.start();
    await until("blocked", () => running.state?.kind === "blocked");
    expect(running.state).toMatchObject({ reason: expect.stringContaining("BOOTSTRAP.md") });
    await place.drop(await place.code());
    await running.ready();
    await place.publish({ request_id: "r", message: "hi" });
    expect(await place.reply("r")).toMatchObject({ message: "echo: hi" });
  });

  it("says that a code was rejected, and takes the next one", async () => {
    await place.drop(`ac_${"x".repeat(43)}`);
    const running = place.start();
    await until("blocked", () => running.state?.kind === "blocked");
    expect(running.state).toMatchObject({ reason: expect.stringContaining("HTTP 404") });
    await place.drop(await place.code());
    await running.ready();
  });

  describe("with a code that the service wants to see again in an hour", () => {
    async function resting() {
      const proxy = await Proxy.start(place.hub.url, { monotonic: () => performance.now() });
      onTestFinished(() => proxy.close());
      const later = httpAnswer(429, "{}", { "retry-after": "3600" });
      proxy.harm(({ path }) => path === "/auth/activate", { kind: "answer", text: later }, 1);
      await place.drop(await place.code());
      const running = place.start(echo, { baseUrl: proxy.url });
      await until("the code rests", () => running.state?.kind === "recovering");
      return { running, tries: () => proxy.seen.filter(({ path }) => path === "/auth/activate").length };
    }

    it("takes credentials", async () => {
      const { running, tries } = await resting();
      const issued = await fetch(`${place.hub.url}/auth/activate`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ activation_code: await place.code() }),
      });
      const { script_id, client_secret } = (await issued.json()) as Record<string, string>;
      const stored = { base_url: place.hub.url, script_id, clientSecret: client_secret };
      await writeFile(place.paths.credentials, JSON.stringify(stored), { mode: 0o600 });
      await running.ready();
      expect(tries()).toBe(1);
    });

    it("takes another code, and leaves the first alone", async () => {
      const { running, tries } = await resting();
      await pause(3_000);
      expect(tries()).toBe(1);
      await place.drop(await place.code());
      await running.ready();
      expect(tries()).toBe(2);
    });
  });

  it("tries again by itself where the folder could not be used", async () => {
    await rm(place.paths.dir, { recursive: true });
    await writeFile(place.paths.dir, "in the way");
    const running = place.start();
    await until("the trouble is told", () => running.state?.kind === "recovering");
    await rm(place.paths.dir);
    await until("blocked", () => running.state?.kind === "blocked");
    expect(running.state).toMatchObject({ reason: expect.stringContaining("BOOTSTRAP.md") });
  });

  it("switches to credentials that replace the old ones, as the documented re-activation does", async () => {
    const running = await activated("a");
    await rm(place.paths.credentials);
    await place.drop(await place.code("b"));
    await until(
      "generation B credentials are in use",
      () => running.states.filter(({ kind }) => kind === "ready").length > 1,
    );
    expect(JSON.parse(await readFile(place.paths.credentials, "utf8"))).toHaveProperty("client_id");
    await place.publish({ request_id: "r", message: "hi" });
    expect(await place.reply("r")).toMatchObject({ message: "echo: hi" });
  });

  it.each(["journal", "the vendor's waterline.json alone"])(
    "goes over to the other generation and back without loss or a second run, by the %s",
    async (memory) => {
      const first = await activated("a");
      for (const id of ["a1", "a2"]) await place.publish({ request_id: id, message: id });
      await place.reply("a2");
      await first.stop();
      if (memory !== "journal") {
        for (const name of await readdir(place.paths.dir)) {
          if (name.startsWith("journal")) await rm(`${place.paths.dir}/${name}`);
        }
      }
      await place.publish({ request_id: "between", message: "between" });
      await rm(place.paths.credentials);
      const second = await activated("b");
      expect(await place.reply("between")).toMatchObject({ message: "echo: between" });
      expect(second.turns.map(({ command }) => command.requestId)).toEqual(["between"]);
      expect(second.lines.some((line) => line.includes("of generation b now: going on after the last event"))).toBe(
        true,
      );
      await place.publish({ request_id: "b1", message: "b1" });
      await place.reply("b1");
      await second.stop();
      await place.publish({ request_id: "back", message: "back" });
      await rm(place.paths.credentials);
      const third = await activated("a");
      expect(await place.reply("back")).toMatchObject({ message: "echo: back" });
      expect(third.turns.map(({ command }) => command.requestId)).toEqual(["back"]);
      expect(await place.replies()).toHaveLength(5);
    },
  );

  it("sets a code aside that is dropped beside live credentials, and goes on", async () => {
    const running = await activated("a");
    await place.drop(await place.code());
    await until("quarantined", () => running.lines.some((line) => line.includes("found alongside existing")));
    expect(running.state?.kind).toBe("ready");
  });

  it("says which field of a malformed credentials file is wrong, and never its value", async () => {
    await writeFile(place.paths.credentials, JSON.stringify({ base_url: place.hub.url, script_id: "s3cret" }));
    const running = place.start();
    await until("blocked", () => running.state?.kind === "blocked");
    expect(running.state).toMatchObject({ reason: expect.stringContaining("client_secret") });
    expect(JSON.stringify([running.lines, running.states])).not.toContain("s3cret");
  });
});

describe("configuration", () => {
  it("blocks an account whose keys do not fit, naming them, and starts nothing", async () => {
    const running = place.start(echo, { agentId: "nobody", maxAttempts: 0 });
    await until("blocked", () => running.state?.kind === "blocked");
    expect(running.state).toMatchObject({
      reason: expect.stringMatching(/nobody.*maxAttempts|maxAttempts.*nobody/),
    });
    expect(running.account).toBeUndefined();
    await running.stop();
  });
});

describe("lanes and ends of a turn", () => {
  it("keeps the order of a conversation and lets another one pass", async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const running = await activated("a", async (request, signal) => {
      if (request.command.message === "slow") await held;
      return echo(request, signal);
    });
    await place.publish({ request_id: "a1", message: "slow", conversation_key: "a" });
    await place.publish({ request_id: "a2", message: "next", conversation_key: "a" });
    await place.publish({ request_id: "b1", message: "fast", conversation_key: "b" });
    await place.reply("b1");
    expect(running.turns.map(({ command }) => command.requestId)).not.toContain("a2");
    release();
    await place.reply("a2");
    const answered = (await place.replies()).map((reply) => reply["request_id"]);
    expect(answered).toEqual(["b1", "a1", "a2"]);
  });

  it("starts what waits as soon as more turns are allowed, without a restart", async () => {
    await place.drop(await place.code("a"));
    const config = resolveAccountConfig({ channels: { agentrux: { ...place.keys, maxConcurrency: 1 } } }, "default");
    let now = config;
    const held = Promise.withResolvers<void>();
    const hold: Turn = async (request, signal) => {
      if (request.command.message === "held") await held.promise;
      return await echo(request, signal);
    };
    const running = place.start(hold, { maxConcurrency: 1, subagentTimeoutMs: 60_000 }, { current: () => now });
    await running.ready();
    await place.publish({ request_id: "a", message: "held", conversation_key: "a" });
    await until("the first turn runs", () => running.turns.length === 1);
    await place.publish({ request_id: "b", message: "quick", conversation_key: "b" });
    await until("the second command is taken over", () => running.account?.health()["backlog"] === 2);
    expect(running.turns).toHaveLength(1);
    now = { ...config, maxConcurrency: 2 };
    expect(await place.reply("b")).toMatchObject({ status: "completed" });
    expect(running.turns).toHaveLength(2);
    held.resolve();
    await place.reply("a");
  });

  it("answers a turn that hangs with status timeout, and goes on with the conversation", async () => {
    await activated(
      "a",
      (request, signal) => (request.command.message === "hang" ? new Promise(() => {}) : echo(request, signal)),
      {
        subagentTimeoutMs: 1_000,
      },
    );
    await place.publish({ request_id: "h", message: "hang" });
    await place.publish({ request_id: "n", message: "next" });
    expect(await place.reply("h")).toMatchObject({ status: "timeout" });
    expect(await place.reply("n")).toMatchObject({ status: "completed" });
  });

  it("answers a turn that keeps failing with status failed, without the host's words", async () => {
    const running = await activated("a", () => Promise.reject(new Error("secret stack of the host")), {
      maxAttempts: 2,
    });
    await place.publish({ request_id: "f", message: "x" });
    const reply = await place.reply("f");
    expect(reply["status"]).toBe("failed");
    expect(JSON.stringify(reply)).not.toContain("secret stack");
    expect(running.turns.map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect(new Set(running.turns.map(({ address }) => address)).size).toBe(2);
    expect(running.account?.health()).toMatchObject({ deadLetters: 1, backlog: 0 });
  });

  it("takes what the host says at an attempt's address as the reply, once", async () => {
    const running = await activated("a", () => Promise.resolve({ kind: "deferred" }));
    await place.publish({ request_id: "d", message: "x" });
    await until("the turn was deferred", () => running.turns.length === 1);
    const address = running.turns[0]?.address ?? "";
    expect(await running.account?.acceptHostReply(address, "from the host", [])).toBe("accepted");
    expect(await running.account?.acceptHostReply(address, "again", [])).toBe("closed");
    expect(await place.reply("d")).toMatchObject({ status: "completed", message: "from the host" });
  });
});

describe("two gateways on one folder", () => {
  it("lets one work and the other stand by, and hands over when the first ends", async () => {
    const first = await activated("a");
    const second = place.start();
    await until("standby", () => second.state?.kind === "standby");
    expect(second.state).toMatchObject({ reason: expect.stringContaining(String(process.pid)) });
    await first.stop();
    await second.ready();
    await place.publish({ request_id: "r", message: "who?" });
    await place.reply("r");
    expect(second.turns).toHaveLength(1);
    expect(first.turns).toHaveLength(0);
  });
});

describe("a read position that cannot be stored", () => {
  it("is told of, answers all the same, and is stored once it can be", async () => {
    const running = await activated("b");
    const { waterline } = place.paths;
    await rm(waterline);
    // Nothing can be renamed onto a folder.
    await mkdir(join(waterline, "in the way"), { recursive: true });
    await place.publish({ request_id: "r1", message: "x" });
    await place.reply("r1");
    await until("it is told", () => running.state?.kind === "recovering");
    expect(running.state).toMatchObject({ reason: "The read position cannot be stored" });
    await rm(waterline, { recursive: true });
    await place.publish({ request_id: "r2", message: "x" });
    await place.reply("r2");
    await running.ready();
    expect((await stat(waterline)).isFile()).toBe(true);
    expect(running.lines.filter((line) => line.includes("The read position"))).toHaveLength(2);
  });
});

describe("stopping", () => {
  it("lets a running turn finish and journals its reply", async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const running = await activated("a", async (request, signal) => {
      await held;
      return echo(request, signal);
    });
    await place.publish({ request_id: "r", message: "x" });
    await until("the turn runs", () => running.turns.length === 1);
    const stopped = running.stop();
    release();
    await stopped;
    expect(await place.reply("r")).toMatchObject({ message: "echo: x" });
  });
});

it("leaves the hub's address for the Flux skill, and never that of the public service", async () => {
  const running = await activated("a");
  expect(await readFile(place.paths.fluxUrl, "utf8")).toBe(`${place.hub.url}\n`);
  await running.stop();
  const moved = place.start(undefined, { baseUrl: "https://api.agentrux.com/" });
  await until("the address is gone", async () => !(await readdir(place.paths.dir)).includes("flux-url"));
  await moved.stop();
});
