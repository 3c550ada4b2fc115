/**
 * An account and its hub killed at moments nobody chose, while commands come in. KILLS and COMMANDS make it longer; the
 * seed is printed, and CRASH_SEED takes it (what is killed when then is the same, what it meets is up to the machine).
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { diceOf, type Dice } from "../promises/support/random.ts";
import { CrashHub } from "./support/hub.ts";
import { type Generation, Site } from "./support/site.ts";

/** For both generations together. */
const KILLS = Number(process.env["KILLS"] ?? 20);
const COMMANDS = Number(process.env["COMMANDS"] ?? 50 * KILLS);
const SEED = Number(process.env["CRASH_SEED"] ?? Date.now() % 1_000_000);
const CONVERSATIONS = 25;
const SETTINGS = { maxAttempts: 6, maxConcurrency: 8 };
/** One kill in so many is the hub's. */
const HUB_SHARE = 4;

vi.setConfig({ testTimeout: 300_000 + KILLS * 10_000 });

let dir: string;
let hub: CrashHub;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "agentrux-crash-hub-"));
  hub = await CrashHub.start(dir);
});

afterEach(async () => {
  await hub.close();
  await rm(dir, { recursive: true, force: true });
});

function messageOf(dice: Dice): string {
  const roll = dice.next();
  if (roll < 0.05) return "flaky";
  if (roll < 0.07) return "doomed";
  if (roll < 0.08) return "long";
  return roll < 0.1 ? "slow" : "plain";
}

async function publish(site: Site, count: number, dice: Dice): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    await site.ask(messageOf(dice), `c${dice.int(1, CONVERSATIONS)}`);
    await sleep(dice.int(0, 20));
  }
}

/** Kills the account, or now and then the hub, after a while. */
async function kill(site: Site, dice: Dice, n: number): Promise<"account" | "hub"> {
  await sleep(dice.int(50, 1_500));
  if (n % HUB_SHARE === HUB_SHARE - 1) {
    await hub.killAndRestart();
    return "hub";
  }
  await killAccount(site);
  return "account";
}

async function killAccount(site: Site): Promise<void> {
  const life = site.lives.at(-1);
  life?.kill();
  expect(await life?.end).toMatchObject({ signal: "SIGKILL" });
  site.start();
}

/** The commands of which a kill has met a turn; those that fail by order run more than once anyway. */
async function interrupted(site: Site): Promise<number> {
  const runs = Map.groupBy(await site.turns(), ({ requestId }) => requestId);
  const once = site.asked.filter(({ message }) => !/^(flaky|doomed)/.test(message));
  return once.filter(({ requestId }) => (runs.get(requestId)?.length ?? 0) > 1).length;
}

/** One kill more, while a turn is seen running. */
async function killATurn(site: Site): Promise<void> {
  await site.ask("slow", "aimed");
  const requestId = site.asked.at(-1)?.requestId;
  await vi.waitUntil(async () => (await site.turns()).some((turn) => turn.requestId === requestId), {
    timeout: 60_000,
    interval: 10,
  });
  await killAccount(site);
}

describe.each<Generation>(["a", "b"])("in generation %s", (generation) => {
  it(`loses nothing and doubles nothing in ${KILLS / 2} kills`, async () => {
    const dice = diceOf(SEED + (generation === "a" ? 0 : 1));
    const site = await Site.activated(hub, { generation, settings: SETTINGS });
    try {
      site.start();
      const kills = { account: 0, hub: 0 };
      for (let n = 0; n < KILLS / 2; n += 1) {
        const publishing = publish(site, Math.ceil(COMMANDS / KILLS), dice);
        kills[await kill(site, dice, n)] += 1;
        await publishing;
      }
      await site.settled();
      // Moments nobody chose may all have fallen between turns, and would have shown little.
      while ((await interrupted(site)) === 0) {
        await killATurn(site);
        kills.account += 1;
        await site.settled();
      }
      const broken = await site.verdict();
      process.stdout.write(
        `random kills, generation ${generation}: ${kills.account} of the account, ${kills.hub} of the hub, ` +
          `${site.asked.length} commands, ${await interrupted(site)} interrupted, ${broken.length} broken promises, seed ${SEED}\n`,
      );
      expect(broken).toEqual([]);
    } finally {
      await site.close();
    }
  });
});
