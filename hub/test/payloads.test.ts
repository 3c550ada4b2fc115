import { createHash, randomBytes } from "node:crypto";
import { readdir, stat, writeFile, mkdir } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import * as operations from "../src/admin/operations.ts";
import { mentionedObjectIds } from "../src/payloads/mentions.ts";
import type { Client, TestHub } from "./support/harness.ts";
import { document, startTestHub, testClock, until } from "./support/harness.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const bytes = Buffer.from("some bytes, and an ü");
const sha256 = (data: Uint8Array) => createHash("sha256").update(data).digest();

interface Scene {
  readonly hub: TestHub;
  readonly topic: string;
  readonly writer: Client;
  readonly reader: Client;
}

async function scene(options: Parameters<typeof startTestHub>[0] = {}): Promise<Scene> {
  const hub = await startTestHub(options);
  const topic = await hub.topic("files");
  return {
    hub,
    topic,
    writer: await hub.client("writer", { write: [topic] }),
    reader: await hub.client("reader", { read: [topic] }),
  };
}

async function announceA({ topic, writer }: Scene, body: object): Promise<Record<string, string>> {
  const response = await writer.call("POST", `/topics/${topic}/payloads`, body);
  expect(response.status).toBe(201);
  return (await document(response)) as Record<string, string>;
}

async function announceB({ topic, writer }: Scene, body: object): Promise<Record<string, unknown>> {
  const response = await writer.call("POST", `/topics/top_${topic}/payloads`, body);
  expect(response.status).toBe(201);
  return document(response);
}

const put = (url: unknown, body: Uint8Array<ArrayBuffer> | string, headers: Record<string, string> = {}) =>
  fetch(String(url), { method: "PUT", body, headers, redirect: "manual" });

/** Uploads an object. @returns its id */
async function uploadedA(s: Scene): Promise<string> {
  const made = await announceA(s, { content_type: "text/plain", size: bytes.length });
  expect((await put(made["upload_url"], bytes)).status).toBe(200);
  return String(made["object_id"]);
}

async function uploadedB(s: Scene): Promise<string> {
  const made = await announceB(s, { size_bytes: bytes.length });
  expect((await put(made["presigned_put_url"], bytes)).status).toBe(200);
  return String(made["payload_object_id"]);
}

async function publishA({ topic, writer }: Scene, event: object): Promise<void> {
  expect((await writer.call("POST", `/topics/${topic}/events`, event)).status).toBe(201);
}

async function publishB({ topic, writer }: Scene, event: object): Promise<void> {
  const response = await writer.call("POST", `/topics/top_${topic}/events`, { event_type: "file", ...event });
  expect(response.status).toBe(201);
}

/** What a reader that comes now gets of an object. */
async function download({ hub, topic }: Scene, topicId: string, objectId: string): Promise<Buffer> {
  const reader = await hub.client("latest", { read: [topic] });
  const info = await document(await reader.call("GET", `/topics/${topicId}/payloads/${objectId}`));
  const response = await fetch(String(info["presigned_get_url"] ?? info["download_url"]));
  expect(response.status).toBe(200);
  return Buffer.from(await response.arrayBuffer());
}

async function storedFiles(hub: TestHub): Promise<string[]> {
  const entries = await readdir(join(hub.dataDir, "objects"), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

describe("generation A objects", () => {
  it("are uploaded and downloaded by URL alone, without redirect, as a download", async () => {
    const s = await scene();
    const made = await announceA(s, { content_type: "text/html", filename: "a/b ü.html", size: bytes.length });
    expect(made["upload_url"]).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/objects\//);
    expect(Date.parse(made["expiration"] ?? "")).toBeGreaterThan(Date.now());
    expect((await put(made["upload_url"], bytes, { "Content-Type": "text/html" })).status).toBe(200);

    const info = await document(await s.reader.call("GET", `/topics/${s.topic}/payloads/${made["object_id"]}`));
    expect(info).toMatchObject({ object_id: made["object_id"], content_type: "text/html", size: bytes.length });
    for (const url of [made["download_url"], info["download_url"]]) {
      const response = await fetch(String(url), { redirect: "manual" });
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toBe("text/html");
      expect(response.headers.get("content-disposition")).toBe("attachment; filename*=UTF-8''a_b%20%C3%BC.html");
      expect(response.headers.get("x-content-type-options")).toBe("nosniff");
      expect(response.headers.get("content-security-policy")).toContain("sandbox");
      expect(Buffer.from(await response.arrayBuffer())).toEqual(bytes);
    }
  });

  it("need neither User-Agent nor Content-Type nor a Content-Length, and survive a restart", async () => {
    const s = await scene();
    const made = await announceA(s, {
      content_type: "text/plain",
      size: bytes.length,
      hash: sha256(bytes).toString("hex"),
    });
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const request = httpRequest(made["upload_url"] ?? "", { method: "PUT" }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      request.once("error", reject);
      request.write(bytes.subarray(0, 5));
      request.end(bytes.subarray(5));
    });
    expect(status).toBe(200);
    await s.hub.restart();
    const info = await document(await s.reader.call("GET", `/topics/${s.topic}/payloads/${made["object_id"]}`));
    expect(Buffer.from(await (await fetch(String(info["download_url"]))).arrayBuffer())).toEqual(bytes);
  });

  it("are not there before their bytes are", async () => {
    const s = await scene();
    const made = await announceA(s, { content_type: "text/plain", size: 3 });
    expect((await s.reader.call("GET", `/topics/${s.topic}/payloads/${made["object_id"]}`)).status).toBe(404);
    expect((await fetch(made["download_url"] ?? "")).status).toBe(404);
  });

  it("answer HEAD without a body", async () => {
    const s = await scene();
    const made = await announceA(s, { content_type: "text/plain", size: bytes.length });
    await put(made["upload_url"], bytes);
    const response = await fetch(made["download_url"] ?? "", { method: "HEAD" });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-length")).toBe(String(bytes.length));
  });

  it("may be empty", async () => {
    const s = await scene();
    const made = await announceA(s, { content_type: "text/plain", size: 0 });
    expect((await put(made["upload_url"], "")).status).toBe(200);
    const response = await fetch(made["download_url"] ?? "");
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("");
  });
});

describe("generation B objects", () => {
  const metadata = {
    size_bytes: bytes.length,
    content_type: "image/png",
    checksum_sha256: sha256(bytes).toString("base64"),
  };

  it("are pending until a published event names them", async () => {
    const s = await scene();
    const made = await announceB(s, metadata);
    expect(made["payload_object_id"]).toMatch(/^pob_/);
    expect(made["required_headers"]).toEqual({ "Content-Type": "image/png" });
    expect((await put(made["presigned_put_url"], bytes, { "Content-Type": "image/png" })).status).toBe(200);
    const path = `/topics/top_${s.topic}/payloads/${String(made["payload_object_id"])}`;
    expect((await s.reader.call("GET", path)).status).toBe(404);

    const event = { event_type: "file", payload_object_id: made["payload_object_id"] };
    expect((await s.writer.call("POST", `/topics/top_${s.topic}/events`, event)).status).toBe(201);
    const info = await document(await s.reader.call("GET", path));
    expect(info).toMatchObject({ content_type: "image/png", size_bytes: bytes.length });
    const download = await fetch(String(info["presigned_get_url"]));
    expect(Buffer.from(await download.arrayBuffer())).toEqual(bytes);
  });

  it("count as published when an event's payload names them, on their own topic only", async () => {
    const s = await scene();
    const other = await s.hub.topic("other");
    const elsewhere = await s.hub.client("elsewhere", { write: [other] });
    const made = await announceB(s, { size_bytes: bytes.length });
    await put(made["presigned_put_url"], bytes);
    const path = `/topics/top_${s.topic}/payloads/${String(made["payload_object_id"])}`;
    const event = {
      event_type: "openclaw.response",
      payload: { attachments: [{ payload_object_id: made["payload_object_id"] }] },
    };
    expect((await elsewhere.call("POST", `/topics/top_${other}/events`, event)).status).toBe(201);
    expect((await s.reader.call("GET", path)).status).toBe(404);
    expect((await s.writer.call("POST", `/topics/top_${s.topic}/events`, event)).status).toBe(201);
    expect((await s.reader.call("GET", path)).status).toBe(200);
  });

  it("must be uploaded with the headers that were required", async () => {
    const s = await scene();
    const made = await announceB(s, metadata);
    for (const headers of [{}, { "Content-Type": "text/html" }]) {
      expect((await put(made["presigned_put_url"], bytes, headers as Record<string, string>)).status).toBe(403);
    }
    expect((await put(made["presigned_put_url"], bytes, { "Content-Type": "image/png" })).status).toBe(200);
  });

  it("cannot be referred to before their bytes are there, nor from another topic", async () => {
    const s = await scene();
    const made = await announceB(s, { size_bytes: 3 });
    const event = { event_type: "file", payload_object_id: made["payload_object_id"] };
    expect((await s.writer.call("POST", `/topics/top_${s.topic}/events`, event)).status).toBe(409);
    const other = await s.hub.topic("other");
    const elsewhere = await s.hub.client("elsewhere", { write: [other] });
    expect((await elsewhere.call("POST", `/topics/top_${other}/events`, event)).status).toBe(404);
  });
});

describe("who may", () => {
  it("announce: writers; look: readers, and writers at their own", async () => {
    const s = await scene();
    const made = await announceA(s, { content_type: "text/plain", size: bytes.length });
    await put(made["upload_url"], bytes);
    const path = `/topics/${s.topic}/payloads/${made["object_id"]}`;
    expect((await s.reader.call("POST", `/topics/${s.topic}/payloads`, { content_type: "a/b", size: 1 })).status).toBe(
      403,
    );
    expect((await s.reader.call("GET", path)).status).toBe(200);
    expect((await s.writer.call("GET", path)).status).toBe(200);
    const otherWriter = await s.hub.client("other writer", { write: [s.topic] });
    expect((await otherWriter.call("GET", path)).status).toBe(403);
    expect((await fetch(s.hub.url + path)).status).toBe(401);
  });

  it("reach an object through its own topic only", async () => {
    const s = await scene();
    const other = await s.hub.topic("other");
    const outsider = await s.hub.client("outsider", { read: [other] });
    const made = await announceA(s, { content_type: "text/plain", size: bytes.length });
    await put(made["upload_url"], bytes);
    expect((await outsider.call("GET", `/topics/${other}/payloads/${made["object_id"]}`)).status).toBe(404);
  });
});

describe("hostile input", () => {
  it("gets nothing by ids that are paths", async () => {
    const s = await scene();
    for (const id of ["..%2f..%2fadmin-token", "..", "%2e%2e%2fhub.db", "tmp", "obj_1", "x".repeat(3000)]) {
      expect(
        (await fetch(`${s.hub.url}/objects/${id}?expires=9999999999&signature=AAAA`)).status,
      ).toBeGreaterThanOrEqual(403);
      expect((await s.reader.call("GET", `/topics/${s.topic}/payloads/${id}`)).status).toBe(404);
    }
  });

  it("gets nothing by tampered URLs", async () => {
    const s = await scene();
    const one = await announceA(s, { content_type: "text/plain", size: bytes.length });
    const two = await announceA(s, { content_type: "text/plain", size: bytes.length });
    await put(one["upload_url"], bytes);
    const good = new URL(one["download_url"] ?? "");
    const variants = [
      (url: URL) => url.searchParams.set("expires", String(Number(url.searchParams.get("expires")) + 1)),
      (url: URL) => url.searchParams.set("signature", "A".repeat(43)),
      (url: URL) => url.searchParams.delete("signature"),
      (url: URL) => url.searchParams.delete("expires"),
      (url: URL) => (url.pathname = `/objects/${two["object_id"]}`),
      (url: URL) => (url.pathname = url.pathname.replace(/[0-9a-f]{12}$/, "000000000000")),
    ];
    for (const change of variants) {
      const url = new URL(good);
      change(url);
      expect((await fetch(url)).status).toBe(403);
    }
    expect((await put(one["download_url"], bytes)).status).toBe(403);
    expect((await fetch(one["upload_url"] ?? "")).status).toBe(403);
    expect((await fetch(good)).status).toBe(200);
  });

  it("gets nothing by URLs that have expired", async () => {
    const clock = testClock();
    const s = await scene({ clock });
    const made = await announceA(s, { content_type: "text/plain", size: bytes.length });
    await put(made["upload_url"], bytes);
    clock.advance(HOUR_MS + 1000);
    for (const response of [await fetch(made["download_url"] ?? ""), await put(made["upload_url"], bytes)]) {
      expect(response.status).toBe(403);
      expect(await response.text()).toContain("expired");
    }
  });

  it("cannot put in more or less than was announced, or something else", async () => {
    const s = await scene();
    const made = await announceA(s, { content_type: "text/plain", size: 10, hash: "0".repeat(64) });
    expect((await put(made["upload_url"], "x".repeat(11))).status).toBe(413);
    expect((await put(made["upload_url"], "x".repeat(9))).status).toBe(422);
    expect((await put(made["upload_url"], "x".repeat(10))).status).toBe(422);
    expect(await storedFiles(s.hub)).toEqual([]);
    expect((await fetch(made["download_url"] ?? "")).status).toBe(404);
  });

  it("is cut off while it streams more than was announced", async () => {
    const s = await scene();
    const made = await announceA(s, { content_type: "text/plain", size: 10 });
    const url = new URL(made["upload_url"] ?? "");
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(url.port), url.hostname, () => {
        socket.write(`PUT ${url.pathname}${url.search} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n`);
        socket.write(`10000\r\n${"x".repeat(0x10000)}\r\n`);
      });
      socket.setEncoding("latin1");
      socket.once("data", (data: string) => {
        socket.destroy();
        resolve(data);
      });
      socket.once("error", reject);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(await storedFiles(s.hub)).toEqual([]);
  });

  it("leaves nothing behind when it breaks off, and the upload can be done again", async () => {
    const s = await scene();
    const made = await announceA(s, { content_type: "text/plain", size: bytes.length });
    const url = new URL(made["upload_url"] ?? "");
    const socket = connect(Number(url.port), url.hostname);
    socket.write(`PUT ${url.pathname}${url.search} HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes.length}\r\n\r\nsome`);
    await until(async () => (await storedFiles(s.hub)).length === 1);
    socket.destroy();
    await until(async () => (await storedFiles(s.hub)).length === 0);
    expect((await put(made["upload_url"], bytes)).status).toBe(200);
  });

  it("is cut off when nothing moves, in both directions", async () => {
    const logged: string[] = [];
    const log = pino({ level: "debug" }, { write: (line: string) => void logged.push(line) });
    const s = await scene({ objectIdleMs: 100, log });
    const size = 32 * 1024 * 1024;
    const stalled = await announceA(s, { content_type: "text/plain", size });
    const up = new URL(stalled["upload_url"] ?? "");
    const sender = connect(Number(up.port), up.hostname);
    sender.write(`PUT ${up.pathname}${up.search} HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n\r\nsome`);
    await new Promise((resolve) => sender.once("close", resolve).resume());
    await until(async () => (await storedFiles(s.hub)).length === 0);

    expect((await put(stalled["upload_url"], Buffer.alloc(size))).status).toBe(200);
    const down = new URL(stalled["download_url"] ?? "");
    const reader = connect(Number(down.port), down.hostname);
    reader.write(`GET ${down.pathname}${down.search} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await new Promise((resolve) => reader.once("readable", resolve));
    await until(() => logged.some((line) => line.includes("download broke off")));
    let received = 0;
    reader.on("data", (data) => (received += data.length)).on("error", () => undefined);
    await new Promise((resolve) => reader.once("close", resolve));
    expect(received).toBeLessThan(size);
  });

  it("is refused over the size limit, with the limit named", async () => {
    const s = await scene({ limits: { maxObjectBytes: 100 } });
    const response = await s.writer.call("POST", `/topics/${s.topic}/payloads`, { content_type: "a/b", size: 101 });
    expect(response.status).toBe(413);
    expect(await response.text()).toContain("100 bytes");
  });

  it("cannot smuggle headers in through type or name", async () => {
    const s = await scene();
    const bad = await s.writer.call("POST", `/topics/${s.topic}/payloads`, { content_type: "a/b\r\nX: y", size: 1 });
    expect(bad.status).toBe(422);
    const filename = '"\r\nSet-Cookie: a=b\ud800';
    const made = await announceA(s, { content_type: "a/b", size: bytes.length, filename });
    await put(made["upload_url"], bytes);
    const response = await fetch(made["download_url"] ?? "");
    expect(response.status).toBe(200);
    expect(response.headers.get("set-cookie")).toBeNull();
  });
});

describe("uploading again", () => {
  it("succeeds with the same bytes and is refused with others", async () => {
    const s = await scene();
    const made = await announceA(s, { content_type: "text/plain", size: bytes.length });
    expect((await put(made["upload_url"], bytes)).status).toBe(200);
    expect((await put(made["upload_url"], bytes)).status).toBe(200);
    expect((await put(made["upload_url"], bytes.toReversed())).status).toBe(409);
    expect(Buffer.from(await (await fetch(made["download_url"] ?? "")).arrayBuffer())).toEqual(bytes);
    expect(await storedFiles(s.hub)).toEqual([made["object_id"]]);
  });

  it("of twenty at once, different ones, exactly one content wins", async () => {
    const s = await scene();
    const made = await announceA(s, { content_type: "text/plain", size: 64 });
    const contents = Array.from({ length: 20 }, () => randomBytes(64));
    const answers = await Promise.all(contents.map((content) => put(made["upload_url"], content)));
    const statuses = answers.map((answer) => answer.status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(statuses.filter((status) => status === 409)).toHaveLength(19);
    const winner = contents[statuses.indexOf(200)];
    expect(Buffer.from(await (await fetch(made["download_url"] ?? "")).arrayBuffer())).toEqual(winner);
  });
});

describe("clean-up", () => {
  it("removes unreferenced generation B objects after a day, and keeps those events name", async () => {
    const clock = testClock();
    const s = await scene({ clock, retentionSweepMs: 20 });
    const kept = await announceB(s, { size_bytes: bytes.length });
    const lost = await announceB(s, { size_bytes: bytes.length });
    await put(kept["presigned_put_url"], bytes);
    await put(lost["presigned_put_url"], bytes);
    await s.writer.call("POST", `/topics/top_${s.topic}/events`, {
      event_type: "f",
      payload_object_id: kept["payload_object_id"],
    });
    clock.advance(24 * HOUR_MS + 1000);
    const keptFile = String(kept["payload_object_id"]).slice(4);
    await until(async () => (await storedFiles(s.hub)).length === 1);
    expect(await storedFiles(s.hub)).toEqual([keptFile]);
    clock.advance(30 * 24 * HOUR_MS);
    await until(async () => (await storedFiles(s.hub)).length === 0);
  });

  it("keeps generation A objects for the topic's retention, as their events name them anywhere", async () => {
    const clock = testClock();
    const s = await scene({ clock, retentionSweepMs: 20 });
    const made = await announceA(s, { content_type: "a/b", size: bytes.length });
    await put(made["upload_url"], bytes);
    const short = await announceB(s, { size_bytes: bytes.length });
    await put(short["presigned_put_url"], bytes);
    clock.advance(29 * 24 * HOUR_MS);
    await until(async () => (await storedFiles(s.hub)).length === 1);
    expect(await storedFiles(s.hub)).toEqual([made["object_id"]]);
    clock.advance(2 * 24 * HOUR_MS);
    await until(async () => (await storedFiles(s.hub)).length === 0);
  });

  it("keeps a generation B object referenced again later, still readable, as long as that event", async () => {
    const clock = testClock();
    const s = await scene({ clock, retentionSweepMs: 20 });
    const [again, alsoAgain, once] = [await uploadedB(s), await uploadedB(s), await uploadedB(s)];
    for (const id of [again, alsoAgain, once]) await publishB(s, { payload: { attachments: [id] } });
    clock.advance(20 * DAY_MS);
    const later = { ...s, writer: await s.hub.client("later", { write: [s.topic] }) };
    await publishB(later, { payload: { attachments: [{ payload_object_id: again }] } });
    await publishB(later, { payload_object_id: alsoAgain });
    clock.advance(15 * DAY_MS);
    await until(async () => (await storedFiles(s.hub)).length === 2);
    for (const id of [again, alsoAgain]) expect(await download(s, `top_${s.topic}`, id)).toEqual(bytes);
    clock.advance(16 * DAY_MS);
    await until(async () => (await storedFiles(s.hub)).length === 0);
  });

  it("keeps a generation A object as long as the newest event that names it inside its payload", async () => {
    const clock = testClock();
    const s = await scene({ clock, retentionSweepMs: 20 });
    const [attached, spilled, unnamed] = [await uploadedA(s), await uploadedA(s), await uploadedA(s)];
    clock.advance(29 * DAY_MS);
    const later = { ...s, writer: await s.hub.client("later", { write: [s.topic] }) };
    const payload = {
      request_id: unnamed,
      attachments: [{ object_id: attached }],
      message_object: { object_id: spilled },
    };
    await publishA(later, { type: "openclaw.response", payload });
    clock.advance(2 * DAY_MS);
    await until(async () => (await storedFiles(s.hub)).length === 2);
    for (const id of [attached, spilled]) expect(await download(s, s.topic, id)).toEqual(bytes);
    clock.advance(29 * DAY_MS);
    await until(async () => (await storedFiles(s.hub)).length === 0);
  });

  it("goes by the topic's retention of the moment, not by that of the upload", async () => {
    const clock = testClock();
    const s = await scene({ clock, retentionSweepMs: 20 });
    const short = await s.hub.topic("short");
    const elsewhere = { ...s, topic: short, writer: await s.hub.client("elsewhere", { write: [short] }) };
    const retain = (topic: string, seconds: number) => operations.setTopicRetention(s.hub.running.deps, topic, seconds);
    await retain(s.topic, 3600);
    const raised = await uploadedA(s);
    await uploadedA(elsewhere);
    await retain(s.topic, 30 * 86_400);
    await retain(short, 3600);
    clock.advance(2 * HOUR_MS);
    await until(async () => (await storedFiles(s.hub)).length === 1);
    expect(await storedFiles(s.hub)).toEqual([raised]);
    expect(await download(s, s.topic, raised)).toEqual(bytes);
  });

  it("keeps what an event of an older database may name, for which mentions were not noted", async () => {
    const clock = testClock();
    const s = await scene({ clock, retentionSweepMs: 20 });
    const other = await s.hub.topic("other");
    const elsewhere = { ...s, topic: other, writer: await s.hub.client("elsewhere", { write: [other] }) };
    const [named, repeated, unused] = [await uploadedA(s), await uploadedB(s), await uploadedA(elsewhere)];
    await publishB(s, { payload_object_id: repeated });
    clock.advance(29 * DAY_MS);
    const later = { ...s, writer: await s.hub.client("later", { write: [s.topic] }) };
    await publishA(later, { type: "openclaw.response", payload: { files: [named, repeated] } });
    await s.hub.running.close();
    const database = new DatabaseSync(join(s.hub.dataDir, "hub.db"));
    database.exec(`
      UPDATE objects SET committed_at = created_at WHERE committed_at IS NOT NULL;
      ALTER TABLE objects ADD COLUMN expires_at INTEGER NOT NULL DEFAULT 0;
      CREATE INDEX objects_by_state ON objects (state, expires_at);
      PRAGMA user_version = 4;
    `);
    database.close();
    await s.hub.restart();
    clock.advance(2 * DAY_MS);
    await until(async () => !(await storedFiles(s.hub)).includes(unused));
    expect(await download(s, s.topic, named)).toEqual(bytes);
    expect(await download(s, `top_${s.topic}`, repeated)).toEqual(bytes);
  });

  it("removes at the start what a dead process left: half an upload, and bytes without a record", async () => {
    const s = await scene();
    const orphan = "00000000-0000-4000-8000-000000000000";
    await writeFile(join(s.hub.dataDir, "objects", "tmp", "99-1"), "half");
    await mkdir(join(s.hub.dataDir, "objects", "00"));
    await writeFile(join(s.hub.dataDir, "objects", "00", orphan), "orphan");
    expect((await storedFiles(s.hub)).toSorted()).toEqual([orphan, "99-1"]);
    await s.hub.restart();
    await until(async () => (await storedFiles(s.hub)).length === 0);
  });
});

describe("on disk", () => {
  it("is private", async () => {
    const s = await scene();
    const made = await announceA(s, { content_type: "a/b", size: bytes.length });
    await put(made["upload_url"], bytes);
    const id = made["object_id"] ?? "";
    const mode = async (...path: string[]) => (await stat(join(s.hub.dataDir, ...path))).mode & 0o777;
    expect(await mode("objects")).toBe(0o700);
    expect(await mode("objects", id.slice(0, 2), id)).toBe(0o600);
    expect(await mode("object-url.key")).toBe(0o600);
  });
});

describe("mentionedObjectIds", () => {
  it("finds each id once, wherever it stands, and nothing that only looks like one", () => {
    const id = "0f8fad5b-d9cb-469f-a165-70867728950e";
    expect(mentionedObjectIds(JSON.stringify({ a: [`pob_${id}`, `x pob_${id} y`] }))).toEqual([id]);
    expect(mentionedObjectIds(JSON.stringify({ object_id: id, more: { payload_object_id: id } }, null, 2))).toEqual([
      id,
    ]);
    expect(mentionedObjectIds(JSON.stringify({ a: id, object_ids: id, object_id: `obj_${id}` }))).toEqual([]);
    expect(mentionedObjectIds(`"pob_${id}0"`)).toEqual([]);
    expect(mentionedObjectIds(null)).toEqual([]);
  });
});
