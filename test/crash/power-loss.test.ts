/**
 * What stands in for a power cut: an account is killed, and its write-ahead log is cut or torn at a random byte. Two
 * things hold, and which one depends on where the cut lies.
 *
 *   behind the last commit   (a disk that keeps what it was told to flush) Nothing that was reported is missing: the read
 *                            position on disk is never past an event that is not in the journal, nothing is on the
 *                            result topic that the journal does not know as answered, and work goes on with nothing
 *                            lost and nothing doubled.
 *   before it                (a disk that lied about a flush) The journal is sound and as it was at some earlier
 *                            moment. Where the service recognises repeated keys (generation B) nothing is doubled; what
 *                            is lost is exactly what was taken over after that moment and not yet answered, because
 *                            the read position is past it.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { seenKey } from "../../src/journal/seen.ts";
import { diceOf, type Dice } from "../promises/support/random.ts";
import { terminalReplies, violations } from "../support/checker.ts";
import { CrashHub } from "./support/hub.ts";
import { contentsOf, contradictions, copyJournal, cutWal, known, walOf } from "./support/image.ts";
import { type Generation, Site } from "./support/site.ts";
import { commitEnds } from "./support/wal.ts";

/** Power cuts in each generation. */
const CUTS = Number(process.env["POWER_CUTS"] ?? 6);
/** Different ends of the log looked at after each. */
const TAILS = 8;
const COMMANDS_PER_CUT = 60;
const CONVERSATIONS = 8;
const SEED = Number(process.env["CRASH_SEED"] ?? Date.now() % 1_000_000);
/** Below the size at which the log is copied into the file. */
const NEVER_CHECKPOINTED_BYTES = 16 * 1024 * 1024;

vi.setConfig({ testTimeout: 240_000 + CUTS * 20_000 });

let dir: string;
let hub: CrashHub;
let site: Site | undefined;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "agentrux-crash-hub-"));
  hub = await CrashHub.start(dir);
});

afterEach(async () => {
  await site?.close();
  site = undefined;
  await hub.close();
  await rm(dir, { recursive: true, force: true });
});

/** Lets the account work for a while on new commands, and kills it. */
async function workThenDie(at: Site, dice: Dice): Promise<void> {
  const life = at.start();
  const publishing = (async (): Promise<void> => {
    for (let n = 0; n < COMMANDS_PER_CUT; n += 1) {
      await at.ask(dice.chance(0.2) ? "slow" : "plain", `c${dice.int(1, CONVERSATIONS)}`);
      await sleep(dice.int(0, 40));
    }
  })();
  await life.until("a turn was begun", () => life.turns > 0);
  await sleep(dice.int(0, 800));
  life.kill();
  expect(await life.end).toMatchObject({ signal: "SIGKILL" });
  await publishing;
}

/** The end of the last transaction in the log of a dead account. */
function lastCommit(folder: string): number {
  return commitEnds(readFileSync(walOf(folder))).at(-1) ?? 0;
}

/** A log that ends somewhere behind the last commit, or goes on with what a torn write leaves. */
function tearTail(folder: string, dice: Dice): void {
  const { size } = statSync(walOf(folder));
  cutWal(folder, dice.int(lastCommit(folder), size), dice.chance(0.5) ? dice.int(1, 20_000) : 0);
}

/** What a power cut takes besides: memory shared between processes, and locks. */
function forgetMemory(folder: string): void {
  for (const name of ["journal.sqlite-shm", "journal.owner"]) rmSync(join(folder, name), { force: true });
}

describe.each<Generation>(["a", "b"])(
  "a power cut, on a disk that keeps what it flushed, generation %s",
  (generation) => {
    it("takes nothing that was reported, and nothing is lost or doubled afterwards", async () => {
      const dice = diceOf(SEED + (generation === "a" ? 0 : 1));
      site = await Site.activated(hub, { generation });
      const image = join(dir, "image");
      for (let cut = 0; cut < CUTS; cut += 1) {
        await workThenDie(site, dice);
        const outside = await known(site);
        for (let tail = 0; tail < TAILS; tail += 1) {
          copyJournal(site.paths.dir, image);
          tearTail(image, dice);
          expect(contradictions(contentsOf(image), outside)).toEqual([]);
        }
        tearTail(site.paths.dir, dice);
        forgetMemory(site.paths.dir);
      }
      site.start();
      await site.settled();
      expect(await site.verdict()).toEqual([]);
      process.stdout.write(
        `power cuts, generation ${generation}: ${CUTS}, each with ${TAILS} tails; ${site.asked.length} commands, seed ${SEED}\n`,
      );
    });
  },
);

describe("a power cut, on a disk that lied", () => {
  it("leaves a sound journal of an earlier moment, wherever the log is cut", async () => {
    const dice = diceOf(SEED + 2);
    site = await Site.activated(hub, { generation: "b" });
    await workThenDie(site, dice);
    const end = lastCommit(site.paths.dir);
    expect(end).toBeLessThan(NEVER_CHECKPOINTED_BYTES);
    const cuts = Array.from({ length: CUTS * TAILS }, () => dice.int(0, end)).toSorted((a, b) => a - b);
    const image = join(dir, "image");
    let before = 0;
    for (const cut of cuts) {
      copyJournal(site.paths.dir, image);
      cutWal(image, cut);
      const { integrity, seen } = contentsOf(image);
      expect(integrity).toBe("ok");
      expect(seen.size).toBeGreaterThanOrEqual(before);
      before = seen.size;
    }
    // Not vacuous: the cuts lay across the whole time of work.
    expect(before).toBeGreaterThan(0);
  });

  it("doubles nothing, and loses exactly what was taken over after that moment and not answered", async () => {
    const dice = diceOf(SEED + 3);
    let lost = 0;
    for (let cut = 0; cut < CUTS; cut += 1) {
      await site?.close();
      site = await Site.activated(hub, { generation: "b" });
      await workThenDie(site, dice);
      const end = lastCommit(site.paths.dir);
      cutWal(site.paths.dir, dice.int(Math.floor(end / 2), end));
      forgetMemory(site.paths.dir);
      const { passed, answered } = await known(site);
      const image = join(dir, "image");
      copyJournal(site.paths.dir, image);
      const { seen } = contentsOf(image);
      const done = new Set(answered.map(({ requestId }) => requestId));
      const forgotten = passed.filter(
        ({ commandId, requestId }) => !seen.has(seenKey(commandId)) && !done.has(requestId),
      );
      const gone = new Set(forgotten.map(({ requestId }) => requestId));
      lost += gone.size;
      const kept = site.asked.filter(({ requestId }) => !gone.has(requestId));
      site.start();
      await site.settled(kept.length);
      const replies = await site.replies();
      expect(violations(kept, replies)).toEqual([]);
      expect(terminalReplies(replies)).toHaveLength(kept.length);
    }
    process.stdout.write(`a disk that lied: ${CUTS} cuts, ${lost} commands lost, none doubled, seed ${SEED}\n`);
  });
});
