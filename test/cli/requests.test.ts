/** Sending, waiting, tailing and listing topics, against a real hub and a running account. */

import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { send, type SendOptions } from "../../src/cli/send.ts";
import { eventLine, tail, type TailOptions } from "../../src/cli/tail.ts";
import { deepJson } from "../support/deep.ts";
import { plain } from "../../src/cli/paint.ts";
import { topics } from "../../src/cli/topics.ts";
import { failedBy } from "../../src/cli/output.ts";
import type { TopicEvent } from "../../src/service/types.ts";
import { echo, Place, type Turn } from "../account/support.ts";
import { json, jwt, startPeer } from "../service/peer.ts";
import { activated, calls, contextOf, type TestContext } from "./support.ts";

let place: Place;

beforeEach(async () => {
  place = await Place.create();
});

afterEach(() => place.close());

async function listening(turn: Turn = echo): Promise<void> {
  await mkdir(place.paths.dir, { recursive: true, mode: 0o700 });
  await place.drop(await place.code());
  await place.start(turn).ready();
}

const asking = (text: string, more: Partial<SendOptions> = {}): SendOptions => ({
  text,
  attach: [],
  requestId: `cli-${text}`,
  contentTypeOf: () => undefined,
  ...more,
});

describe("send", () => {
  it("publishes and does not wait", async () => {
    const me = await activated(place, "me");
    const result = await send(me, asking("hello"));
    expect(result).toMatchObject({ exitCode: 0, json: { requestId: "cli-hello", topicId: place.keys.commandTopicId } });
  });

  it("waits for the reply to its own request, whatever else is on the topic", async () => {
    await activated(place, "me");
    await listening();
    await place.publish({ request_id: "other", message: "other" });
    await place.reply("other");
    const me = contextOf(place, "me");
    const results = await Promise.all([
      send(me, asking("one", { waitMs: 15_000 })),
      send(me, asking("two", { waitMs: 15_000 })),
    ]);
    expect(results.map(({ exitCode, lines }) => ({ exitCode, lines }))).toEqual([
      { exitCode: 0, lines: ["echo: one"] },
      { exitCode: 0, lines: ["echo: two"] },
    ]);
    expect(me.shown.some((text) => text.startsWith("waiting for the reply"))).toBe(true);
  });

  it("puts a reply of many parts together", async () => {
    const long = "long ".repeat(100_000);
    await activated(place, "me");
    await listening(() => Promise.resolve({ kind: "replied", text: long, media: [] }));
    const result = await send(contextOf(place, "me"), asking("tell me", { waitMs: 15_000 }));
    const reply = result.json as { readonly message: string };
    expect({ ...reply, message: reply.message === long }).toMatchObject({
      status: "completed",
      complete: true,
      message: true,
    });
  });

  it("fails when the agent did", async () => {
    await activated(place, "me");
    await place.drop(await place.code());
    await place.start(() => Promise.reject(new Error("model is down")), { maxAttempts: 1 }).ready();
    const result = await send(contextOf(place, "me"), asking("please", { waitMs: 15_000 }));
    expect(result).toMatchObject({ exitCode: 1, json: { status: "failed", replyError: expect.anything() } });
    expect(result.lines[0]).toBe("The request ended as failed.");
  });

  it("says so when no reply came in time, and under which id it was sent", async () => {
    const me = await activated(place, "me");
    const result = await send(me, asking("anyone", { waitMs: 300 }));
    expect(result).toMatchObject({ exitCode: 3, json: { requestId: "cli-anyone", error: { code: "no_reply" } } });
  });

  it("says so when the waiting is stopped", async () => {
    const me = await activated(place, "me");
    const stop = new AbortController();
    const progress = (text: string | undefined) => void (text?.startsWith("waiting") === true && stop.abort());
    const result = await send({ ...me, signal: stop.signal, progress }, asking("x", { waitMs: 60_000 }));
    expect(result).toMatchObject({ exitCode: 3, json: { error: { message: expect.stringContaining("stopped") } } });
  });

  it("uploads attachments, and sends nothing when one cannot be read", async () => {
    const me = await activated(place, "me");
    const file = path.join(place.dir, "notes.txt");
    await writeFile(file, "the notes");
    const missing = await send(me, asking("no", { attach: [file, `${file}.gone`] })).catch(failedBy);
    expect(missing).toMatchObject({ exitCode: 2, json: { error: { code: "invalid" } } });
    await send(me, asking("yes", { attach: [file], contentTypeOf: () => "text/plain" }));
    const reader = await activated(place, "reader", { read: [place.keys.commandTopicId], write: [] });
    const seen: TopicEvent[] = [];
    await tail(reader, tailing({ show: (event) => void seen.push(event) }));
    expect(seen.map(({ payload }) => payload)).toMatchObject([
      {
        message: "yes",
        attachments: [{ name: "notes.txt", content_type: "text/plain", size: 9, object_id: expect.any(String) }],
      },
    ]);
  });

  it("does not send to a topic whose listener would pass its own events over", async () => {
    await listening();
    expect(await send(contextOf(place), asking("me?"))).toMatchObject({
      exitCode: 2,
      json: { error: { code: "own_topic" } },
    });
  });

  it("can be tried again when the service is down", async () => {
    const me = await activated(place, "me");
    await place.hub.close();
    expect(await send(me, asking("hello")).catch(failedBy)).toMatchObject({ exitCode: 3 });
  });

  it("does not claim what it cannot know, and says how to send again without running twice", async () => {
    const me = await activated(place, "me");
    const peer = await startPeer((request, response) =>
      request.path === "/auth/token"
        ? json(response, 200, { access_token: jwt({}), expires_at: new Date(Date.now() + 3_600_000).toISOString() })
        : void response.destroy(),
    );
    const account = { ...me.account, baseUrl: peer.url, baseUrlIsSet: true };
    const result = await send({ ...me, account }, asking("perhaps"));
    expect(result).toMatchObject({ exitCode: 3, json: { error: { code: "in_doubt" } } });
    expect(result.lines[0]).toContain("--request-id cli-perhaps");
    await peer.close();
  });

  it("says that the account is not activated", async () => {
    expect(await send(contextOf(place, "nobody"), asking("x")).catch(failedBy)).toMatchObject({
      exitCode: 1,
      json: { error: { code: "credentials_missing" } },
    });
  });
});

const tailing = (more: Partial<TailOptions>): TailOptions => ({
  topicId: place.keys.commandTopicId,
  last: 10,
  follow: false,
  show: () => undefined,
  ...more,
});

const numbersOf = (events: readonly TopicEvent[]) => events.map(({ payload }) => (payload as { n: number }).n);

describe("tail", () => {
  let reader: TestContext;

  beforeEach(async () => {
    reader = await activated(place, "reader", { read: [place.keys.commandTopicId], write: [] });
  });

  it("shows the last events, oldest first, and ends", async () => {
    for (const n of [1, 2, 3]) await place.publish({ n });
    const seen: TopicEvent[] = [];
    await tail(reader, tailing({ last: 2, show: (event) => void seen.push(event) }));
    expect(numbersOf(seen)).toEqual([2, 3]);
  });

  it("goes on with what comes, without a gap and without a repeat", async () => {
    await place.publish({ n: 1 });
    const seen: TopicEvent[] = [];
    const publishing = { started: false };
    await tail(
      reader,
      tailing({
        last: 1,
        follow: true,
        count: 6,
        show: (event) => {
          seen.push(event);
          if (!publishing.started) {
            publishing.started = true;
            void (async () => {
              for (const n of [2, 3, 4, 5, 6]) await place.publish({ n });
            })();
          }
        },
      }),
    );
    expect(numbersOf(seen)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("shows only the type that was asked for", async () => {
    await place.publish({ n: 1 }, "a");
    await place.publish({ n: 2 }, "b");
    const seen: TopicEvent[] = [];
    await tail(reader, tailing({ type: "b", show: (event) => void seen.push(event) }));
    expect(numbersOf(seen)).toEqual([2]);
  });

  it("ends on Ctrl-C, whatever is under way", async () => {
    const stop = new AbortController();
    const ended = tail({ ...reader, signal: stop.signal }, tailing({ follow: true }));
    stop.abort();
    expect(await ended).toMatchObject({ exitCode: 0 });
    const later = new AbortController();
    const progress = (text: string | undefined) => void (text?.startsWith("waiting") === true && later.abort());
    expect(await tail({ ...reader, signal: later.signal, progress }, tailing({ follow: true }))).toMatchObject({
      exitCode: 0,
    });
  });

  it("moves nobody's read position", async () => {
    await listening();
    await place.publish({ request_id: "r", message: "x" });
    await place.reply("r");
    // The account writes it down a moment after the reply.
    let before = "";
    await vi.waitUntil(
      async () => {
        const earlier = before;
        before = await readFile(place.paths.waterline, "utf8");
        return before === earlier;
      },
      { interval: 1_000, timeout: 15_000 },
    );
    await tail(contextOf(place), tailing({ last: 100 }));
    expect(await readFile(place.paths.waterline, "utf8")).toBe(before);
  });

  it("shows nothing that a terminal would obey", () => {
    const event = { eventId: "e", topicId: "t", cursor: "1", type: "a\u001B[2Jb", payload: { x: "\u009b31m\u202e" } };
    // oxlint-disable-next-line no-control-regex
    expect(eventLine(event, plain)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
  });

  it("shows an event whose payload is nested too deeply for JSON", () => {
    const event = { eventId: "e", topicId: "t", cursor: "1", type: "a", payload: { x: 1, y: deepJson() } };
    expect(eventLine(event, plain)).toContain('a {"x":1,"y":[[');
  });
});

describe("topics", () => {
  it("tells access, use, and what is out of reach", async () => {
    const me = await activated(place, "me", { read: [place.keys.resultTopicId], write: [] });
    const result = await topics(me, { fresh: false });
    expect(result.json).toEqual({
      topics: [{ topicId: place.keys.resultTopicId, actions: ["read"], usedAs: ["results"] }],
      outOfReach: [{ topicId: place.keys.commandTopicId, usedAs: ["commands"] }],
    });
    expect(result.lines.join("\n")).toContain("out of reach");
  });
});

describe("tokens", () => {
  it("are kept between commands: ten commands cost one", async () => {
    const me = await activated(place, "me");
    for (let n = 0; n < 5; n += 1) {
      await send(me, asking(`n${n}`));
      await topics(me, { fresh: false });
    }
    expect(await calls(place, "/auth/token")).toBe(1);
  });

  it("are replaced once when the service no longer takes the kept one", async () => {
    const me = await activated(place, "me");
    await topics(me, { fresh: false });
    const kept = JSON.parse(await readFile(me.paths.cliToken, "utf8")) as Record<string, unknown>;
    await writeFile(me.paths.cliToken, JSON.stringify({ ...kept, access_token: "not.a.token" }));
    expect(await send(me, asking("still"))).toMatchObject({ exitCode: 0 });
    expect(await calls(place, "/auth/token")).toBe(2);
  });

  it("are not taken from another secret, nor when they are about to end", async () => {
    const me = await activated(place, "me");
    await topics(me, { fresh: false });
    await topics({ ...me, now: () => Date.now() + 3_590_000 }, { fresh: false });
    expect(await calls(place, "/auth/token")).toBe(2);
  });

  it("that lack a grant are not used a second time", async () => {
    const me = await activated(place, "me", { read: [place.keys.resultTopicId], write: [] });
    expect(await send(me, asking("no")).catch(failedBy)).toMatchObject({ json: { error: { code: "forbidden" } } });
    await send(me, asking("no")).catch(failedBy);
    expect(await calls(place, "/auth/token")).toBe(2);
  });
});
