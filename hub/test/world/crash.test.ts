/** `kill -9` while many write: what was acknowledged is there, and the state is what the log comes to. */
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { childHub } from "../support/child.ts";
import { tempFolder } from "../support/hub.ts";
import { recordsOf, withHub } from "./support/lives.ts";
import { event, fluxClient } from "./support/world.ts";

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
        const { child, url } = await childHub(dataDir, [SNAPSHOT_EVERY_MS]);
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
