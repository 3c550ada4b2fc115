import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it, onTestFinished } from "vitest";
import { startHub } from "../src/server.ts";
import { call, listOf, logLines, tempFolder, testBench, testHub, textOf } from "./support/hub.ts";
import { openStream } from "./support/stream.ts";
import { upgradeStatus } from "./world/support/world.ts";

describe("starting", () => {
  it("leaves url and pid, and the admin token, where commands on this machine find them", async () => {
    const hub = await testHub();
    const found = JSON.parse(await readFile(join(hub.dataDir, "hub.json"), "utf8")) as unknown;
    expect(found).toEqual({ url: hub.url, pid: process.pid });
    expect((await readFile(join(hub.dataDir, "admin-token"), "utf8")).trim()).toBe(hub.adminToken);
    expect(hub.deps.isAdmin(hub.adminToken)).toBe(true);
    expect(hub.deps.isAdmin(`${hub.adminToken}x`)).toBe(false);
    expect(hub.deps.isAdmin("")).toBe(false);
  });

  it("takes an admin token it is given, and keeps it", async () => {
    const dataDir = await tempFolder();
    const first = await startHub({ dataDir, port: 0, logLevel: "silent", adminToken: "adm_mine" });
    await first.close();
    const second = await testHub({ dataDir });
    expect(second.adminToken).toBe("adm_mine");
  });

  it("listens on 127.0.0.1 unless told otherwise, and warns loudly when it is", async () => {
    const { log, lines } = logLines();
    const loopback = await testHub({ log });
    expect(new URL(loopback.url).hostname).toBe("127.0.0.1");
    expect(lines.join("")).not.toContain("WITHOUT TLS");
    await testHub({ log, host: "0.0.0.0" });
    expect(lines.join("")).toContain("WITHOUT TLS");
  });

  it("fails with the listener's error when the port is taken, and leaves the folder free", async () => {
    const hub = await testHub();
    const dataDir = await tempFolder();
    const port = Number(new URL(hub.url).port);
    await expect(startHub({ dataDir, port, logLevel: "silent" })).rejects.toMatchObject({ code: "EADDRINUSE" });
    await testHub({ dataDir });
  });

  it.each([
    [{ port: -1 }, "port"],
    [{ limits: { maxBodyBytes: 0 } }, "maxBodyBytes"],
    [{ ttls: { accessTokenAMs: Number.NaN } }, "accessTokenAMs"],
  ])("refuses %j and names the setting", async (options, name) => {
    const dataDir = await tempFolder();
    await expect(startHub({ dataDir, ...options })).rejects.toMatchObject({
      code: "CONFIG",
      message: expect.stringContaining(name),
    });
  });

  it("refuses a folder written by a newer hub, and one that is no folder", async () => {
    const hub = await testBench();
    const file = join(hub.hub.dataDir, "admin-token");
    await expect(startHub({ dataDir: file, port: 0, logLevel: "silent" })).rejects.toMatchObject({
      code: "DATA_FOLDER_UNUSABLE",
    });
    await hub.hub.close();
    const database = new DatabaseSync(join(hub.hub.dataDir, "hub.db"));
    database.exec("PRAGMA user_version = 99");
    database.close();
    await expect(startHub({ dataDir: hub.hub.dataDir, port: 0, logLevel: "silent" })).rejects.toMatchObject({
      code: "DATA_FOLDER_UNUSABLE",
      message: expect.stringContaining("newer"),
    });
  });
});

describe("every request", () => {
  it("gets a JSON document, also from an endpoint that is none, in the shape of its path", async () => {
    const hub = await testHub();
    expect((await call(hub.url, "GET", "/nowhere")).json).toEqual({
      error: { code: "NOT_FOUND", message: "No such endpoint" },
    });
    const inB = await call(hub.url, "GET", "/topics/top_11111111-1111-4111-8111-111111111111/nowhere");
    expect([inB.status, inB.json["detail"]?.["error"]]).toEqual([404, "NOT_FOUND"]);
    const inOAuth = await call(hub.url, "POST", "/oauth/nowhere", { body: {} });
    expect(inOAuth.json).toEqual({ error: "invalid_request", error_description: "No such endpoint" });
  });

  it("may have doubled slashes, and needs no User-Agent", async () => {
    const hub = await testHub();
    const { port } = new URL(hub.url);
    const answer = await raw(Number(port), "GET //healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("may offer another protocol, and is answered in HTTP/1.1", async () => {
    const hub = await testHub();
    const { port } = new URL(hub.url);
    const offer = "Host: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    for (const protocol of ["h2c", "TLS/1.0", "websocket, h2c"]) {
      const answer = await raw(Number(port), `GET /healthz HTTP/1.1\r\n${offer}Upgrade: ${protocol}\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1\.1 200 [^]*\{"status":"ok"\}$/);
    }
    const posted = await raw(
      Number(port),
      `POST /auth/activate HTTP/1.1\r\n${offer}Upgrade: h2c\r\nContent-Length: 2\r\n\r\n{}`,
    );
    expect(posted).toContain("activation_code");
    // A WebSocket is one under any spelling.
    expect(await upgradeStatus(hub.url, "/api/ws", { Upgrade: "WebSocket" })).toBe("101");
    expect(await upgradeStatus(hub.url, "/healthz", { Upgrade: "WebSocket" })).toBe("404");
  });

  it("is refused with 431 when its headers are too large", async () => {
    const hub = await testHub();
    const answer = await call(hub.url, "GET", "/healthz", { headers: { "X-Large": "x".repeat(20_000) } });
    expect(answer.status).toBe(431);
  });

  it("is refused with 400 when it is no HTTP", async () => {
    const hub = await testHub();
    const { port } = new URL(hub.url);
    expect(await raw(Number(port), "nonsense\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /);
  });

  it("reports failures inside the hub as 500 without their text", async () => {
    const bench = await testBench();
    // A store that breaks in an unforeseen way.
    Object.defineProperty(bench.hub.deps.store.topics, "get", {
      value: () => Promise.reject(new Error("secret detail of the inside")),
    });
    const answer = await bench.getA("");
    expect([answer.status, answer.json["error"]?.["code"]]).toEqual([500, "INTERNAL"]);
    expect(answer.text).not.toContain("secret detail");
  });
});

describe("retention in the background", () => {
  it("deletes in bounded steps what is older than its topic keeps", async () => {
    const bench = await testBench({ retentionSweepMs: 20 });
    const events = Array.from({ length: 1000 }, () => ({ type: "t" }));
    await bench.postA("/batch", { body: { events } });
    await bench.postA("/batch", { body: { events: events.slice(0, 300) } });
    bench.hub.clock.advance(3_590_000);
    await bench.publishA("young");
    bench.hub.clock.advance(15_000);
    const bounds = () => bench.hub.deps.store.events.bounds(bench.topicId);
    await expect.poll(async () => (await bounds()).oldest?.seq).toBe(1301);
    expect(await bounds()).toMatchObject({ lastSeq: 1301, deletedThroughSeq: 1300 });
  });
});

describe("closing", () => {
  it("finishes the publish that is under way, and ends streams", async () => {
    const bench = await testBench();
    const stream = await openStream(`${bench.hub.url}${bench.eventsA}/stream`, bench.tokenA);
    const publishing = bench.publishA("last");
    await stream.next();
    await bench.hub.close();
    expect((await publishing).status).toBe(201);
    expect(await stream.next()).toBeUndefined();
    expect(stream.endedCleanly()).toBe(true);
    await expect(call(bench.hub.url, "GET", "/healthz")).rejects.toBeInstanceOf(TypeError);
    const again = await testHub({ dataDir: bench.hub.dataDir });
    const kept = await call(again.url, "GET", bench.eventsA, { token: bench.tokenA });
    expect(listOf(kept.json["items"]).map((item) => textOf(item["type"]))).toEqual(["last"]);
  });

  it("does not wait for a client that never finishes its request", async () => {
    const bench = await testBench();
    const socket = connect(Number(new URL(bench.hub.url).port), "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    socket.write(
      `POST ${bench.eventsA} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${bench.tokenA}\r\nContent-Length: 100\r\n\r\n{`,
    );
    const cut = new Promise((resolve) => socket.once("close", () => resolve("cut off")));
    socket.resume().on("error", () => undefined);
    await call(bench.hub.url, "GET", "/healthz");
    await bench.hub.close();
    expect(await cut).toBe("cut off");
  });

  it("frees the folder although one part fails to stop and another never does", async () => {
    const hub = await testHub();
    hub.deps.onClose(() => Promise.reject(new Error("broken part")));
    hub.deps.onClose(() => new Promise(() => undefined));
    await hub.close();
    const again = await testHub({ dataDir: hub.dataDir });
    expect((await call(again.url, "GET", "/healthz")).status).toBe(200);
  });

  it("may be asked twice", async () => {
    const hub = await testHub();
    await expect(Promise.all([hub.close(), hub.close(), hub.close()])).resolves.toHaveLength(3);
  });
});

function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    let answer = "";
    socket.on("data", (chunk: Buffer) => (answer += chunk.toString()));
    socket.once("close", () => resolve(answer));
    socket.once("error", reject);
  });
}
