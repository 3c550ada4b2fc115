/**
 * A real account over a real hub, killed at every step that has to survive it, again and again over the same files, while
 * commands come in. In the end each command has exactly one reply, in order, and nobody else has any.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { diceOf } from "../promises/support/random.ts";
import {
  type Aim,
  AT_WORK,
  GIVING_UP,
  nameOf,
  RECOVERING,
  REPLACING,
  SPILLING,
  STOPPING,
  TURNED_AWAY,
  UNSPILLING,
} from "./support/aims.ts";
import { damageJournal } from "./support/damage.ts";
import { CrashHub } from "./support/hub.ts";
import type { Life } from "./support/life.ts";
import { Site, type SiteOptions } from "./support/site.ts";

/** Kills at each place. */
const RUNS = Number(process.env["CRASH_RUNS"] ?? 5);
const SEED = Number(process.env["CRASH_SEED"] ?? Date.now() % 1_000_000);
/** Over one set of files; then a fresh one is taken. */
const KILLS_PER_SITE = 5;
const TRICKLE = 100;
const TRICKLE_PAUSE_MS = 100;

// A test that waits for its turn is not late.
vi.setConfig({ maxConcurrency: 5, testTimeout: 1_200_000 * Math.ceil(RUNS / KILLS_PER_SITE), hookTimeout: 60_000 });

const dice = diceOf(SEED);
const total = { kills: 0, commands: 0, places: 0 };
let dir: string;
let hub: CrashHub;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "agentrux-crash-hub-"));
  hub = await CrashHub.start(dir);
});

afterAll(async () => {
  await hub.close();
  await rm(dir, { recursive: true, force: true });
  process.stdout.write(
    `crash: ${total.places} places, ${total.kills} kills, ${total.commands} commands, seed ${SEED}; none lost, none doubled unless a test is red\n`,
  );
});

/** Waits for the death, and makes sure that it was the one that was aimed at. */
async function died(life: Life, aim: Aim): Promise<void> {
  await life.reached(nameOf(aim));
  expect(await life.end).toMatchObject({ signal: "SIGKILL", mark: aim.point ?? aim.rename });
  total.kills += 1;
}

function armed(site: Site, aim: Aim): Life {
  return site.start({ ...aim, pass: dice.int(1, aim.passes) });
}

/** What comes in around one kill: some before the account starts, some while it runs, and then a trickle until it dies. */
async function traffic(site: Site, start: () => Life): Promise<Life> {
  await site.ask("flaky", "first");
  await site.ask("plain", "first");
  const life = start();
  for (const conversation of ["second", "third", "first"]) await site.ask("plain", conversation);
  await site.ask("flaky", "third");
  await site.ask("long", "second");
  for (let n = 0; n < TRICKLE && life.running; n += 1) {
    await site.ask("plain", dice.pick(["first", "second", "third"]));
    await sleep(TRICKLE_PAUSE_MS);
  }
  return life;
}

/**
 * Kills by `kill` as often as asked for; afterwards an account that nobody kills has to put everything right.
 *
 * @returns the broken promises
 */
async function survive(
  aim: Aim,
  options: Omit<SiteOptions, "generation">,
  kill: (site: Site) => Promise<void>,
  deadLetters = 0,
): Promise<readonly string[]> {
  const broken: string[] = [];
  total.places += 1;
  for (let left = RUNS; left > 0; left -= KILLS_PER_SITE) {
    const kills = Math.min(left, KILLS_PER_SITE);
    const site = await Site.activated(hub, { generation: aim.generation ?? dice.pick(["a", "b"]), ...options });
    try {
      for (let n = 0; n < kills; n += 1) await kill(site);
      const last = site.start();
      await site.settled();
      expect(await last.health()).toMatchObject({ backlog: 0, unsentReplies: 0, deadLetters: deadLetters * kills });
      last.terminate();
      expect(await last.end).toMatchObject({ code: 0, signal: null });
      broken.push(...(await site.verdict()));
      total.commands += site.asked.length;
    } finally {
      await site.close();
    }
  }
  return broken;
}

describe.concurrent("killed at work", () => {
  it.each(AT_WORK.map((aim) => [nameOf(aim), aim] as const))("%s", async (_name, aim) => {
    const kill = async (site: Site): Promise<void> => died(await traffic(site, () => armed(site, aim)), aim);
    expect(await survive(aim, {}, kill)).toEqual([]);
  });
});

describe.concurrent("killed while giving a command up", () => {
  it.each(GIVING_UP.map((aim) => [nameOf(aim), aim] as const))("%s", async (_name, aim) => {
    // One at a time: a turn that is interrupted by somebody else's kill would count as an attempt.
    const settings = { maxAttempts: 2, maxConcurrency: 1 };
    const kill = async (site: Site): Promise<void> => {
      await site.ask("doomed", "first");
      const life = armed(site, aim);
      await site.ask("plain", "first");
      await died(life, aim);
    };
    expect(await survive(aim, { settings }, kill, 1)).toEqual([]);
  });
});

describe.concurrent("killed while the service takes no replies", () => {
  it.each(TURNED_AWAY.map((aim) => [nameOf(aim), aim] as const))("%s", async (_name, aim) => {
    const kill = async (site: Site): Promise<void> => {
      const outage = site.refuseReplies();
      await died(await traffic(site, () => armed(site, aim)), aim);
      outage.lift();
    };
    expect(await survive(aim, {}, kill)).toEqual([]);
  });
});

describe.concurrent("killed while a reply is spilled", () => {
  it.each(SPILLING.map((aim) => [nameOf(aim), aim] as const))("%s", async (_name, aim) => {
    const kill = async (site: Site): Promise<void> => {
      await site.ask("huge", "first");
      const life = armed(site, aim);
      await site.ask("plain", "first");
      await died(life, aim);
    };
    expect(await survive(aim, {}, kill)).toEqual([]);
  });
});

describe.concurrent("killed while a reply the service takes no object for is cut into parts", () => {
  it.each(UNSPILLING.map((aim) => [nameOf(aim), aim] as const))("%s", async (_name, aim) => {
    const kill = async (site: Site): Promise<void> => {
      const refusal = site.refuseObjects();
      // What a crash leaves of unknown outcome is not cut, and holds up its conversation while the refusal lasts.
      const conversation = `cut ${site.asked.length}`;
      await site.ask("huge", conversation);
      const life = armed(site, aim);
      await site.ask("plain", conversation);
      await died(life, aim);
      refusal.lift();
    };
    expect(await survive(aim, {}, kill)).toEqual([]);
  });
});

describe.concurrent("killed while stopping", () => {
  it.each(STOPPING.map((aim) => [nameOf(aim), aim] as const))("%s", async (_name, aim) => {
    const kill = async (site: Site): Promise<void> => {
      await site.ask("slow", "first");
      await site.ask("plain", "first");
      const life = armed(site, aim);
      await site.ask("plain", "second");
      await life.until("a turn was begun", () => life.turns > 0);
      await life.ready();
      life.terminate();
      await died(life, aim);
    };
    expect(await survive(aim, {}, kill)).toEqual([]);
  });
});

describe.concurrent("killed while a damaged journal is replaced", () => {
  it.each(REPLACING.map((aim) => [nameOf(aim), aim] as const))("%s", async (_name, aim) => {
    const kill = async (site: Site): Promise<void> => {
      const interrupted: Aim = { point: "turn.begun", passes: 3 };
      await died(await traffic(site, () => armed(site, interrupted)), interrupted);
      damageJournal(site.paths.dir);
      const life = armed(site, aim);
      await site.ask("plain", "first");
      await died(life, aim);
    };
    expect(await survive(aim, {}, kill)).toEqual([]);
  });
});

describe.concurrent("killed, and killed again while putting that right", () => {
  it.each(RECOVERING.map((aims) => [nameOf(aims.second), aims] as const))("%s", async (_name, { first, second }) => {
    const kill = async (site: Site): Promise<void> => {
      await died(await traffic(site, () => armed(site, first)), first);
      await died(armed(site, second), second);
    };
    expect(await survive(second, {}, kill)).toEqual([]);
  });
});
