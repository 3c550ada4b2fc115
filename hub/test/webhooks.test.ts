import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { addressPolicy } from "../src/webhooks/addresses.ts";
import { document, startTestHub, until } from "./support/harness.ts";
import type { Client, TestHub } from "./support/harness.ts";

interface Delivery {
  readonly headers: IncomingHttpHeaders;
  readonly raw: string;
  readonly body: Record<string, unknown>;
}

interface Receiver {
  readonly url: string;
  readonly deliveries: Delivery[];
}

type Answer = (response: ServerResponse, nth: number) => void;

const accept: Answer = (response) => void response.end('{"status":"ok"}');
const status = (code: number, headers: Record<string, string> = {}): Answer => {
  return (response) => void response.writeHead(code, headers).end();
};

async function receiver(answer: Answer = accept): Promise<Receiver> {
  const deliveries: Delivery[] = [];
  const server = createServer((request, response) => {
    let raw = "";
    request.setEncoding("utf8").on("data", (text: string) => (raw += text));
    request.once("end", () => {
      deliveries.push({ headers: request.headers, raw, body: JSON.parse(raw) as Record<string, unknown> });
      answer(response, deliveries.length);
    });
  });
  server.listen(0, "127.0.0.1");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await until(() => server.listening);
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, deliveries };
}

interface Scene {
  readonly hub: TestHub;
  readonly topic: string;
  readonly writer: Client;
}

async function scene(options: Parameters<typeof startTestHub>[0] = {}): Promise<Scene> {
  const hub = await startTestHub({ webhooks: { retryBaseMs: 10 }, ...options });
  const topic = await hub.topic("t");
  return { hub, topic, writer: await hub.client("writer", { write: [topic] }) };
}

async function register({ hub }: Scene, topicId: string, url: string): Promise<Record<string, string>> {
  const response = await hub.admin("POST", `/console/topics/${topicId}/webhooks`, { url });
  expect(response.status).toBe(201);
  return (await document(response)) as Record<string, string>;
}

async function publish({ writer, topic }: Scene): Promise<Record<string, unknown>> {
  const response = await writer.call("POST", `/topics/${topic}/events`, { type: "t", payload: {} });
  expect(response.status).toBe(201);
  return document(response);
}

async function metric({ hub }: Scene, line: string): Promise<number> {
  const text = await (await fetch(`${hub.url}/metrics`)).text();
  return Number(
    text
      .split("\n")
      .find((candidate) => candidate.startsWith(`${line} `))
      ?.slice(line.length) ?? 0,
  );
}

const outcome = (kind: string) => `agentrux_hub_webhook_deliveries_total{outcome="${kind}"}`;

describe("a delivery", () => {
  it("to a receiver that switches protocols has failed, and is tried again", async () => {
    const s = await scene();
    const there = await receiver((response, nth) => {
      if (nth > 1) return accept(response, nth);
      response.socket?.end("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    });
    await register(s, s.topic, there.url);
    await publish(s);
    await until(() => there.deliveries.length === 2);
    await until(async () => (await metric(s, outcome("delivered"))) === 1);
    expect(await metric(s, outcome("failed"))).toBe(1);
  });

  it("is signed over the raw body, current, and has what both generations read", async () => {
    const s = await scene();
    const there = await receiver();
    const { secret } = await register(s, s.topic, there.url);
    const event = await publish(s);
    await until(() => there.deliveries.length === 1);
    const [delivery] = there.deliveries;
    expect(delivery?.body).toEqual({
      topic_id: s.topic,
      latest_sequence_no: event["sequence_no"],
      event_id: `evt_${String(event["event_id"])}`,
      sequence_number: event["sequence_no"],
      timestamp: expect.any(Number),
    });
    const expected = createHmac("sha256", secret ?? "")
      .update(delivery?.raw ?? "")
      .digest("hex");
    expect(delivery?.headers["x-agentrux-signature"]).toBe(`sha256=${expected}`);
    expect(delivery?.headers["content-type"]).toBe("application/json");
    expect(delivery?.headers["user-agent"]).toMatch(/^agentrux-hub\//);
    expect(Math.abs(Number(delivery?.body["timestamp"]) - Date.now() / 1000)).toBeLessThan(300);
  });

  it("carries the form of the topic id that it was registered with", async () => {
    const s = await scene();
    const there = await receiver();
    await register(s, `top_${s.topic}`, there.url);
    await publish(s);
    await until(() => there.deliveries.length === 1);
    expect(there.deliveries[0]?.body["topic_id"]).toBe(`top_${s.topic}`);
  });

  it("goes to the webhooks of its topic only, and stops when one is removed", async () => {
    const s = await scene();
    const [mine, other] = [await receiver(), await receiver()];
    const { webhook_id: id } = await register(s, s.topic, mine.url);
    await register(s, await s.hub.topic("other"), other.url);
    await publish(s);
    await until(() => mine.deliveries.length === 1);
    expect((await s.hub.admin("DELETE", `/console/webhooks/${id}`)).status).toBe(204);
    expect((await s.hub.admin("DELETE", `/console/webhooks/${id}`)).status).toBe(404);
    const late = await receiver();
    await register(s, s.topic, late.url);
    await publish(s);
    await until(() => late.deliveries.length === 1);
    expect(mine.deliveries).toHaveLength(1);
    expect(other.deliveries).toHaveLength(0);
  });
});

describe("a receiver in trouble", () => {
  it("is tried again until it answers", async () => {
    const s = await scene();
    const there = await receiver((response, nth) => (nth < 4 ? status(503)(response, nth) : accept(response, nth)));
    await register(s, s.topic, there.url);
    await publish(s);
    await until(() => there.deliveries.length === 4);
    await until(async () => (await metric(s, outcome("delivered"))) === 1);
    expect(await metric(s, outcome("failed"))).toBe(3);
  });

  it("is given up after the last attempt, and told of the next event all the same", async () => {
    const s = await scene({ webhooks: { retryBaseMs: 1, maxAttempts: 3 } });
    const there = await receiver(status(500));
    await register(s, s.topic, there.url);
    await publish(s);
    await until(async () => (await metric(s, "agentrux_hub_webhooks_given_up_total")) === 1);
    expect(there.deliveries).toHaveLength(3);
    await publish(s);
    await until(() => there.deliveries.length === 6);
  });

  it("is not asked again when it says no, and its redirects are not followed", async () => {
    const s = await scene();
    const elsewhere = await receiver();
    const [gone, moved] = [await receiver(status(404)), await receiver(status(307, { Location: elsewhere.url }))];
    await register(s, s.topic, gone.url);
    await register(s, s.topic, moved.url);
    await publish(s);
    await until(async () => (await metric(s, outcome("refused"))) === 2);
    expect([gone, moved, elsewhere].map(({ deliveries }) => deliveries.length)).toEqual([1, 1, 0]);
    expect(await metric(s, outcome("failed"))).toBe(0);
  });

  it("that does not answer is cut off after the time limit", async () => {
    const s = await scene({ webhooks: { timeoutMs: 50, retryBaseMs: 1, maxAttempts: 2 } });
    const there = await receiver(() => undefined);
    await register(s, s.topic, there.url);
    await publish(s);
    await until(async () => (await metric(s, "agentrux_hub_webhooks_given_up_total")) === 1);
    expect(there.deliveries).toHaveLength(2);
  });

  it("that is slow gets the newest position, not a pile of old ones", async () => {
    const s = await scene();
    let release: (() => void) | undefined;
    const there = await receiver((response, nth) => {
      if (nth > 1) return accept(response, nth);
      release = () => accept(response, nth);
    });
    await register(s, s.topic, there.url);
    await publish(s);
    await until(() => release !== undefined);
    for (let i = 0; i < 50; i += 1) await publish(s);
    release?.();
    await until(() => there.deliveries.length === 2);
    expect(there.deliveries[1]?.body["latest_sequence_no"]).toBe(51);
    await until(async () => (await metric(s, outcome("delivered"))) === 2);
  });

  it("does not keep the hub from stopping, and is told again after the restart", async () => {
    const s = await scene({ webhooks: { timeoutMs: 60_000 } });
    const there = await receiver((response, nth) => (nth > 1 ? accept(response, nth) : undefined));
    await register(s, s.topic, there.url);
    await publish(s);
    await until(() => there.deliveries.length === 1);
    await s.hub.restart();
    await until(() => there.deliveries.length === 2);
    await until(async () => (await metric(s, outcome("delivered"))) === 1);
    await s.hub.restart();
    await publish(s);
    await until(() => there.deliveries.length === 3);
    expect(there.deliveries.map(({ body }) => body["latest_sequence_no"])).toEqual([1, 1, 2]);
  });
});

describe("registration", () => {
  it("shows the secret once, and lists the rest", async () => {
    const s = await scene();
    const made = await register(s, s.topic, "https://example.com/hook?key=1");
    expect(made["secret"]).toMatch(/^whs_.{43}$/);
    const text = await (await s.hub.admin("GET", `/console/topics/${s.topic}/webhooks`)).text();
    expect(text).toContain(made["webhook_id"]);
    expect(text).not.toContain("whs_");
  });

  it("refuses what is no web address, and too many", async () => {
    const s = await scene();
    const path = `/console/topics/${s.topic}/webhooks`;
    for (const url of ["ftp://example.com", "file:///etc/passwd", "nonsense", "", "http://user:secret@example.com/"]) {
      expect({ url, status: (await s.hub.admin("POST", path, { url })).status }).toEqual({ url, status: 422 });
    }
    for (let i = 0; i < 20; i += 1) await register(s, s.topic, `https://example.com/${i}`);
    expect((await s.hub.admin("POST", path, { url: "https://example.com/20" })).status).toBe(409);
    expect((await s.hub.admin("POST", "/console/topics/nowhere/webhooks", { url: "https://a.b" })).status).toBe(404);
  });

  it("is the operator's alone", async () => {
    const s = await scene();
    const path = `/console/topics/${s.topic}/webhooks`;
    expect((await s.writer.call("POST", path, { url: "https://example.com" })).status).toBe(403);
    expect((await s.writer.call("GET", path)).status).toBe(403);
    expect((await s.writer.call("DELETE", "/console/webhooks/x")).status).toBe(403);
  });
});

describe("addresses", () => {
  it("of the cloud's credentials are never delivered to; private ones when the operator allows them", async () => {
    const open = addressPolicy({ allowPrivate: true });
    const strict = addressPolicy({ allowPrivate: false });
    for (const address of [
      "169.254.169.254",
      "0.0.0.0",
      "255.255.255.255",
      "fe80::1",
      "::ffff:169.254.169.254",
      "::",
      "x",
    ]) {
      expect([address, open.allows(address), strict.allows(address)]).toEqual([address, false, false]);
    }
    for (const address of [
      "127.0.0.1",
      "10.1.2.3",
      "192.168.0.1",
      "172.31.0.1",
      "100.64.0.1",
      "::1",
      "fd00::1",
      "::ffff:127.0.0.1",
    ]) {
      expect([address, open.allows(address), strict.allows(address)]).toEqual([address, true, false]);
    }
    for (const address of ["93.184.216.34", "2606:2800:220:1::1"]) expect(strict.allows(address)).toBe(true);
  });

  it("are checked where the connection goes, by number and by name", async () => {
    const s = await scene({ webhooks: { allowPrivateAddresses: false, retryBaseMs: 1, maxAttempts: 1 } });
    const there = await receiver();
    await register(s, s.topic, there.url);
    await register(s, s.topic, there.url.replace("127.0.0.1", "localhost"));
    await publish(s);
    await until(async () => (await metric(s, outcome("refused"))) === 1);
    await until(async () => (await metric(s, "agentrux_hub_webhooks_given_up_total")) === 1);
    expect(there.deliveries).toHaveLength(0);
  });
});
