/** `kill -9` while many write: what was acknowledged is there, and the state is what the log comes to. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { startHub } from "../../src/server.ts";
import type { RunningHub } from "../../src/server.ts";
import { tempFolder, textOf } from "../support/hub.ts";
import type { Json } from "../support/hub.ts";
import { event, fluxClient } from "./support/world.ts";

async function childHub(
  dataDir: string,
  ...args: string[]
): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const script = join(import.meta.dirname, "../support/child-hub.ts");
  const child = spawn(process.execPath, [script, dataDir, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return { child, url: textOf((JSON.parse(line.toString()) as { url: string }).url) };
}

async function withHub<T>(dataDir: string, work: (hub: RunningHub) => Promise<T>): Promise<T> {
  const hub = await startHub({ dataDir, port: 0, logLevel: "silent" });
  try {
    await hub.deps.world.restored;
    return await work(hub);
  } finally {
    await hub.close();
  }
}

/** Everything there is to know of a world, in order of ids. */
function recordsOf(hub: RunningHub): object[] {
  return hub.deps.world.state
    .records()
    .map(({ older: _older, newer: _newer, ...fields }) => fields)
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

/** Writes until the hub is gone; what was acknowledged, by entity the last number. */
async function writeUntilGone(url: string, worker: number, acknowledged: Map<string, number>): Promise<void> {
  const client = fluxClient(url);
  for (let n = 1; ; n += 1) {
    const id = `w${worker}/e${n % 5}`;
    try {
      const number = worker * 1_000_000 + n;
      if (n % 11 === 0) await client.remove(`w${worker}/gone${n % 3}`);
      else if (n % 7 === 0) {
        await client.batch([
          event(id, { n: number }),
          event(`w${worker}/gone${n % 3}`, { n: number }, { ttlSeconds: 1 }),
        ]);
        acknowledged.set(id, number);
      } else if ((await client.publish(id, { n: number, [`p${n % 4}`]: "x" })).status === 200)
        acknowledged.set(id, number);
    } catch {
      return;
    }
  }
}

describe("kill -9 while many write to the world", () => {
  it("loses nothing acknowledged, and comes back as a replay from zero", { timeout: 60_000 }, async () => {
    const dataDir = await tempFolder();
    for (let round = 1; round <= 3; round += 1) {
      const acknowledged = new Map<string, number>();
      const { child, url } = await childHub(dataDir);
      const writers = Array.from({ length: 8 }, (_, worker) => writeUntilGone(url, round * 10 + worker, acknowledged));
      await expect.poll(() => acknowledged.size, { timeout: 15_000 }).toBe(40);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 300));
      child.kill("SIGKILL");
      await once(child, "exit");
      await Promise.all(writers);
      // The first start after the kill reads the log behind the last snapshot, and leaves a snapshot.
      const restored = await withHub(dataDir, async (hub) => {
        for (const [id, n] of acknowledged) {
          const properties = JSON.parse(hub.deps.world.state.live(id)?.properties ?? "{}") as { n: number };
          // The write that was on its way may have arrived too.
          expect(properties.n).toBeGreaterThanOrEqual(n);
        }
        return recordsOf(hub);
      });
      await rm(join(dataDir, "world"), { recursive: true, force: true });
      const replayed = await withHub(dataDir, async (hub) => recordsOf(hub));
      expect(replayed.length).toBeGreaterThan(40);
      // Entities whose time was over between the two starts are gone from both by events of their own.
      const lasting = (records: object[]) => records.filter((record) => !/gone/.test((record as { id: string }).id));
      expect(lasting(replayed)).toEqual(lasting(restored));
    }
  });
});

const EVENTS = Number(process.env["WORLD_EVENTS"] ?? 100_000);
const KILLS = Number(process.env["WORLD_KILLS"] ?? 10);
const WRITERS = 8;
/** So that some lives end in the middle of a snapshot, and most begin with one. */
const SNAPSHOT_EVERY_MS = "200";
const BATCH = 50;

/** Batches from many writers, over one life of the hub after another. */
class Flood {
  acknowledged = 0;
  readonly refused: string[] = [];
  readonly newest = new Map<string, number>();
  readonly #numbers = new Map<number, number>();

  /** Writes until the hub is gone, or enough is written. */
  async write(url: string, writer: number): Promise<void> {
    const client = fluxClient(url);
    while (this.acknowledged < EVENTS) {
      const first = this.#numbers.get(writer) ?? 0;
      this.#numbers.set(writer, first + BATCH);
      const numbers = Array.from({ length: BATCH }, (_, place) => first + place + 1);
      const idOf = (n: number): string => `w${writer}/e${n % 400}`;
      const answer = await client
        .batch(numbers.map((n) => event(idOf(n), { n, [`p${n}`]: true })))
        .catch(() => undefined);
      if (answer === undefined) return;
      if (JSON.stringify(answer.json.successful) !== String(BATCH)) this.refused.push(JSON.stringify(answer.json));
      for (const n of numbers) this.newest.set(idOf(n), n);
      this.acknowledged += BATCH;
    }
  }
}

describe("kill -9 at moments nobody chose", () => {
  it(
    `${KILLS} times during ${EVENTS} events: nothing lost, and the state of a replay from zero`,
    {
      timeout: 600_000,
    },
    async () => {
      const dataDir = await tempFolder();
      const flood = new Flood();
      let kills = 0;
      while (flood.acknowledged < EVENTS) {
        const { child, url } = await childHub(dataDir, SNAPSHOT_EVERY_MS);
        const writing = Promise.all(Array.from({ length: WRITERS }, (_, writer) => flood.write(url, writer)));
        const goal = Math.min(EVENTS, flood.acknowledged + Math.floor(Math.random() * ((2 * EVENTS) / KILLS)));
        await expect.poll(() => flood.acknowledged >= goal, { timeout: 60_000, interval: 1 }).toBe(true);
        child.kill("SIGKILL");
        kills += 1;
        await once(child, "exit");
        await writing;
      }
      const restored = await withHub(dataDir, async (hub) => {
        for (const [id, n] of flood.newest) {
          const properties = JSON.parse(hub.deps.world.state.live(id)?.properties ?? "{}") as { n: number };
          expect({ id, n: Math.max(properties.n, n) }).toEqual({ id, n: properties.n });
        }
        return recordsOf(hub);
      });
      await rm(join(dataDir, "world"), { recursive: true, force: true });
      expect(await withHub(dataDir, async (hub) => recordsOf(hub))).toEqual(restored);
      process.stdout.write(`world: ${kills} kills, ${flood.acknowledged} events acknowledged\n`);
      expect(flood.refused).toEqual([]);
      expect(kills).toBeGreaterThan(0);
    },
  );
});

describe("snapshots", () => {
  const fill = (hub: RunningHub, count: number) =>
    fluxClient(hub.url).batch(
      Array.from({ length: count }, (_, n) => event(`e/${n % 50}`, { n, ["é\n" + String(n % 3)]: n })),
    );
  const folder = (dataDir: string) => join(dataDir, "world");
  const files = async (dataDir: string) => (await readdir(folder(dataDir))).toSorted();

  it("hold exactly the state, and are given up for an older one, or the log, when they are damaged", async () => {
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

  it("of another database, or of a later one, are not taken", async () => {
    const [one, two] = [await tempFolder(), await tempFolder()];
    await withHub(one, (hub) => fill(hub, 100));
    const [name = ""] = await files(one);
    for (const events of [0, 120]) {
      const expected = await withHub(two, async (hub) => {
        if (events > 0) await fill(hub, events);
        return recordsOf(hub);
      });
      await rm(folder(two), { recursive: true });
      await mkdir(folder(two));
      await writeFile(join(folder(two), name), await readFile(join(folder(one), name)));
      expect(await withHub(two, async (hub) => recordsOf(hub))).toEqual(expected);
    }
  });

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

  it("are kept in the number asked for", async () => {
    const dataDir = await tempFolder();
    const hub = await startHub({ dataDir, port: 0, logLevel: "silent", flux: { snapshotsKept: 2 } });
    for (let n = 0; n < 4; n += 1) {
      await fill(hub, 1);
      await hub.deps.world.snapshot(new AbortController().signal);
    }
    await hub.close();
    expect(await files(dataDir)).toEqual(["snapshot-0000000000000003.world", "snapshot-0000000000000004.world"]);
  });
});
