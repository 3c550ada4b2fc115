import { once } from "node:events";
import http from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { activate, AgentruxClient } from "../../scripts/lib/client.ts";
import { Refused } from "../../scripts/lib/client-http.ts";

/** A service of one topic, just enough to show the client a bad day. The client's good days are in the e2e tests. */
class FakeService {
  readonly requests: string[] = [];
  readonly events: object[] = [];
  readonly streams = new Set<http.ServerResponse>();
  tokenLifeMs = 3_600_000;
  /** Answers the next pulls with these statuses. */
  readonly pullStatuses: number[] = [];
  #tokens = 0;
  readonly #server = http.createServer((req, res) => this.#answer(req, res));

  async listen(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    return `http://127.0.0.1:${address.port}`;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  /** Puts a reply on the topic, and hints at it in two pieces. */
  reply(requestId: string, fields: object = { status: "completed", message: "done" }): void {
    const sequence = this.events.length + 1;
    const payload = { request_id: requestId, ...fields };
    this.events.push({ event_id: `e${sequence}`, sequence_no: sequence, type: "openclaw.response", payload });
    for (const stream of this.streams) {
      stream.write(`: keep-alive\n\nid: ${sequence}\nda`);
      stream.write(`ta: {"latest_sequence_no":${sequence}}\n\n`);
    }
  }

  #answer(req: http.IncomingMessage, res: http.ServerResponse): void {
    const { pathname, searchParams } = new URL(req.url ?? "/", "http://service");
    this.requests.push(`${req.method} ${pathname}`);
    req.resume();
    const json = (status: number, body: object) =>
      void res.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    if (pathname === "/auth/activate") return json(404, { error: { code: "NOT_FOUND", message: "no such code" } });
    if (pathname === "/auth/token") {
      this.#tokens += 1;
      const expires = new Date(Date.now() + this.tokenLifeMs).toISOString();
      return json(200, { access_token: `token-${this.#tokens}`, expires_at: expires });
    }
    if (req.headers.authorization !== `Bearer token-${this.#tokens}`)
      return json(401, { error: { message: "expired" } });
    if (pathname.endsWith("/stream")) {
      res.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
      this.streams.add(res.on("close", () => this.streams.delete(res)));
      return undefined;
    }
    const status = this.pullStatuses.shift();
    if (status !== undefined) return json(status, { error: { message: "not now" } });
    return json(200, { items: this.events.slice(Number(searchParams.get("after_sequence_no") ?? 0)) });
  }
}

let service: FakeService;
let baseUrl: string;
beforeEach(async () => {
  service = new FakeService();
  baseUrl = await service.listen();
});
afterEach(() => service.close());

function clientWith(token: { accessToken?: string; renewAt?: number } = {}): AgentruxClient {
  return new AgentruxClient({ baseUrl, scriptId: "scr_1", clientSecret: "s", ...token });
}

function count(request: string): number {
  return service.requests.filter((seen) => seen === request).length;
}

describe("tokens", () => {
  it("are fetched once for calls at the same time", async () => {
    const client = clientWith();
    await Promise.all([client.newest("t"), client.newest("t"), client.newest("t")]);
    expect(count("POST /auth/token")).toBe(1);
  });

  it("are kept while they are good, also over a restart", async () => {
    const first = clientWith();
    await first.newest("t");
    await new AgentruxClient(first.credentials).newest("t");
    expect(count("POST /auth/token")).toBe(1);
  });

  it("are replaced once when the service no longer takes them", async () => {
    await clientWith({ accessToken: "old", renewAt: Date.now() + 60_000 }).newest("t");
    expect(service.requests).toEqual(["GET /topics/t/events", "POST /auth/token", "GET /topics/t/events"]);
  });

  it("are renewed before they end, however short they live", async () => {
    service.tokenLifeMs = 100;
    const before = Date.now();
    const client = clientWith();
    await client.token();
    expect(client.credentials.renewAt).toBeLessThan(Date.now() + 100);
    expect(client.credentials.renewAt).toBeGreaterThanOrEqual(before);
  });
});

describe("waiting for a reply", () => {
  it("is woken by a hint", async () => {
    const waiting = clientWith().awaitReply("t", "r1", 0, 60_000);
    while (service.streams.size === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    service.reply("r0");
    service.reply("r1");
    expect(await waiting).toMatchObject({ requestId: "r1", status: "completed", message: "done" });
  });

  it("puts the parts of a long reply together", async () => {
    service.reply("r1", { status: "partial", message: "one ", part: 1, parts: 3 });
    service.reply("other");
    service.reply("r1", { status: "partial", message: "two ", part: 2, parts: 3 });
    service.reply("r1", { status: "failed", message: "three", part: 3, parts: 3 });
    const reply = await clientWith().awaitReply("t", "r1", 0, 60_000);
    expect(reply).toMatchObject({ status: "failed", message: "one two three" });
  });

  it("outlasts a service in trouble, and leaves no stream open", async () => {
    service.pullStatuses.push(503, 502);
    service.reply("r1");
    expect(await clientWith().awaitReply("t", "r1", 0, 60_000)).toMatchObject({ requestId: "r1" });
    while (service.streams.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  it("ends when the service refuses, and when its time is over", async () => {
    service.pullStatuses.push(403);
    await expect(clientWith().awaitReply("t", "r1", 0, 60_000)).rejects.toThrow("HTTP 403");
    await expect(clientWith().awaitReply("t", "r1", 0, 100)).rejects.toThrow("no reply to r1");
  });
});

it("tells a refused activation code by its status", async () => {
  const refused = await activate(baseUrl, "ac_x").catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(Refused);
  expect(refused).toMatchObject({ status: 404 });
});
