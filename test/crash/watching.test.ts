/**
 * An account killed at every step at which a watch tells of a change, again and again over the same files, while the world
 * changes. In the end every change was told in one turn: each begins where the one before it ended.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { createFluxClient, type FluxClient } from "../../src/flux/client.ts";
import { diceOf } from "../promises/support/random.ts";
import { nameOf, WATCHING } from "./support/aims.ts";
import { CrashHub } from "./support/hub.ts";
import type { Life } from "./support/life.ts";
import { Site } from "./support/site.ts";

const RUNS = Number(process.env["CRASH_RUNS"] ?? 5);
const SEED = Number(process.env["CRASH_SEED"] ?? Date.now() % 1_000_000);
const WRITES = 200;
const PAUSE_MS = 60;
const PATIENCE_MS = 60_000;

vi.setConfig({ maxConcurrency: 2, testTimeout: 240_000 * Math.ceil(RUNS / 5), hookTimeout: 60_000 });

const dice = diceOf(SEED);
let dir: string;
let hub: CrashHub;
let client: FluxClient;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "agentrux-crash-hub-"));
  hub = await CrashHub.start(dir);
  client = createFluxClient({ url: hub.url });
});

afterAll(async () => {
  await client.close();
  await hub.close();
  await rm(dir, { recursive: true, force: true });
});

interface Told {
  readonly entity: string;
  readonly before?: { readonly t: number };
  readonly after?: { readonly t: number };
}

/** A part of the world of its own, which others change. */
class Lab {
  readonly prefix: string;
  readonly values = new Map<string, number>();
  #last = 0;

  constructor(name: string) {
    this.prefix = `${name}/`;
  }

  async change(): Promise<void> {
    const entity = `${this.prefix}${dice.pick(["a", "b", "c"])}`;
    const signal = AbortSignal.timeout(PATIENCE_MS);
    if (dice.next() < 0.15 && this.values.has(entity)) {
      await client.delete(entity, signal);
      this.values.delete(entity);
      return;
    }
    this.#last += 1;
    const payload = { entity_id: entity, properties: { t: this.#last } };
    await client.publish({ stream: "s", source: "t", timestamp: Date.now(), payload }, signal);
    this.values.set(entity, this.#last);
  }
}

/** What was told, each turn once however often it was attempted. */
async function told(site: Site): Promise<readonly Told[]> {
  const turns = new Map((await site.turns()).map((turn) => [turn.requestId, turn.told ?? ""]));
  return [...turns.values()].flatMap((text) => text.split("\n").map((line) => JSON.parse(line) as Told));
}

/** Every way in which the chain of what was told is broken, `initial` being known without having been told. */
function breaks(all: readonly Told[], initial: ReadonlyMap<string, number>, lab: Lab): readonly string[] {
  const known = new Map(initial);
  const broken = all.flatMap(({ entity, before, after }) => {
    const was = known.get(entity);
    if (after === undefined) known.delete(entity);
    else known.set(entity, after.t);
    return before?.t === was ? [] : [`${entity}: told ${before?.t} -> ${after?.t}, known was ${was}`];
  });
  const end = [...new Set([...known.keys(), ...lab.values.keys()])].filter(
    (id) => known.get(id) !== lab.values.get(id),
  );
  return [...broken, ...end.map((id) => `${id}: is ${lab.values.get(id)}, told was ${known.get(id)}`)];
}

async function watching(life: Life): Promise<void> {
  for (const end = performance.now() + PATIENCE_MS; performance.now() < end; await sleep(20)) {
    const health = await life.health();
    if (health?.["watchesConnected"] === true && health["watchesStarting"] === undefined) return;
  }
  throw new Error("the account does not watch");
}

describe.concurrent("killed while a watch tells", () => {
  it.each(WATCHING.map((aim) => [nameOf(aim), aim] as const))("%s", async (name, aim) => {
    const lab = new Lab(`lab-${name.replaceAll(/[^a-z]+/gi, "-").toLowerCase()}`);
    const watch = { id: "lab", prefix: lab.prefix, debounceMs: 0, cooldownSeconds: 0, turnsPerHour: 3_600 };
    const settings = { flux: { url: hub.url, watch: [watch] } };
    const site = await Site.activated(hub, { generation: "b", settings });
    try {
      for (let n = 0; n < 3; n += 1) await lab.change();
      const initial = new Map(lab.values);
      const first = site.start();
      await watching(first);
      await lab.change();
      await first.until("a first turn", () => first.turns > 0);
      first.kill();
      await first.end;
      for (let kills = 0; kills < RUNS; kills += 1) {
        const life = site.start({ ...aim, pass: dice.int(1, aim.passes) });
        for (let n = 0; n < WRITES && life.running; n += 1) {
          await lab.change();
          await sleep(PAUSE_MS);
        }
        await life.reached(name);
        expect(await life.end).toMatchObject({ signal: "SIGKILL", mark: aim.point });
      }
      const last = site.start();
      await watching(last);
      for (const end = performance.now() + PATIENCE_MS; performance.now() < end; await sleep(50)) {
        // In this order: what is told last has to have ended, too.
        const isTold = breaks(await told(site), initial, lab).length === 0;
        if (isTold && (await last.health())?.["backlog"] === 0) break;
      }
      expect(breaks(await told(site), initial, lab)).toEqual([]);
      expect(await last.health()).toMatchObject({ backlog: 0, watchedChangesHeld: 0, deadLetters: 0 });
      last.terminate();
      expect(await last.end).toMatchObject({ code: 0, signal: null });
      expect(await site.replies()).toEqual([]);
    } finally {
      await site.close();
    }
  });
});
