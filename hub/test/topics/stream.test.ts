import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect } from "node:net";
import { describe, expect, it, vi } from "vitest";
import * as admin from "../../src/admin/operations.ts";
import { activate, call, listOf, testBench, textOf, tokenB } from "../support/hub.ts";
import type { Bench } from "../support/hub.ts";
import { dataOf, openStream } from "../support/stream.ts";

const streamA = (bench: Bench, query = "", headers: Record<string, string> = {}) =>
  openStream(`${bench.hub.url}${bench.eventsA}/stream${query}`, bench.tokenA, headers);
const streamB = (bench: Bench, query = "", headers: Record<string, string> = {}) =>
  openStream(`${bench.hub.url}${bench.eventsB}/stream${query}`, bench.tokenB, headers);

/** The hub's side of the next request on a path. */
function nextResponse(path: string): Promise<ServerResponse> {
  return new Promise((resolve) => {
    const started = (message: unknown) => {
      const { request, response } = message as { request: IncomingMessage; response: ServerResponse };
      if (request.url !== path) return;
      unsubscribe("http.server.request.start", started);
      resolve(response);
    };
    subscribe("http.server.request.start", started);
  });
}

const READY = "event: ready\ndata: {}";
const KEEP_ALIVE_MS = { streamKeepAliveMs: 40 };

describe("the stream of generation A", () => {
  it("answers 200 text/event-stream and hints byte for byte as documented", async () => {
    const bench = await testBench();
    const stream = await streamA(bench);
    expect(stream.status).toBe(200);
    expect(stream.headers["content-type"]).toBe("text/event-stream");
    await bench.publishA("t");
    expect(await stream.next()).toBe(`id: 1\ndata: {"topic_id":"${bench.topicId}","latest_sequence_no":1}`);
    await bench.publishA("t");
    expect(await stream.next()).toBe(`id: 2\ndata: {"topic_id":"${bench.topicId}","latest_sequence_no":2}`);
    expect(stream.received()).not.toContain("\r");
  });

  it("hints once per commit, with the newest number", async () => {
    const bench = await testBench();
    const stream = await streamA(bench);
    await bench.postA("/batch", { body: { events: [{ type: "a" }, { type: "b" }, { type: "c" }] } });
    expect(dataOf(await stream.next())).toMatchObject({ latest_sequence_no: 3 });
    await bench.publishA("d");
    expect(dataOf(await stream.next())).toMatchObject({ latest_sequence_no: 4 });
  });

  it.each([
    ["nothing", "", {}, true],
    ["an older number in the query", "?after_sequence_no=1", {}, true],
    ["an older number in Last-Event-ID", "", { "Last-Event-ID": "1" }, true],
    ["the newest number in the query", "?after_sequence_no=2", {}, false],
    ["the newest number in Last-Event-ID", "", { "Last-Event-ID": "2" }, false],
    ["an older query and the newest Last-Event-ID", "?after_sequence_no=1", { "Last-Event-ID": "2" }, false],
  ])(
    "hints at once on connect when resuming after %s",
    async (_what, query, headers: Record<string, string>, atOnce) => {
      const bench = await testBench();
      await bench.publishA("one");
      await bench.publishA("two");
      const stream = await streamA(bench, query, headers);
      if (!atOnce) await bench.publishA("three");
      expect(dataOf(await stream.next())).toMatchObject({ latest_sequence_no: atOnce ? 2 : 3 });
    },
  );

  it("keeps a quiet stream alive with comments", async () => {
    const bench = await testBench(KEEP_ALIVE_MS);
    const stream = await streamA(bench);
    expect(await stream.next()).toMatch(/^: /);
    expect(await stream.next()).toMatch(/^: /);
  });

  it("refuses a listener without a token or grant before it starts", async () => {
    const bench = await testBench();
    const writer = await activate(bench.hub, { write: [bench.topicId] }, "writer");
    const path = `${bench.eventsA}/stream`;
    expect((await call(bench.hub.url, "GET", path)).status).toBe(401);
    expect((await call(bench.hub.url, "GET", path, { token: writer.tokenA })).status).toBe(403);
  });
});

describe("the stream of generation B", () => {
  it("begins with ready and hints with an evt_ id and every field clients look for", async () => {
    const bench = await testBench();
    const stream = await streamB(bench);
    expect(await stream.next()).toBe(READY);
    const answer = await bench.postB("", { body: { event_type: "t", payload: 1 } });
    const frame = (await stream.next()) ?? "";
    expect(frame.split("\n").slice(0, 2)).toEqual(["event: hint", `id: ${textOf(answer.json["event_id"])}`]);
    expect(dataOf(frame)).toEqual({
      topic_id: `top_${bench.topicId}`,
      event_id: answer.json["event_id"],
      event_type: "t",
      payload_kind: "inline",
      stored_at: expect.any(String),
      cursor: answer.json["cursor"],
      seq: 1,
    });
  });

  it("hints at once when events are newer than Last-Event-ID, be it an event id or a cursor", async () => {
    const bench = await testBench();
    await bench.publishA("one");
    await bench.publishA("two");
    const events = listOf((await bench.getB("")).json["events"]);
    for (const position of [events[0]?.["event_id"], events[0]?.["cursor"]]) {
      const stream = await streamB(bench, "", { "Last-Event-ID": textOf(position) });
      expect(await stream.next()).toBe(READY);
      expect(dataOf(await stream.next())).toMatchObject({ seq: 2 });
    }
    const current = await streamB(bench, "", { "Last-Event-ID": textOf(events[1]?.["event_id"]) });
    expect(await current.next()).toBe(READY);
    await bench.publishA("three");
    expect(dataOf(await current.next())).toMatchObject({ seq: 3 });
  });

  it("ignores a position in the query", async () => {
    const bench = await testBench();
    await bench.publishA("one");
    const stream = await streamB(bench, "?after=nonsense&after_sequence_no=0");
    expect(await stream.next()).toBe(READY);
    await bench.publishA("two");
    expect(dataOf(await stream.next())).toMatchObject({ seq: 2 });
  });

  it("asks for a new pull when the resume position is gone or was never given out", async () => {
    const bench = await testBench();
    await bench.publishA("one");
    await bench.publishA("two");
    const first = listOf((await bench.getB("?limit=1")).json["events"])[0];
    bench.hub.clock.advance(3_601_000);
    await bench.hub.deps.store.events.sweep(bench.hub.clock.now(), 1000);
    bench.hub.clock.advance(-3_601_000);
    const cases = [
      [textOf(first?.["cursor"]), "retention_miss"],
      [textOf(first?.["event_id"]), "retention_miss"],
      ["evt_11111111-1111-4111-8111-111111111111", "replay_gap"],
      ["nonsense", "replay_gap"],
    ];
    for (const [position = "", reason] of cases) {
      const stream = await streamB(bench, "", { "Last-Event-ID": position });
      expect(stream.status).toBe(200);
      expect(await stream.next()).toBe(READY);
      const frame = await stream.next();
      expect(frame).toMatch(/^event: resync_required\n/);
      expect(dataOf(frame)).toEqual({ reason, next_action: "pull_resync" });
    }
  });

  it("keeps a quiet stream alive with heartbeat events", async () => {
    const bench = await testBench(KEEP_ALIVE_MS);
    const stream = await streamB(bench);
    expect(await stream.next()).toBe(READY);
    expect(await stream.next()).toBe("event: heartbeat\ndata: {}");
  });

  it("suppresses hints for the listener's own events, not for others'", async () => {
    const bench = await testBench();
    const other = await activate(bench.hub, { write: [bench.topicId] }, "other");
    const stream = await streamB(bench, "?exclude_self=true");
    expect(await stream.next()).toBe(READY);
    await bench.publishA("mine");
    await call(bench.hub.url, "POST", bench.eventsA, { token: other.tokenA, body: { type: "theirs" } });
    expect(dataOf(await stream.next())).toMatchObject({ event_type: "theirs", seq: 2 });
  });

  it("looks past the listener's own events when it resumes", async () => {
    const bench = await testBench();
    const other = await activate(bench.hub, { write: [bench.topicId] }, "other");
    await bench.publishA("mine");
    const first = listOf((await bench.getB("")).json["events"])[0];
    const resume = { "Last-Event-ID": textOf(first?.["event_id"]) };
    await call(bench.hub.url, "POST", bench.eventsA, { token: other.tokenA, body: { type: "theirs" } });
    await bench.publishA("mine again");
    const stream = await streamB(bench, "?exclude_self=true", resume);
    expect(await stream.next()).toBe(READY);
    expect(dataOf(await stream.next())).toMatchObject({ event_type: "theirs", seq: 2 });
  });
});

describe("the end of a stream", () => {
  it("comes with the end of its access token", async () => {
    const bench = await testBench(KEEP_ALIVE_MS);
    const stream = await streamA(bench);
    bench.hub.clock.advance(3_600_000);
    const frames: string[] = [];
    for (let frame = await stream.next(); frame !== undefined; frame = await stream.next()) frames.push(frame);
    expect(frames.every((frame) => frame.startsWith(": "))).toBe(true);
    expect(bench.hub.deps.fanout.size).toBe(0);
  });

  it("comes at once when the grant is revoked or the script disabled", async () => {
    const bench = await testBench();
    const byGrant = await streamA(bench);
    const read = (await admin.listGrants(bench.hub.deps, bench.scriptId)).find((grant) => grant.action === "read");
    await admin.revokeGrant(bench.hub.deps, read?.id ?? "");
    expect(await byGrant.next()).toBeUndefined();

    const second = await testBench();
    const byScript = await streamA(second);
    await admin.setScriptDisabled(second.hub.deps, second.scriptId, true);
    expect(await byScript.next()).toBeUndefined();
  });

  it("comes at once when the credential is revoked, for that credential only", async () => {
    const bench = await testBench();
    const { code } = await admin.issueActivationCode(bench.hub.deps, { script: bench.scriptId, generation: "b" });
    const redeemed = await call(bench.hub.url, "POST", "/auth/redeem-activation-code", { body: { code } });
    const secondToken = await tokenB(
      bench.hub,
      textOf(redeemed.json["client_id"]),
      textOf(redeemed.json["client_secret"]),
    );
    const revoked = [await streamA(bench), await streamB(bench)];
    const staying = await openStream(`${bench.hub.url}${bench.eventsB}/stream`, secondToken);
    for (const stream of [revoked[1], staying]) expect(await stream?.next()).toBe(READY);
    await admin.revokeCredential(bench.hub.deps, bench.clientId);
    await call(bench.hub.url, "POST", bench.eventsB, { token: secondToken, body: { event_type: "after" } });
    for (const stream of revoked) {
      expect(await stream.next()).toBeUndefined();
      expect(stream.endedCleanly()).toBe(true);
    }
    expect(dataOf(await staying.next())).toMatchObject({ event_type: "after" });
  });

  it("does not come with a change that leaves the grant alone", async () => {
    const bench = await testBench();
    const stream = await streamA(bench);
    await admin.createTopic(bench.hub.deps, { name: "more" });
    await admin.grant(bench.hub.deps, bench.scriptId, "more", "read");
    await bench.publishA("still there");
    expect(dataOf(await stream.next())).toMatchObject({ latest_sequence_no: 1 });
  });

  it("comes with the hub's, and a client that leaves is forgotten", async () => {
    const bench = await testBench();
    const leaving = await streamA(bench);
    const staying = await streamA(bench);
    expect(bench.hub.deps.fanout.size).toBe(2);
    leaving.close();
    await expect.poll(() => bench.hub.deps.fanout.size).toBe(1);
    await bench.hub.close();
    expect(await staying.next()).toBeUndefined();
  });

  it("leaves no listener when the client leaves while its token is checked", async () => {
    const bench = await testBench();
    const { tokens, fanout } = bench.hub.deps;
    const verify = tokens.verify.bind(tokens);
    const client = connect(Number(new URL(bench.hub.url).port), "127.0.0.1");
    const path = `${bench.eventsA}/stream`;
    const response = nextResponse(path);
    vi.spyOn(tokens, "verify").mockImplementationOnce(async (token) => {
      const closed = once(await response, "close");
      client.destroy();
      await closed;
      return verify(token);
    });
    client.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${bench.tokenA}\r\n\r\n`);
    const handled = async () => (await call(bench.hub.url, "GET", "/metrics")).text;
    await expect.poll(handled, { timeout: 10_000 }).toMatch(/requests_total\{.*\/topics\//);
    expect(fanout.size).toBe(0);
  });

  it("is answered 503 with Retry-After when too many streams are open", async () => {
    const bench = await testBench({ limits: { maxStreams: 1 } });
    await streamA(bench);
    const answer = await bench.getA("/stream");
    expect([answer.status, answer.json["error"]?.["code"]]).toEqual([503, "UNAVAILABLE"]);
    expect(answer.headers.get("retry-after")).toBe("30");
  });
});
