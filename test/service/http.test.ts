import { getEventListeners } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { AgentruxError } from "../../src/errors.ts";
import { createHttpClient, type HttpClient, type HttpClientOptions } from "../../src/service/http.ts";
import { failure, json, NEVER, startPeer, until, type Answerer, type Peer } from "./peer.ts";

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function setUp(
  answer: Answerer,
  options: Omit<HttpClientOptions, "baseUrl"> = {},
): Promise<{ peer: Peer; http: HttpClient }> {
  const peer = await startPeer(answer);
  const http = createHttpClient({ ...options, baseUrl: peer.url });
  cleanups.push(
    () => peer.close(),
    () => http.close(),
  );
  return { peer, http };
}

const get = (path: string, signal = NEVER) => ({ method: "GET", path, signal }) as const;
const post = (path: string, body: string, signal = NEVER) => ({ method: "POST", path, body, signal }) as const;

describe("what goes out", () => {
  test("carries the plugin's User-Agent, whatever the caller sets", async () => {
    const { peer, http } = await setUp((_request, response) => json(response, 200, {}));
    await http.send({ ...get("/a"), headers: { "user-agent": "other" } });
    expect(peer.received[0]?.headers["user-agent"]).toMatch(/^agentrux-openclaw-plugin\/\d+\.\d+\.\d+/);
  });

  test("goes below the base path, whose trailing slashes are gone", async () => {
    const peer = await startPeer((_request, response) => json(response, 200, {}));
    const http = createHttpClient({ baseUrl: `${peer.url}/api//` });
    cleanups.push(
      () => peer.close(),
      () => http.close(),
    );
    expect(http.baseUrl).toBe(`${peer.url}/api`);
    await http.send(get("/topics?x=1"));
    expect(peer.received[0]?.path).toBe("/api/topics?x=1");
  });

  test("keeps an absolute URL byte for byte", async () => {
    const { peer, http } = await setUp((_request, response) => json(response, 200, {}));
    const path = "/b/%7Ekey/../a%2Fb//c?X-Sig=a%2fB+%20&x=~'(1)";
    await http.send({ ...get(`${peer.url}${path}`), method: "PUT", body: "x" });
    expect(peer.received[0]?.path).toBe(path);
  });

  test("keeps connections for the calls that follow", async () => {
    const { peer, http } = await setUp((_request, response) => json(response, 200, {}));
    for (let i = 0; i < 50; i += 1) await http.send(get("/a"));
    expect(peer.connections()).toBeLessThan(5);
  });
});

describe("addresses", () => {
  test.each(["http://example.com", "http://10.0.0.1:8080", "http://127.0.0.1.example.com"])("refuses %s", (baseUrl) => {
    expect(() => createHttpClient({ baseUrl })).toThrow(expect.objectContaining({ code: "insecure_url" }));
  });

  test.each(["", "nonsense", "ftp://example.com", "https://user:pw@example.com", "https://example.com/?a=b"])(
    "refuses %j as no service address",
    (baseUrl) => {
      expect(() => createHttpClient({ baseUrl })).toThrow(expect.objectContaining({ code: "config" }));
    },
  );

  test.each(["http://localhost:1", "http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]:1", "https://example.com"])(
    "accepts %s",
    async (baseUrl) => {
      const http = createHttpClient({ baseUrl });
      expect(http.baseUrl).toBe(baseUrl);
      await http.close();
    },
  );

  test("a service elsewhere cannot point an upload at this machine", async () => {
    const peer = await startPeer((_request, response) => json(response, 200, {}));
    const http = createHttpClient({ baseUrl: "https://service.invalid" });
    cleanups.push(
      () => peer.close(),
      () => http.close(),
    );
    const error = await failure(http.send({ ...get(`${peer.url}/x`), method: "PUT" }));
    expect(error).toMatchObject({ code: "insecure_url" });
    expect(peer.received).toHaveLength(0);
  });
});

describe("answers that do not come, or not whole", () => {
  test.each(["127.0.0.1", "localhost"])("nobody listens at %s: surely not sent", async (host) => {
    const peer = await startPeer(() => {});
    await peer.close();
    const http = createHttpClient({ baseUrl: peer.url.replace("127.0.0.1", host) });
    cleanups.push(() => http.close());
    const error = await failure(http.send(post("/a", "{}")));
    expect(error).toMatchObject({ code: "network", kind: "local", retryable: true });
    expect(error).toHaveProperty("cause");
  });

  test("the service never answers", async () => {
    const { http } = await setUp(() => {}, { timeouts: { headersMs: 50 } });
    expect(await failure(http.send(get("/a")))).toMatchObject({ code: "timeout", kind: "unknown", retryable: true });
  });

  test("headers, then silence", async () => {
    const { http } = await setUp(
      (_request, response) => {
        response.writeHead(200, { "content-length": "100" });
        response.write("{");
      },
      { timeouts: { bodyIdleMs: 50 } },
    );
    expect(await failure(http.send(get("/a")))).toMatchObject({ code: "timeout", kind: "unknown" });
  });

  test("a byte at a time for ever is ended by the total limit", async () => {
    let dribble: NodeJS.Timeout | undefined;
    const { http } = await setUp(
      (_request, response) => {
        response.writeHead(200);
        dribble = setInterval(() => response.write(" "), 10);
      },
      { timeouts: { bodyIdleMs: 5_000, totalMs: 150 } },
    );
    const error = await failure(http.send(get("/a")));
    clearInterval(dribble);
    expect(error).toMatchObject({ code: "timeout", kind: "unknown", retryable: true });
  });

  test.each([
    ["with a length", { "content-length": "100" }],
    ["chunked", {}],
  ])("a body cut off in the middle (%s) is no answer, and the next call works", async (_name, headers) => {
    const { http } = await setUp((_request, response, index) => {
      if (index > 0) return json(response, 200, { ok: true });
      response.writeHead(200, headers);
      response.write('{"items":[');
      setTimeout(() => response.destroy(), 10);
    });
    expect(await failure(http.send(get("/a")))).toMatchObject({ code: "network", kind: "unknown", retryable: true });
    expect((await http.send(get("/a"))).text).toBe('{"ok":true}');
  });

  test("the connection is reset before the headers", async () => {
    const { http } = await setUp((_request, response) => void response.socket?.resetAndDestroy());
    expect(await failure(http.send(post("/a", "{}")))).toMatchObject({ code: "network", kind: "unknown" });
  });

  test("what answers is no HTTP", async () => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.resume().end("SSH-2.0-OpenSSH_9.9\r\n\r\n");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const http = createHttpClient({ baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
    const error = await failure(http.send(get("/a")));
    await http.close();
    await new Promise((resolve) => server.close(resolve));
    expect(error).toMatchObject({ code: "malformed_response", kind: "unknown" });
  });

  test("an error answer that breaks off still refuses", async () => {
    const { http } = await setUp((_request, response) => {
      response.writeHead(409, { "content-type": "application/json", "content-length": "1000" });
      response.write('{"error"');
      setTimeout(() => response.destroy(), 10);
    });
    expect(await failure(http.sendOk(get("/a")))).toMatchObject({
      code: "conflict",
      kind: "refused",
      retryable: false,
    });
  });
});

describe("bodies", () => {
  test("UTF-8 split inside its characters arrives whole", async () => {
    const text = JSON.stringify({ text: "日本語 — ж — 🙂" });
    const { http } = await setUp(async (_request, response) => {
      response.writeHead(200);
      for (const byte of Buffer.from(text)) {
        response.write(Buffer.of(byte));
        await new Promise((resolve) => setImmediate(resolve));
      }
      response.end();
    });
    expect((await http.send(get("/a"))).text).toBe(text);
  });

  test.each([
    ["announced", { "content-length": "2000" }],
    ["not announced", {}],
  ])("a larger answer than allowed is refused while it is read (%s)", async (_name, headers) => {
    const { http } = await setUp(
      (_request, response) => {
        response.writeHead(200, headers);
        response.end("x".repeat(2000));
      },
      { maxBodyBytes: 1000 },
    );
    expect(await failure(http.send(get("/a")))).toMatchObject({
      code: "response_too_large",
      kind: "unknown",
      retryable: false,
    });
  });

  test("an answer of exactly the limit is kept", async () => {
    const { http } = await setUp((_request, response) => void response.end("x".repeat(1000)), { maxBodyBytes: 1000 });
    expect((await http.send(get("/a"))).text).toHaveLength(1000);
  });

  test("of a 10 MB error page only the beginning is read", async () => {
    const { http } = await setUp((_request, response) => {
      response.writeHead(500, { "content-type": "text/html" });
      response.end(`<html><title>Broken</title>${"x".repeat(10 * 1024 * 1024)}`);
    });
    const answer = await http.send(get("/a"));
    expect(answer.status).toBe(500);
    expect(answer.text).toHaveLength(64 * 1024);
    const error = await failure(http.sendOk(get("/a")));
    expect(error).toMatchObject({ code: "server_error", retryable: true });
    expect((error as AgentruxError).message.length).toBeLessThan(500);
  });
});

describe("refusals", () => {
  const page = "<html><head><title>403 Forbidden</title></head></html>";

  test.each([
    { status: 400, body: { detail: "bad" }, code: "invalid", retryable: false },
    { status: 401, body: {}, code: "unauthorized", retryable: false },
    { status: 402, body: {}, code: "forbidden", retryable: false },
    { status: 403, body: { error: { code: "FORBIDDEN", message: "no" } }, code: "forbidden", retryable: false },
    { status: 404, body: { error: { code: "NOT_FOUND", message: "no" } }, code: "not_found", retryable: false },
    { status: 408, body: {}, code: "server_error", retryable: true },
    { status: 409, body: {}, code: "conflict", retryable: false },
    { status: 410, body: {}, code: "not_found", retryable: false },
    { status: 413, body: {}, code: "payload_too_large", retryable: false },
    { status: 418, body: {}, code: "invalid", retryable: false },
    { status: 422, body: {}, code: "invalid", retryable: false },
    { status: 425, body: {}, code: "server_error", retryable: true },
    { status: 429, body: {}, code: "rate_limited", retryable: true },
    { status: 503, body: { error: { code: "INTERNAL", message: "no" } }, code: "server_error", retryable: true },
  ])("$status is $code", async ({ status, body, code, retryable }) => {
    const { http } = await setUp((_request, response) => json(response, status, body));
    expect(await failure(http.sendOk(get("/a")))).toMatchObject({ code, status, retryable, kind: "refused" });
  });

  test.each([500, 502, 503, 504])("a %i page leaves open whether the work was done", async (status) => {
    const { http } = await setUp((_request, response) => {
      response.writeHead(status, { "content-type": "text/html" });
      response.end(page);
    });
    expect(await failure(http.sendOk(post("/a", "{}")))).toMatchObject({
      code: "server_error",
      kind: "unknown",
      retryable: true,
    });
  });

  test.each([
    ["HTML", "text/html", page],
    ["plain text", "text/plain", "Forbidden"],
    ["text without a type", undefined, "Forbidden"],
    ["an empty page", "text/html", ""],
  ])("403 as %s comes from a load balancer and is worth another try", async (_name, type, body) => {
    const { http } = await setUp((_request, response) => {
      response.writeHead(403, { server: "awselb/2.0", ...(type === undefined ? {} : { "content-type": type }) });
      response.end(body);
    });
    expect(await failure(http.sendOk(get("/a")))).toMatchObject({
      code: "gateway_page",
      status: 403,
      retryable: true,
      kind: "refused",
    });
  });

  test("redirects are not followed", async () => {
    const { peer, http } = await setUp((_request, response) => {
      response.writeHead(302, { location: "/elsewhere" });
      response.end();
    });
    const error = await failure(http.sendOk(get("/a")));
    expect(error).toMatchObject({ code: "gateway_page", status: 302, kind: "refused" });
    expect((error as AgentruxError).message).toContain("baseUrl");
    expect(peer.received).toHaveLength(1);
  });

  test("a 201 is no refusal, a 300 is one", async () => {
    const { http } = await setUp((request, response) => json(response, request.path === "/ok" ? 201 : 300, {}));
    expect((await http.sendOk(get("/ok"))).status).toBe(201);
    expect(await failure(http.sendOk(get("/no")))).toMatchObject({ status: 300 });
  });
});

describe("Retry-After", () => {
  const date = "Wed, 21 Oct 2026 07:28:00 GMT";

  test.each([
    ["seconds", { "retry-after": "7" }, 7_000],
    ["a fraction", { "retry-after": "0.25" }, 250],
    ["a date, by the server's own clock", { date, "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT" }, 30_000],
    ["a date gone by", { date, "retry-after": "Wed, 21 Oct 2026 07:00:00 GMT" }, 0],
    ["ten years", { "retry-after": "315360000" }, 3_600_000],
    ["nonsense", { "retry-after": "soon" }, undefined],
    ["a negative number", { "retry-after": "-5" }, undefined],
  ])("%s", async (_name, headers, expected) => {
    const { http } = await setUp((_request, response) => json(response, 429, {}, headers));
    const error = await failure(http.sendOk(get("/a")));
    expect(error).toMatchObject({ code: "rate_limited", retryAfterMs: expected });
  });

  test("a date without the server's clock falls back on ours", async () => {
    const { http } = await setUp(
      (_request, response) => {
        response.sendDate = false;
        json(response, 503, {}, { "retry-after": "Wed, 21 Oct 2026 07:28:10 GMT" });
      },
      { clock: { now: () => Date.parse(date), monotonic: () => 0 } },
    );
    expect(await failure(http.sendOk(get("/a")))).toMatchObject({ retryAfterMs: 10_000 });
  });
});

describe("what errors do not tell", () => {
  const secrets = [
    "ac_0123456789012345678901234567890123456789012",
    "aks_abcdefghijklmnop",
    "aat_eyJhbGciOi.eyJzdWIi.sig",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln",
    "https://store.example/obj?X-Amz-Signature=deadbeef",
    "a-plain-secret-of-ours",
  ];

  test.each(secrets)("a service that echoes %s", async (secret) => {
    const { http } = await setUp((_request, response) =>
      json(response, 422, { error: { code: "INVALID", message: `bad ${secret} here` } }),
    );
    const error = await failure(http.sendOk({ ...post("/a?token=abc", "{}"), secrets: ["a-plain-secret-of-ours"] }));
    const { message } = error as AgentruxError;
    expect(message).toContain("bad");
    expect(message).not.toContain(secret);
    expect(message).not.toContain("deadbeef");
    expect(message).not.toContain("token=abc");
  });

  test("a presigned URL is named by its host alone", async () => {
    const { peer, http } = await setUp((_request, response) => json(response, 403, { error: "no" }));
    const error = await failure(http.sendOk({ ...get(`${peer.url}/bucket/key?sig=s3cr3t`), method: "PUT" }));
    const { message } = error as AgentruxError;
    expect(message).toContain("127.0.0.1");
    expect(message).not.toMatch(/bucket|s3cr3t/);
  });

  test("a body cannot forge lines of a log", async () => {
    const { http } = await setUp((_request, response) => json(response, 422, { detail: "a\nFAKE line\r\u2028b" }));
    expect(((await failure(http.sendOk(get("/a")))) as AgentruxError).message).not.toMatch(/[\n\r\u2028]/);
  });
});

describe("stopping", () => {
  test("an abort ends the call, and leaves no listener behind (W38)", async () => {
    const { http } = await setUp((request, response) => {
      if (request.path === "/quick") json(response, 200, {});
    });
    const controller = new AbortController();
    for (let i = 0; i < 20; i += 1) await http.send(get("/quick", controller.signal));
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
    const pending = failure(http.send(get("/slow", controller.signal)));
    controller.abort();
    expect(await pending).toMatchObject({ code: "aborted", kind: "unknown", retryable: false });
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
    expect(await failure(http.send(get("/slow", controller.signal)))).toMatchObject({ code: "aborted", kind: "local" });
  });

  test("closing cuts off what is in flight and refuses what comes after", async () => {
    const { peer, http } = await setUp(() => {});
    const pending = failure(http.send(get("/slow")));
    await until(() => peer.received.length === 1);
    await http.close();
    expect(await pending).toMatchObject({ code: "stopped" });
    expect(await failure(http.send(get("/slow")))).toMatchObject({ code: "stopped", kind: "local" });
    await http.close();
    await until(() => peer.connections() === 0);
  });
});
