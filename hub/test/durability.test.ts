import { spawn } from "node:child_process";
import { once } from "node:events";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import * as admin from "../src/admin/operations.ts";
import type { RunningHub } from "../src/server.ts";
import { startHub } from "../src/server.ts";
import type { EventStore } from "../src/store/port.ts";
import { CHILD_HUB, childHub } from "./support/child.ts";
import { activate, call, listOf, logLines, tempFolder, testBench, textOf } from "./support/hub.ts";
import type { Agent } from "./support/hub.ts";

/** What a hub in another process that is told to stop at once says of a folder: where it listened, or why it did not. */
async function childHubSays(dataDir: string): Promise<string> {
  const child = spawn(process.execPath, [CHILD_HUB, dataDir], { stdio: ["ignore", "pipe", "pipe"] });
  const said: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => void said.push(chunk));
  await once(child, "close");
  return Buffer.concat(said).toString();
}

/** Holds publishes back until `count` have come, and lets them into the store in one turn of the event loop. */
function storeTogether(events: EventStore, count: number): void {
  const append = events.append.bind(events);
  const appendAll = events.appendAll.bind(events);
  const all = Promise.withResolvers<undefined>();
  let come = 0;
  const hold = () => {
    come += 1;
    if (come === count) all.resolve(undefined);
    return all.promise;
  };
  vi.spyOn(events, "append").mockImplementation((request) => hold().then(() => append(request)));
  vi.spyOn(events, "appendAll").mockImplementation((...batch) => hold().then(() => appendAll(...batch)));
}

async function withHub<T>(dataDir: string, work: (hub: RunningHub) => Promise<T>): Promise<T> {
  const hub = await startHub({ dataDir, port: 0, logLevel: "silent" });
  try {
    return await work(hub);
  } finally {
    await hub.close();
  }
}

interface Acknowledged {
  readonly eventId: string;
  readonly seq: string;
  readonly n: number;
}

/** Publishes until the hub is gone, and notes what was acknowledged. */
async function publishUntilGone(
  url: string,
  topicId: string,
  agent: Agent,
  worker: number,
  acknowledged: Acknowledged[],
) {
  for (let i = 0; ; i += 1) {
    const n = worker * 1_000_000 + i;
    try {
      const answer = await call(url, "POST", `/topics/${topicId}/events`, {
        token: agent.tokenA,
        body: { type: "t", payload: { n } },
        headers: { "Idempotency-Key": `k${n}` },
      });
      acknowledged.push({ eventId: textOf(answer.json["event_id"]), seq: textOf(answer.json["sequence_no"]), n });
    } catch {
      return;
    }
  }
}

async function everything(hub: RunningHub, topicId: string, token: string) {
  const events: { eventId: string; seq: string; n: number }[] = [];
  for (let after = "0"; ;) {
    const path = `/topics/${topicId}/events?limit=1000&after_sequence_no=${after}`;
    const items = listOf((await call(hub.url, "GET", path, { token })).json["items"]);
    if (items.length === 0) return events;
    for (const item of items) {
      const n = Number(item["payload"]?.["n"]);
      events.push({ eventId: textOf(item["event_id"]), seq: textOf(item["sequence_no"]), n });
    }
    after = events.at(-1)?.seq ?? "";
  }
}

describe("kill -9 while many publish", () => {
  it("loses nothing acknowledged, stores nothing twice, and goes on numbering", { timeout: 60_000 }, async () => {
    const dataDir = await tempFolder();
    const { topicId, agent } = await withHub(dataDir, async (hub) => {
      const topic = await admin.createTopic(hub.deps, { name: "commands" });
      return { topicId: topic.id, agent: await activate(hub, { read: [topic.id], write: [topic.id] }) };
    });
    const acknowledged: Acknowledged[] = [];
    for (let round = 0; round < 3; round += 1) {
      const { child, url } = await childHub(dataDir);
      const workers = Array.from({ length: 16 }, (_, worker) =>
        publishUntilGone(url, topicId, agent, round * 100 + worker, acknowledged),
      );
      await expect.poll(() => acknowledged.length, { timeout: 15_000 }).toBeGreaterThan(150 * (round + 1));
      child.kill("SIGKILL");
      await once(child, "exit");
      await Promise.all(workers);
    }
    await withHub(dataDir, async (hub) => {
      const stored = await everything(hub, topicId, agent.tokenA);
      const byId = new Map(stored.map((event) => [event.eventId, event]));
      expect(acknowledged.filter((ack) => byId.get(ack.eventId)?.seq !== ack.seq)).toEqual([]);
      expect(acknowledged.filter((ack) => byId.get(ack.eventId)?.n !== ack.n)).toEqual([]);
      expect(new Set(stored.map((event) => event.n)).size).toBe(stored.length);
      expect(stored.map((event) => Number(event.seq))).toEqual(stored.map((_, index) => index + 1));
      // What was sent again after the crash is known by its key.
      const last = acknowledged.at(-1);
      const again = await call(hub.url, "POST", `/topics/${topicId}/events`, {
        token: agent.tokenA,
        body: { type: "t", payload: { n: last?.n } },
        headers: { "Idempotency-Key": `k${last?.n}` },
      });
      expect(again.json["event_id"]).toBe(last?.eventId);
    });
  });
});

describe("a restart", () => {
  it("keeps topics, credentials, tokens, events and numbers", async () => {
    const dataDir = await tempFolder();
    const before = await withHub(dataDir, async (hub) => {
      const topic = await admin.createTopic(hub.deps, { name: "commands" });
      const agent = await activate(hub, { read: [topic.id], write: [topic.id] });
      const path = `/topics/${topic.id}/events`;
      await call(hub.url, "POST", path, { token: agent.tokenA, body: { type: "one" } });
      return { agent, path, adminToken: hub.adminToken };
    });
    await withHub(dataDir, async (hub) => {
      const { agent, path } = before;
      expect(hub.adminToken).toBe(before.adminToken);
      const second = await call(hub.url, "POST", path, { token: agent.tokenA, body: { type: "two" } });
      expect(second.json["sequence_no"]).toBe(2);
      const body = { script_id: agent.scriptId, client_secret: agent.secret };
      expect((await call(hub.url, "POST", "/auth/token", { body })).status).toBe(200);
    });
  });

  it("keeps numbers also when every event was deleted", async () => {
    const dataDir = await tempFolder();
    const bench = await testBench({ dataDir });
    await bench.postA("/batch", { body: { events: [{ type: "a" }, { type: "b" }] } });
    await bench.hub.deps.store.events.sweep(bench.hub.clock.now() + 3_601_000, 1000);
    await bench.hub.close();
    await withHub(dataDir, async (hub) => {
      const answer = await call(hub.url, "POST", bench.eventsA, { token: bench.tokenA, body: { type: "c" } });
      expect(answer.json["sequence_no"]).toBe(3);
      expect(await hub.deps.store.events.bounds(bench.topicId)).toMatchObject({ lastSeq: 3, deletedThroughSeq: 2 });
    });
  });
});

describe("one hub per folder", () => {
  it("refuses a second one in the same process and in another", async () => {
    const dataDir = await tempFolder();
    const { child } = await childHub(dataDir);
    await expect(startHub({ dataDir, port: 0, logLevel: "silent" })).rejects.toMatchObject({
      code: "DATA_FOLDER_IN_USE",
      message: expect.stringContaining(dataDir),
    });
    child.kill("SIGKILL");
    await once(child, "exit");
    await withHub(dataDir, async () => {
      const second = startHub({ dataDir, port: 0, logLevel: "silent" });
      await expect(second).rejects.toMatchObject({ code: "DATA_FOLDER_IN_USE" });
    });
    await withHub(dataDir, async (hub) => {
      expect((await call(hub.url, "GET", "/readyz")).status).toBe(200);
    });
  });

  it("keeps others out also after a second start in the same process was refused", async () => {
    const dataDir = await tempFolder();
    await withHub(dataDir, async () => {
      const second = startHub({ dataDir, port: 0, logLevel: "silent" });
      await expect(second).rejects.toMatchObject({ code: "DATA_FOLDER_IN_USE" });
      expect(await childHubSays(dataDir)).toContain("DATA_FOLDER_IN_USE");
    });
    expect(await childHubSays(dataDir)).toContain('"url"');
    expect((await stat(join(dataDir, "lock.db"))).mode & 0o777).toBe(0o600);
  });
});

describe("a full disk", () => {
  it("answers 507 and stores nothing of it; the hub goes on once there is room", async () => {
    const { log, lines } = logLines();
    const bench = await testBench({ maxDatabasePages: 120, log });
    const payload = "x".repeat(20_000);
    let stored = 0;
    let answer = await bench.publishA("t", payload);
    for (; answer.status === 201; answer = await bench.publishA("t", payload)) stored += 1;
    expect([answer.status, answer.json["error"]?.["code"]]).toEqual([507, "STORAGE_FULL"]);
    expect(answer.headers.get("retry-after")).toBe("10");
    expect(stored).toBeGreaterThan(5);
    expect((await call(bench.hub.url, "GET", "/readyz")).status).toBe(503);
    for (let i = 0; i < 5; i += 1) expect((await bench.publishA("t", payload)).status).toBe(507);
    expect(lines.filter((line) => line.includes("STORAGE_FULL"))).toHaveLength(1);
    // Reading, and the process, go on.
    expect(listOf((await bench.getA("?limit=1")).json["items"])[0]?.["sequence_no"]).toBe(stored);
    expect((await call(bench.hub.url, "GET", "/healthz")).status).toBe(200);

    await bench.hub.deps.store.events.sweep(bench.hub.clock.now() + 3_601_000, 1000);
    expect((await call(bench.hub.url, "GET", "/readyz")).status).toBe(200);
    const next = await bench.publishA("t", payload);
    expect([next.status, next.json["sequence_no"]]).toEqual([201, stored + 1]);
    expect((await call(bench.hub.url, "GET", "/readyz")).status).toBe(200);
  });

  it("fails every publish of the group and uses up no sequence number", async () => {
    const bench = await testBench({ maxDatabasePages: 120 });
    storeTogether(bench.hub.deps.store.events, 3);
    const big = { events: Array.from({ length: 100 }, () => ({ type: "t", payload: "x".repeat(20_000) })) };
    // Each small one would find room by itself, before the big one and after it.
    const answers = await Promise.all([
      bench.publishA("small"),
      bench.postA("/batch", { body: big }),
      bench.publishA("small"),
    ]);
    expect(answers.map((answer) => answer.status)).toEqual([507, 507, 507]);
    expect(listOf((await bench.getA("")).json["items"])).toEqual([]);
    expect((await bench.publishA("small")).json["sequence_no"]).toBe(1);
  });
});
