/** Snapshots: what they spare the log to keep, and what a folder and a database that do not fit each other come to. */
import { createHash } from "node:crypto";
import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import { describe, expect, it, onTestFinished } from "vitest";
import { startHub } from "../../src/server.ts";
import type { RunningHub } from "../../src/server.ts";
import { logLines, tempFolder, testHub } from "../support/hub.ts";
import type { Json } from "../support/hub.ts";
import { killed, recordsOf, withHub } from "./support/lives.ts";
import { event, fluxClient } from "./support/world.ts";

const fill = (hub: RunningHub, count: number) =>
  fluxClient(hub.url).batch(
    Array.from({ length: count }, (_, n) => event(`e/${n % 50}`, { n, ["é\n" + String(n % 3)]: n })),
  );
const snapshot = (hub: RunningHub) => hub.deps.world.snapshot(new AbortController().signal);
const folder = (dataDir: string) => join(dataDir, "world");
const files = async (dataDir: string) => (await readdir(folder(dataDir))).toSorted();
const nameOf = (seq: number) => `snapshot-${String(seq).padStart(16, "0")}.world`;
const pathOf = (dataDir: string, seq: number) => join(folder(dataDir), nameOf(seq));
const damage = (dataDir: string, seq: number) => writeFile(pathOf(dataDir, seq), "nothing");
const restored = (dataDir: string) => withHub(dataDir, async (hub) => recordsOf(hub));
/** Events are past their time as soon as they are there. */
const FORGETFUL = { flux: { eventRetentionMs: 1 } };

/** What the log alone comes to. */
async function replayed(dataDir: string): Promise<object[]> {
  const copy = await killed(dataDir);
  await rm(folder(copy), { recursive: true });
  return restored(copy);
}

async function copyOfDatabase(from: string, to: string): Promise<void> {
  const database = new DatabaseSync(join(from, "hub.db"));
  await backup(database, join(to, "hub.db"));
  database.close();
}

/** Writes a snapshot anew with another head. */
async function changeHead(path: string, change: (head: Record<string, unknown>) => object): Promise<void> {
  const [head = "", ...rest] = (await readFile(path, "utf8")).split("\n").slice(0, -2);
  const text = `${[JSON.stringify(change(JSON.parse(head) as Record<string, unknown>)), ...rest].join("\n")}\n`;
  await writeFile(path, `${text}sha256 ${createHash("sha256").update(text).digest("hex")}\n`);
}

/** A folder with ten events in the database and a snapshot at 15, of a history that went on after the database was copied. */
async function abandoned(): Promise<string> {
  const [dataDir, back] = [await tempFolder(), await tempFolder()];
  await withHub(dataDir, async (hub) => {
    await fill(hub, 10);
    await copyOfDatabase(dataDir, back);
    await fluxClient(hub.url).batch(Array.from({ length: 5 }, (_, n) => event(`abandoned/${n}`, { n })));
    await snapshot(hub);
    await cp(folder(dataDir), folder(back), { recursive: true });
  });
  expect(await files(back)).toEqual([nameOf(15)]);
  return back;
}

describe("a snapshot", () => {
  it("holds exactly the state, and is given up for an older one, or the log, when it is damaged", async () => {
    const dataDir = await tempFolder();
    const expected = await withHub(dataDir, async (hub) => {
      await fill(hub, 200);
      await hub.deps.world.snapshot(new AbortController().signal);
      await fill(hub, 70);
      await fluxClient(hub.url).remove("e/3");
      return recordsOf(hub);
    });
    const [older = "", newer = ""] = await files(dataDir);
    expect([older, newer]).toEqual(["snapshot-0000000000000200.world", "snapshot-0000000000000271.world"]);
    const restored = () => withHub(dataDir, async (hub) => recordsOf(hub));
    expect(await restored()).toEqual(expected);
    const whole = await readFile(join(folder(dataDir), newer));
    const damaged = Buffer.from(whole);
    damaged.writeUInt8(damaged.readUInt8(200) ^ 1, 200);
    for (const bytes of [whole.subarray(0, -1), whole.subarray(0, 500), Buffer.alloc(0), damaged]) {
      await writeFile(join(folder(dataDir), newer), bytes);
      expect(await restored()).toEqual(expected);
    }
    await writeFile(join(folder(dataDir), older), "nothing");
    await writeFile(join(folder(dataDir), "snapshot-0000000000000999.world.tmp"), "half");
    expect(await restored()).toEqual(expected);
    expect((await files(dataDir)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  it("is kept until as many newer ones are there as were asked for", async () => {
    const dataDir = await tempFolder();
    const hub = await startHub({ dataDir, port: 0, logLevel: "silent", flux: { snapshotsKept: 2 } });
    for (let n = 0; n < 4; n += 1) {
      await fill(hub, 1);
      await hub.deps.world.snapshot(new AbortController().signal);
    }
    await hub.close();
    expect(await files(dataDir)).toEqual(["snapshot-0000000000000003.world", "snapshot-0000000000000004.world"]);
  });

  it("names its last event; those of earlier versions, which do not, are good all the same", async () => {
    const dataDir = await tempFolder();
    const expected = await withHub(dataDir, async (hub) => {
      await fill(hub, 20);
      return recordsOf(hub);
    });
    // The log is empty after this: the world is in the snapshot only.
    await withHub(dataDir, (hub) => hub.deps.world.drop(), FORGETFUL);
    await changeHead(pathOf(dataDir, 20), ({ eventId, ...head }) => {
      expect(eventId).toMatch(/^[0-9a-f-]{36}$/);
      return head;
    });
    expect(await restored(dataDir)).toEqual(expected);
  });
});

describe("a snapshot that does not fit the database", () => {
  it("of another database is not taken, and is in nobody's way", async () => {
    const [other, dataDir] = [await tempFolder(), await tempFolder()];
    await withHub(other, async (hub) => {
      for (let n = 0; n < 3; n += 1) {
        await fill(hub, 100);
        await snapshot(hub);
      }
    });
    for (const events of [0, 120]) {
      const expected = await withHub(dataDir, async (hub) => {
        if (events > 0) await fill(hub, events);
        return recordsOf(hub);
      });
      await rm(folder(dataDir), { recursive: true });
      await cp(folder(other), folder(dataDir), { recursive: true });
      expect(await restored(dataDir)).toEqual(expected);
    }
    expect(await files(dataDir)).toContain(nameOf(120));
  });

  it("knows events that the database has lost: it goes aside, and what takes their numbers stays", async () => {
    const dataDir = await abandoned();
    const { log, lines } = logLines();
    const hub = await testHub({ dataDir, log });
    expect(lines.join("")).toContain("it knows events that the database does not");
    expect(await files(dataDir)).toEqual([`${nameOf(15)}.aside`]);
    expect(recordsOf(hub)).toEqual(await replayed(dataDir));
    const client = fluxClient(hub.url);
    for (let n = 0; n < 6; n += 1) expect((await client.publish(`new/${n}`, { n })).status).toBe(200);
    const expected = recordsOf(hub);
    expect(hub.deps.world.state.seq).toBe(16);
    const again = await testHub({ dataDir: await killed(dataDir) });
    expect(recordsOf(again)).toEqual(expected);
    expect(await fluxClient(again.url).list("?prefix=abandoned/")).toEqual([]);
    expect(await fluxClient(again.url).list("?prefix=new/")).toHaveLength(6);
  });

  it("is set aside under a name of its own each time", async () => {
    const dataDir = await abandoned();
    const stale = await readFile(pathOf(dataDir, 15));
    for (const name of [`${nameOf(15)}.aside`, `${nameOf(15)}.aside-2`]) {
      await writeFile(pathOf(dataDir, 15), stale);
      await withHub(dataDir, async () => undefined);
      expect(await readFile(join(folder(dataDir), name))).toEqual(stale);
    }
  });

  it("is known by its last event, by id and by instant, when the database has others of these numbers", async () => {
    const dataDir = await abandoned();
    const stale = await readFile(pathOf(dataDir, 15));
    const expected = await withHub(dataDir, async (hub) => {
      await fill(hub, 10);
      await snapshot(hub);
      return recordsOf(hub);
    });
    const own = await readFile(pathOf(dataDir, 20));
    const judged = async () => {
      const { log, lines } = logLines();
      const left = await killed(dataDir);
      await withHub(left, async (hub) => expect(recordsOf(hub)).toEqual(expected), { log });
      return lines.filter((line) => line.includes("its last event is another")).length;
    };
    await writeFile(pathOf(dataDir, 15), stale);
    expect(await judged()).toBe(0);
    await rm(pathOf(dataDir, 20));
    expect(await judged()).toBe(1);
    await rm(pathOf(dataDir, 15));
    for (const change of [{ eventId: "another" }, { at: 1 }]) {
      await writeFile(pathOf(dataDir, 20), own);
      await changeHead(pathOf(dataDir, 20), (head) => ({ ...head, ...change }));
      expect(await judged()).toBe(1);
    }
  });

  it("does not push out those that fit", async () => {
    const dataDir = await abandoned();
    const stale = await readFile(pathOf(dataDir, 15));
    for (const seq of [16, 17]) {
      await writeFile(pathOf(dataDir, seq), stale);
      await changeHead(pathOf(dataDir, seq), (head) => ({ ...head, seq }));
    }
    const hub = await testHub({ dataDir });
    await fill(hub, 1);
    await snapshot(hub);
    expect((await files(dataDir)).filter((name) => name.endsWith(".world"))).toEqual([nameOf(11)]);
  });

  it("stays where it is when the world cannot be restored: it may be the database that is wrong", async () => {
    const dataDir = await tempFolder();
    await withHub(dataDir, (hub) => fill(hub, 5));
    const early = await readFile(pathOf(dataDir, 5));
    await withHub(dataDir, (hub) => fill(hub, 15));
    await rm(pathOf(dataDir, 5));
    await withHub(dataDir, (hub) => hub.deps.world.drop(), FORGETFUL);
    const expected = await restored(dataDir);
    const later = await readFile(pathOf(dataDir, 20));
    await rm(pathOf(dataDir, 20));
    await writeFile(pathOf(dataDir, 5), early);
    const { log, lines } = logLines();
    await withHub(dataDir, async (hub) => expect(hub.deps.world.health().isRestored).toBe(false), { log });
    expect(lines.join("")).toContain("events after it were dropped");
    expect(await files(dataDir)).toEqual([nameOf(5)]);
    await writeFile(pathOf(dataDir, 20), later);
    expect(await restored(dataDir)).toEqual(expected);
  });
});

describe("old events", () => {
  it("let old events go, and keep the state; without them a world that lacks events is not served", async () => {
    const dataDir = await tempFolder();
    const expected = await withHub(dataDir, async (hub) => {
      await fill(hub, 120);
      await fluxClient(hub.url).remove("e/7");
      return recordsOf(hub);
    });
    const world = { eventRetentionMs: 1 };
    const hub = await startHub({ dataDir, port: 0, logLevel: "silent", flux: world });
    await hub.deps.world.drop();
    expect(await hub.deps.store.world.log.after(0, 10)).toEqual([]);
    expect(hub.deps.world.state.record("e/7")).toBeUndefined();
    await fluxClient(hub.url).publish("e/8", { later: true });
    await hub.close();
    await withHub(dataDir, async (again) => {
      const live = (records: object[]) =>
        records.filter((record) => (record as { properties?: string }).properties !== undefined);
      const others = (records: object[]) => live(records).filter((record) => (record as { id: string }).id !== "e/8");
      expect(others(recordsOf(again))).toEqual(others(expected));
      const history = await fluxClient(again.url).history("?entity=e/8");
      expect(history.map(({ payload }) => payload?.["properties"])).toEqual([{ later: true }]);
    });
    await rm(folder(dataDir), { recursive: true });
    const lost = await startHub({ dataDir, port: 0, logLevel: "silent" });
    onTestFinished(() => lost.close());
    await lost.deps.world.restored;
    const ask = async (path: string) => fluxClient(lost.url).call("GET", path);
    expect((await ask("/api/state/entities")).status).toBe(503);
    const ready = await ask("/readyz");
    expect([ready.status, (ready.json as { reason?: Json })["reason"]]).toEqual([
      503,
      expect.stringContaining("snapshot"),
    ]);
    expect((await ask("/healthz")).status).toBe(200);
  });

  it("stay as long as they are in no snapshot, however old they are", async () => {
    const dataDir = await tempFolder();
    const hub = await testHub({ dataDir, ...FORGETFUL });
    await fill(hub, 10);
    hub.clock.advance(1000);
    await hub.deps.world.drop();
    expect(recordsOf(await testHub({ dataDir: await killed(dataDir) }))).toEqual(recordsOf(hub));
    await snapshot(hub);
    await fluxClient(hub.url).batch(Array.from({ length: 5 }, (_, n) => event(`e/${n}`, { later: n })));
    hub.clock.advance(1000);
    await hub.deps.world.drop();
    expect((await hub.deps.store.world.log.after(0, 100)).map(({ seq }) => seq)).toEqual([11, 12, 13, 14, 15]);
    expect(recordsOf(await testHub({ dataDir: await killed(dataDir) }))).toEqual(recordsOf(hub));
  });

  it("stay as long as one kept snapshot needs them", async () => {
    const dataDir = await tempFolder();
    const hub = await testHub({ dataDir, ...FORGETFUL });
    for (let n = 0; n < 3; n += 1) {
      await fill(hub, 10);
      await snapshot(hub);
    }
    hub.clock.advance(1000);
    await hub.deps.world.drop();
    const left = await killed(dataDir);
    for (const seq of [30, 20]) await damage(left, seq);
    expect(await restored(left)).toEqual(recordsOf(hub));
  });

  it("do not go on the word of a snapshot that is damaged", async () => {
    const dataDir = await tempFolder();
    await withHub(dataDir, async (hub) => {
      await fill(hub, 10);
      await snapshot(hub);
      await fill(hub, 10);
    });
    for (const [damaged, droppedThrough] of [
      [[10, 20], 0],
      [[20], 10],
      [[10], 20],
    ] as const) {
      const copy = await killed(dataDir);
      for (const seq of damaged) await damage(copy, seq);
      const hub = await testHub({ dataDir: copy, ...FORGETFUL });
      await fill(hub, 5);
      hub.clock.advance(1000);
      await hub.deps.world.drop();
      expect((await hub.deps.store.world.log.bounds()).droppedThrough).toBe(droppedThrough);
      expect(recordsOf(await testHub({ dataDir: await killed(copy) }))).toEqual(recordsOf(hub));
    }
  });
});

describe("a backup of a hub that runs", () => {
  /** Something happens between any two steps. */
  async function backedUp(steps: readonly ("world" | "database")[]): Promise<readonly [string, readonly object[]]> {
    const [dataDir, copy] = [await tempFolder(), await tempFolder()];
    let atCopy: readonly object[] = [];
    await withHub(dataDir, async (hub) => {
      await fill(hub, 30);
      await snapshot(hub);
      for (const step of steps) {
        await fill(hub, 7);
        if (step === "world") await cp(folder(dataDir), folder(copy), { recursive: true });
        else {
          await copyOfDatabase(dataDir, copy);
          atCopy = recordsOf(hub);
        }
        await fluxClient(hub.url).publish("e/3", { step });
        await snapshot(hub);
      }
    });
    return [copy, atCopy];
  }

  it.each([[["world", "database"] as const], [["database", "world"] as const]])(
    "taken in the order %j brings back the world of the moment at which the database was copied",
    async (steps) => {
      const [copy, expected] = await backedUp(steps);
      expect(await restored(copy)).toEqual(expected);
      await withHub(copy, (hub) => fill(hub, 20));
      expect(await restored(copy)).toEqual(await replayed(copy));
    },
  );
});
