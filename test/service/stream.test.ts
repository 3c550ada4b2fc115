import { getEventListeners } from "node:events";
import type { ServerResponse } from "node:http";
import { Readable } from "node:stream";
import * as fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { AgentruxError } from "../../src/errors.ts";
import { systemSleep, type Sleep } from "../../src/service/clock.ts";
import { dialectA } from "../../src/service/dialects/a.ts";
import { dialectB } from "../../src/service/dialects/b.ts";
import { createHttpClient, type HttpClient } from "../../src/service/http.ts";
import { runConnection } from "../../src/service/stream-connection.ts";
import { keepStream, STREAM_LIMITS, type StreamLimits } from "../../src/service/stream.ts";
import { tokenEndpoints } from "../../src/service/token-endpoints.ts";
import { createTokenClient, type TokenClient } from "../../src/service/tokens.ts";
import type { Generation } from "../../src/service/types.ts";
import { failure, json, NEVER, startPeer, until, type Answerer, type Peer } from "./peer.ts";

const TOPIC = "0197a1b2-0000-7000-8000-000000000001";

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** A stream kept open against a peer, and everything it told. */
interface Watched {
  readonly peer: Peer;
  readonly log: string[];
  readonly downs: { reason: unknown; delayMs: number }[];
  readonly abort: AbortController;
  readonly done: Promise<void>;
  /** Requests for the stream, without those for tokens. */
  readonly streams: () => readonly { path: string; headers: Record<string, unknown> }[];
  readonly count: (entry: string) => number;
  /** Stream requests whose connection still stands. */
  readonly standing: () => number;
}

interface WatchOptions {
  readonly generation?: Generation;
  readonly limits?: Partial<StreamLimits>;
  readonly after?: () => string | undefined;
  readonly random?: () => number;
  readonly monotonic?: () => number;
  readonly sleep?: Sleep;
  readonly onHint?: () => void;
  readonly excludeSelf?: boolean;
}

/** Waits that are recorded by `onDown` need not be waited out. */
const noWait: Sleep = (_ms, signal) => systemSleep(0, signal);

async function watch(answer: Answerer, options: WatchOptions = {}): Promise<Watched> {
  const generation = options.generation ?? "a";
  let tokens = 0;
  let streams = 0;
  let standing = 0;
  const peer = await startPeer((request, response, index) => {
    if (request.path.includes("/events/stream")) {
      standing += 1;
      response.once("close", () => (standing -= 1));
      return answer(request, response, streams++);
    }
    if (/^\/(?:auth|oauth)\/(?:token|refresh)$/.test(request.path)) {
      return json(response, 200, {
        access_token: `T${tokens++}`,
        refresh_token: "R",
        expires_in: 600,
        expires_at: "2199-01-01T00:00:00Z",
      });
    }
    return json(response, 404, { index });
  });
  const http = createHttpClient({ baseUrl: peer.url, timeouts: { headersMs: 300, totalMs: 400 } });
  const clock = { now: () => Date.now(), monotonic: options.monotonic ?? (() => performance.now()) };
  const random = options.random ?? (() => 0.5);
  const tokenClient = createTokenClient({
    endpoints: tokenEndpoints(http, { generation, baseUrl: peer.url, clientId: "c", clientSecret: "s" }),
    clock,
    random,
  });
  const abort = new AbortController();
  const log: string[] = [];
  const downs: Watched["downs"] = [];
  const done = keepStream(
    {
      http,
      tokens: tokenClient,
      dialect: generation === "a" ? dialectA : dialectB,
      clock,
      random,
      sleep: options.sleep ?? noWait,
      limits: { ...STREAM_LIMITS, ...options.limits },
    },
    {
      topicId: TOPIC,
      after: options.after ?? (() => ""),
      ...(options.excludeSelf === undefined ? {} : { excludeSelf: options.excludeSelf }),
      signal: abort.signal,
      onOpen: () => log.push("open"),
      onHint: (position) => {
        log.push(`hint ${position ?? "-"}`);
        options.onHint?.();
      },
      onDown: (reason, delayMs) => {
        log.push("down");
        downs.push({ reason, delayMs });
      },
    },
  );
  cleanups.push(
    async () => {
      abort.abort();
      await done;
    },
    () => http.close(),
    () => peer.close(),
  );
  const streamsOf = () => peer.received.filter((request) => request.path.includes("/events/stream"));
  return {
    peer,
    log,
    downs,
    abort,
    done,
    streams: streamsOf,
    count: (entry) => log.filter((one) => one === entry).length,
    standing: () => standing,
  };
}

function sse(response: ServerResponse, text = ""): void {
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
  response.write(text === "" ? ":\n\n" : text);
}

describe("an open stream", () => {
  test("generation A: asks with token and resume position, and passes hints on", async () => {
    const { log, streams } = await watch(
      (_request, response) =>
        sse(
          response,
          `: hello\n\nid: 6\ndata: {"topic_id":"${TOPIC}","latest_sequence_no":6}\n\ndata:{"latest_sequence_no":7}\n\n`,
        ),
      { after: () => "5" },
    );
    await until(() => log.length === 3);
    expect(log).toEqual(["open", "hint 6", "hint 7"]);
    expect(streams()[0]).toMatchObject({
      path: `/topics/${TOPIC}/events/stream?after_sequence_no=5`,
      headers: {
        authorization: "Bearer T0",
        accept: "text/event-stream",
        "cache-control": "no-cache",
        "last-event-id": "5",
        "user-agent": expect.stringMatching(/^agentrux-openclaw-plugin\//),
      },
    });
  });

  test("generation B: ready and hint are hints, heartbeats are none, resync is one", async () => {
    const { log, streams } = await watch(
      (_request, response) =>
        sse(
          response,
          "event: ready\ndata: {}\n\nevent: heartbeat\ndata: {}\n\nid: c1\nevent: hint\ndata: {}\n\nevent: open\ndata: {}\n\n" +
            'event: resync_required\ndata: {"reason":"replay_gap"}\n\nevent: hint\ndata: {"cursor":"c2"}\n\n',
        ),
      { generation: "b", after: () => "c0", excludeSelf: true },
    );
    await until(() => log.length === 5);
    expect(log).toEqual(["open", "hint -", "hint c1", "hint -", "hint c2"]);
    expect(streams()[0]).toMatchObject({
      path: `/topics/top_${TOPIC}/events/stream?exclude_self=true`,
      headers: { "last-event-id": "c0" },
    });
  });

  test("from the beginning, no position is claimed", async () => {
    const { streams, log } = await watch((_request, response) => sse(response));
    await until(() => log.length === 1);
    expect(streams()[0]?.path).toBe(`/topics/${TOPIC}/events/stream`);
    expect(streams()[0]?.headers).not.toHaveProperty("last-event-id");
  });

  test("bytes of any kind keep it alive, silence ends it", async () => {
    const sent = 40;
    let left = sent;
    let leftAtReconnect: number | undefined;
    const { log, downs, count } = await watch(
      (_request, response, index) => {
        sse(response);
        if (index > 0) {
          leftAtReconnect ??= left;
          return;
        }
        const comments = setInterval(() => {
          response.write(":");
          left -= 1;
          if (left === 0) clearInterval(comments);
        }, 25);
      },
      { limits: { silenceMs: 500 } },
    );
    await until(() => count("open") === 2);
    expect(log.slice(0, 3)).toEqual(["open", "down", "open"]);
    expect(leftAtReconnect).toBe(0);
    expect(downs[0]?.reason).toMatchObject({ code: "timeout", retryable: true });
  });
});

describe("coming back", () => {
  test("after a clean close, from the position reached meanwhile", async () => {
    let position = "1";
    const { log, streams, count, downs } = await watch(
      (_request, response) => {
        sse(response);
        position = String(Number(position) + 1);
        response.end();
      },
      { after: () => position },
    );
    await until(() => count("open") >= 3);
    expect(log.slice(0, 4)).toEqual(["open", "down", "open", "down"]);
    expect(
      streams()
        .slice(0, 3)
        .map((request) => request.headers["last-event-id"]),
    ).toEqual(["1", "2", "3"]);
    expect(downs[0]?.reason).toMatchObject({ code: "network", retryable: true });
  });

  test("only one connection at a time: the parser's own reconnect never runs", async () => {
    const { standing, streams } = await watch((_request, response, index) => {
      sse(response, "retry: 1\n\n");
      if (index < 5) response.end();
    });
    await until(() => streams().length === 6);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(streams()).toHaveLength(6);
    expect(standing()).toBe(1);
  });

  test("waits grow with full jitter to the cap", async () => {
    const { downs } = await watch((_request, response) => void response.destroy(), { random: () => 0.999_999 });
    await until(() => downs.length >= 9);
    expect(downs.slice(0, 9).map(({ delayMs }) => Math.ceil(delayMs / 1_000))).toEqual([
      1, 2, 4, 8, 16, 32, 60, 60, 60,
    ]);
  });

  test("a minute of open stream makes the waits small again, a shorter one does not", async () => {
    let now = 0;
    const { downs } = await watch(
      (_request, response, index) => {
        sse(response);
        setTimeout(() => {
          now += index === 3 ? 60_000 : 59_000;
          response.end();
        }, 10);
      },
      { random: () => 0.999_999, monotonic: () => now },
    );
    await until(() => downs.length >= 6);
    expect(downs.slice(0, 6).map(({ delayMs }) => Math.ceil(delayMs / 1_000))).toEqual([1, 2, 4, 1, 2, 4]);
  });

  test.each([
    [429, { "retry-after": "90" }],
    [503, { "retry-after": "90" }],
  ])("Retry-After of a %i is kept to", async (status, headers) => {
    const { downs } = await watch((_request, response) => json(response, status, {}, headers));
    await until(() => downs.length >= 1);
    expect(downs[0]?.delayMs).toBe(90_000);
  });

  test.each([
    [403, { error: { code: "FORBIDDEN", message: "grant revoked" } }, "forbidden"],
    [404, { error: { code: "NOT_FOUND", message: "topic gone" } }, "not_found"],
  ])("%i is told as it is, and tried again at the slow end", async (status, body, code) => {
    const { downs, streams } = await watch((_request, response) => json(response, status, body));
    await until(() => downs.length >= 3);
    expect(streams().length).toBeGreaterThanOrEqual(3);
    for (const { reason, delayMs } of downs) {
      expect(reason).toMatchObject({ code, status, retryable: false });
      expect(delayMs).toBeGreaterThanOrEqual(STREAM_LIMITS.capMs / 2);
    }
  });

  test("a load balancer's 403 is no such thing", async () => {
    const { downs } = await watch((_request, response) => {
      response.writeHead(403, { "content-type": "text/html" });
      response.end("<html>");
    });
    await until(() => downs.length >= 1);
    expect(downs[0]?.reason).toMatchObject({ code: "gateway_page", retryable: true });
    expect(downs[0]?.delayMs).toBeLessThan(1_000);
  });

  test("the service's own error frame ends the connection with its code", async () => {
    const { downs, count } = await watch(
      (_request, response, index) =>
        sse(
          response,
          index === 0 ? 'event: error\ndata: {"code":"OVERLOADED","reason":"later"}\n\nevent: hint\ndata: {}\n\n' : "",
        ),
      { generation: "b" },
    );
    await until(() => count("open") === 2);
    expect(downs).toHaveLength(1);
    expect(downs[0]?.reason).toMatchObject({
      code: "server_error",
      retryable: true,
      serviceCode: "OVERLOADED",
      details: { reason: "later" },
    });
    expect(count("hint -")).toBe(0);
  });

  test.each([
    ["a page in place of a stream", { "content-type": "text/html" }, 200],
    ["no content", {}, 204],
  ])("%s is malformed", async (_name, headers, status) => {
    const { downs, log } = await watch((_request, response) => {
      response.writeHead(status, headers);
      response.end();
    });
    await until(() => downs.length >= 1);
    expect(downs[0]?.reason).toMatchObject({ code: "malformed_response", retryable: true });
    expect(log[0]).toBe("down");
  });

  test("a service that never answers is given up in time", async () => {
    const { downs } = await watch(() => {});
    await until(() => downs.length >= 1);
    expect(downs[0]?.reason).toMatchObject({ code: "timeout", retryable: true });
  });
});

describe("tokens", () => {
  test("one 401 is answered by a new token at once, and nobody is bothered", async () => {
    const { log, streams, count } = await watch((request, response) =>
      request.headers.authorization === "Bearer T0" ? json(response, 401, {}) : sse(response),
    );
    await until(() => count("open") === 1);
    expect(log).toEqual(["open"]);
    expect(streams().map((request) => request.headers["authorization"])).toEqual(["Bearer T0", "Bearer T1"]);
  });

  test("the second 401 in a row is told, and slow", async () => {
    const { downs, streams } = await watch((_request, response) => json(response, 401, {}), { sleep: systemSleep });
    await until(() => downs.length >= 1);
    expect(streams()).toHaveLength(2);
    expect(downs[0]?.reason).toMatchObject({ code: "unauthorized", status: 401 });
    expect(downs[0]?.delayMs).toBeGreaterThanOrEqual(STREAM_LIMITS.capMs / 2);
  });

  test("after an open stream a 401 is again answered at once", async () => {
    let now = 0;
    const { downs, count } = await watch(
      (_request, response, index) => {
        // Long enough for a token to count as rejected late, as when it expires.
        now += 120_000;
        if (index % 2 === 0) return json(response, 401, {});
        sse(response);
        if (index < 4) response.end();
      },
      { monotonic: () => now },
    );
    await until(() => count("open") === 3);
    expect(downs.map(({ reason }) => (reason as AgentruxError).code)).toEqual(["network", "network"]);
  });
});

describe("lines without end (W19)", () => {
  const megabyte = "x".repeat(1024 * 1024);

  test.each([
    ["data", `data: ${megabyte}x`],
    ["a comment", `: ${megabyte}x`],
    ["an unknown field", `foo: ${megabyte}x`],
    ["many data lines of one frame", `data: ${"x".repeat(1000)}\n`.repeat(1_100)],
  ])("%s: the connection is cut and made anew", async (_name, text) => {
    const { downs, count, standing } = await watch((_request, response, index) =>
      sse(response, index === 0 ? text : ""),
    );
    await until(() => count("open") === 2);
    expect(downs).toHaveLength(1);
    expect(downs[0]?.reason).toMatchObject({ code: "malformed_response", retryable: true });
    await until(() => standing() === 1);
  });

  test("a line counts from its own beginning, in whatever pieces it comes", async () => {
    const pieces = ["x".repeat(60), `\n${"x".repeat(60)}`, "x".repeat(30), `${"x".repeat(10)}\n`].map((text) =>
      Buffer.from(text),
    );
    expect(await endOf(pieces, 100)).toBe("network");
    expect(await endOf(pieces, 99)).toBe("malformed_response");
  });

  test("a 10 MB stream of short lines is fine", async () => {
    const { downs, count } = await watch((_request, response) =>
      sse(response, `${`: ${"x".repeat(10_000)}\n`.repeat(1_000)}data: {}\n\n`),
    );
    await until(() => count("hint -") === 1);
    expect(downs).toEqual([]);
  });
});

describe("stopping", () => {
  test.each([
    [
      "while open",
      (_request: unknown, response: ServerResponse) => sse(response),
      (watched: Watched) => watched.log.includes("open"),
    ],
    ["while connecting", () => {}, (watched: Watched) => watched.streams().length === 1],
  ])("%s: resolves, the connection goes, no listener stays", async (_name, answer, ready) => {
    const watched = await watch(answer);
    await until(() => ready(watched));
    watched.abort.abort();
    await watched.done;
    expect(getEventListeners(watched.abort.signal, "abort")).toHaveLength(0);
    await until(() => watched.standing() === 0);
  });

  test("while waiting: resolves at once", async () => {
    const watched = await watch((_request, response) => json(response, 404, {}), { sleep: systemSleep });
    await until(() => watched.downs.length >= 1);
    watched.abort.abort();
    await watched.done;
    expect(getEventListeners(watched.abort.signal, "abort")).toHaveLength(0);
  });

  test("an aborted signal opens nothing", async () => {
    const http = createHttpClient({ baseUrl: "http://127.0.0.1:1" });
    cleanups.push(() => http.close());
    const abort = new AbortController();
    abort.abort();
    const end = await runConnection({
      http,
      tokens: fixedToken(),
      dialect: dialectA,
      request: { path: "/x" },
      silenceMs: 1,
      maxLineBytes: 1,
      signal: abort.signal,
      onOpen: () => {},
      onHint: () => {},
    });
    expect(end.reason.code).toBe("aborted");
  });

  test("neither listeners nor timers pile up over reconnects (W38)", async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = timers();
    const watched = await watch((_request, response) => {
      sse(response);
      response.end();
    });
    await until(() => watched.count("open") >= 30);
    expect(getEventListeners(watched.abort.signal, "abort").length).toBeLessThanOrEqual(2);
    watched.abort.abort();
    await watched.done;
    expect(getEventListeners(watched.abort.signal, "abort")).toHaveLength(0);
    expect(timers() - before).toBeLessThan(10);
  });
});

describe("handlers that throw", () => {
  test("end the connection, and the cause comes up in onDown", async () => {
    let thrown = 0;
    const { downs, count } = await watch((_request, response) => sse(response, "data: {}\n\n"), {
      onHint: () => {
        if (thrown++ === 0) throw new Error("broken handler");
      },
    });
    await until(() => count("open") === 2);
    expect(downs[0]?.reason).toMatchObject({ cause: expect.objectContaining({ message: "broken handler" }) });
  });

  test("a position that cannot be asked for is told, not thrown", async () => {
    const { downs } = await watch(() => {}, { after: () => "no number" });
    await until(() => downs.length >= 1);
    expect(downs[0]?.reason).toMatchObject({ code: "invalid" });
  });
});

describe("frames cut anywhere", () => {
  const lineBreak = fc.constantFrom("\n", "\r\n", "\r");
  const words = fc.string({ unit: "grapheme", maxLength: 12 }).map((text) => text.replace(/[\r\n\0]/g, " "));
  const frameA: fc.Arbitrary<Frame> = fc.record({
    kind: fc.constantFrom("hint", "comment", "unknown", "retry"),
    seq: fc.integer({ min: 1, max: 1e9 }),
    words,
  });
  const frameB: fc.Arbitrary<Frame> = fc.record({
    kind: fc.constantFrom("hint", "ready", "heartbeat", "resync_required", "comment"),
    seq: fc.nat(),
    words,
  });

  test.each([
    ["a", frameA],
    ["b", frameB],
  ] as const)("generation %s: any cut, any line break, the same hints", async (generation, frame) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(frame, { maxLength: 8 }),
        lineBreak,
        fc.boolean(),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        async (frames, eol, bom, cuts) => {
          const bytes = Buffer.from(
            (bom ? "\u{FEFF}" : "") + frames.map((one) => written(generation, one, eol)).join(""),
            "utf8",
          );
          const expected = frames.flatMap((one) => meaning(generation, one));
          expect(await hintsOf(generation, cut(bytes, cuts))).toEqual(expected);
        },
      ),
      { numRuns: 150 },
    );
  });

  test("every single cut of one stream", async () => {
    const bytes = Buffer.from(
      '\u{FEFF}: ключ 🙂\r\n\r\nid: 1\r\ndata: {"latest_sequence_no":1,\r\ndata: "t":"日本"}\r\n\r\ndata:{"latest_sequence_no":2}\n\n',
      "utf8",
    );
    for (let at = 1; at < bytes.length; at += 1) {
      expect(await hintsOf("a", [bytes.subarray(0, at), bytes.subarray(at)])).toEqual(["1", "2"]);
    }
  });
});

interface Frame {
  readonly kind: string;
  readonly seq: number;
  readonly words: string;
}

function written(generation: Generation, { kind, seq, words }: Frame, eol: string): string {
  const lines: Record<string, string[]> = {
    comment: [`: ${words}`],
    unknown: [`x-field: ${words}`],
    retry: ["retry: 5"],
    ready: ["event: ready", "data: {}"],
    heartbeat: ["event: heartbeat", "data: {}"],
    resync_required: ["event: resync_required", 'data: {"reason":"replay_gap"}'],
    hint:
      generation === "a"
        ? [`id: ${seq}`, `data: ${JSON.stringify({ topic_id: words, latest_sequence_no: seq })}`]
        : ["event: hint", `data: ${JSON.stringify({ cursor: `c${seq}${words}` })}`],
  };
  return [...(lines[kind] ?? []), "", ""].join(eol);
}

function meaning(generation: Generation, { kind, seq, words }: Frame): string[] {
  if (kind === "hint") return [generation === "a" ? String(seq) : `c${seq}${words}`];
  return kind === "ready" || kind === "resync_required" ? ["-"] : [];
}

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

/** The positions hinted by a stream that arrives in these pieces, through the real parser. */
async function hintsOf(generation: Generation, pieces: readonly Buffer[]): Promise<string[]> {
  const hints: string[] = [];
  const reason = await endOf(pieces, 1024 * 1024, generation, (position) => hints.push(position ?? "-"));
  expect(reason).toBe("network");
  return hints;
}

/** The code with which a stream of these pieces ends. */
async function endOf(
  pieces: readonly Buffer[],
  maxLineBytes: number,
  generation: Generation = "a",
  onHint: (position?: string) => void = () => {},
): Promise<string> {
  const unused = (): never => {
    throw new Error("not part of a stream");
  };
  const http: HttpClient = {
    baseUrl: "http://127.0.0.1:1",
    send: unused,
    sendOk: unused,
    open: async () => ({ open: true, contentType: "text/event-stream", body: Readable.from(pieces) }),
    close: async () => {},
  };
  const end = await runConnection({
    http,
    tokens: fixedToken(),
    dialect: generation === "a" ? dialectA : dialectB,
    request: { path: "/x" },
    silenceMs: 10_000,
    maxLineBytes,
    signal: NEVER,
    onOpen: () => {},
    onHint,
  });
  return end.reason.code;
}

function fixedToken(): TokenClient {
  return {
    get: async () => "T",
    invalidate: () => false,
    forget: async () => {},
    rotate: async () => "",
    close: () => {},
  };
}

test("a token that cannot be had is a reason like any other", async () => {
  const peer = await startPeer((_request, response) =>
    json(response, 401, { error: { code: "UNAUTHORIZED", message: "client_secret expired" } }),
  );
  const http = createHttpClient({ baseUrl: peer.url });
  cleanups.push(
    () => peer.close(),
    () => http.close(),
  );
  const tokens = createTokenClient({
    endpoints: tokenEndpoints(http, { generation: "a", baseUrl: peer.url, clientId: "c", clientSecret: "s" }),
    clock: { now: () => 0, monotonic: () => 0 },
    random: () => 0.5,
  });
  const abort = new AbortController();
  const downs: { reason: unknown; delayMs: number }[] = [];
  const done = keepStream(
    {
      http,
      tokens,
      dialect: dialectA,
      clock: { now: () => 0, monotonic: () => 0 },
      random: () => 0.5,
      sleep: systemSleep,
      limits: STREAM_LIMITS,
    },
    {
      topicId: TOPIC,
      after: () => "",
      signal: abort.signal,
      onOpen: () => {},
      onHint: () => {},
      onDown: (reason, delayMs) => downs.push({ reason, delayMs }),
    },
  );
  await until(() => downs.length >= 1);
  abort.abort();
  expect(await failure(done)).toBeUndefined();
  expect(downs[0]?.reason).toMatchObject({ code: "unauthorized", details: { reason: "client_secret_expired" } });
  expect(downs[0]?.delayMs).toBeGreaterThanOrEqual(30_000);
});
