/**
 * The plugin in a real OpenClaw gateway that is killed, with its hub, at moments nobody chose while commands flow.
 * GATEWAY_KILLS and GATEWAY_COMMANDS make it longer; the seed is printed, and CRASH_SEED takes it (what is killed when
 * then is the same, what it meets is up to the machine).
 */

import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { diceOf, type Dice } from "../promises/support/random.ts";
import { CrashScene } from "../support/crash-scene.ts";
import { showLogOfFailed } from "../support/gateway.ts";

const KILLS = Number(process.env["GATEWAY_KILLS"] ?? 20);
/** An agent's turn takes the host some 0.4 s: more than this in a long run would be mostly waiting for them. */
const COMMANDS = Number(process.env["GATEWAY_COMMANDS"] ?? Math.max(1_000, 10 * KILLS));
const COMMANDS_PER_KILL = Math.ceil(COMMANDS / KILLS);
const SEED = Number(process.env["CRASH_SEED"] ?? Date.now() % 1_000_000);
const CONVERSATIONS = 25;
/** One kill in so many is the gateway's, the last one too; the others are the hub's. */
const GATEWAY_SHARE = 3;

vi.setConfig({ testTimeout: 600_000 + KILLS * 60_000, hookTimeout: 480_000 });

let scene: CrashScene;

showLogOfFailed(() => scene?.gateway);

beforeAll(async () => {
  scene = await CrashScene.create({ maxAttempts: 20, maxConcurrency: 8, startFrom: "earliest" });
});

afterAll(() => scene?.close());

async function publish(dice: Dice, count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    const slow = dice.chance(0.1) ? "SLOW:700 " : "";
    await scene.ask(`${slow}command ${scene.asked.length}`, `random ${dice.int(1, CONVERSATIONS)}`);
  }
}

/** Waits until some more are answered: a kill that meets no work shows nothing. Whether there were any in time. */
async function someWork(dice: Dice): Promise<boolean> {
  const until = (await scene.answered()) + dice.int(1, Math.min(40, COMMANDS_PER_KILL));
  const most = AbortSignal.timeout(15_000);
  while (!most.aborted && (await scene.answered()) < until) await sleep(dice.int(1, 200));
  await sleep(dice.int(0, 300));
  return !most.aborted;
}

it(`loses nothing and doubles nothing in ${KILLS} kills`, async () => {
  const dice = diceOf(SEED);
  // A clean end lets Node keep what it has compiled, which makes the starts after it shorter.
  await scene.gateway.stop();
  await scene.crash.start();
  const kills = { gateway: 0, hub: 0, atWork: 0 };
  for (let n = 0; n < KILLS; n += 1) {
    const publishing = publish(dice, COMMANDS_PER_KILL);
    if (await someWork(dice)) kills.atWork += 1;
    if (n % GATEWAY_SHARE === 0 || n === KILLS - 1) {
      await scene.gateway.kill();
      await scene.crash.start();
      kills.gateway += 1;
    } else {
      await scene.killHub();
      await scene.startHub();
      kills.hub += 1;
    }
    await publishing;
  }
  await scene.allAnswered();
  const broken = await scene.verdict();
  process.stdout.write(
    `gateway: ${kills.gateway} random kills, ${kills.hub} of the hub, ${kills.atWork} at work, ${scene.asked.length} commands, ` +
      `${broken.length} broken promises, seed ${SEED}\n`,
  );
  expect(broken).toEqual([]);
  expect(kills.atWork).toBeGreaterThan(0);
});
