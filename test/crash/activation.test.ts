/**
 * Killed on the way from a code to credentials. The code is sent at most once by itself, and whatever was going on is
 * told at the next start:
 *
 *   before it was sent      the file stays in flight; put back by a person as the log says, it is redeemed
 *   between being sent and  the secret is lost with the process; put back, the code is refused and set aside with a note
 *   the credentials on disk that it was possibly used up, and a new code is needed
 *   afterwards              the next start works
 */

import { mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { FailpointName } from "../../src/failpoint.ts";
import { type Aim, ACTIVATING, nameOf } from "./support/aims.ts";
import { CrashHub } from "./support/hub.ts";
import type { Life } from "./support/life.ts";
import { type Generation, Site } from "./support/site.ts";

const RUNS = Number(process.env["CRASH_RUNS"] ?? 5);
const GENERATIONS: readonly Generation[] = ["a", "b"];

vi.setConfig({ testTimeout: 120_000 * RUNS, hookTimeout: 60_000 });

let dir: string;
let hub: CrashHub;
let site: Site | undefined;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "agentrux-crash-hub-"));
  hub = await CrashHub.start(dir);
});

afterEach(async () => {
  await site?.close();
  site = undefined;
});

afterAll(async () => {
  await hub.close();
  await rm(dir, { recursive: true, force: true });
});

const named = (aims: readonly Aim[]) => aims.map((aim) => [nameOf(aim), aim] as const);

/** How often a code was sent to the hub. */
function calls({ proxy }: Site): number {
  return proxy.seen.filter(({ path }) => path.endsWith("/activate") || path.endsWith("/redeem-activation-code")).length;
}

/** A fresh place for each run, with a code in it. */
async function place(run: number, code?: string): Promise<Site> {
  await site?.close();
  const generation = GENERATIONS[run % GENERATIONS.length] ?? "a";
  site = await Site.create(hub, { generation });
  await site.dropCode(code ?? (await hub.code(site.agentScript, generation)));
  return site;
}

async function died(life: Life, aim: Aim): Promise<FailpointName | undefined> {
  await life.reached(nameOf(aim));
  expect(await life.end).toMatchObject({ signal: "SIGKILL", mark: aim.point });
  return aim.point;
}

async function filesLike({ paths }: Site, pattern: RegExp): Promise<readonly string[]> {
  return (await readdir(paths.dir)).filter((name) => pattern.test(name)).map((name) => join(paths.dir, name));
}

/** What the log tells a person to do with a file left in flight. */
async function putBack(at: Site): Promise<void> {
  const [orphan = ""] = await filesLike(at, /^BOOTSTRAP\.md\.inflight/);
  expect(await at.log()).toContain(`try it again with: mv ${orphan} ${at.paths.bootstrap}`);
  await rename(orphan, at.paths.bootstrap);
}

async function newCode(at: Site, life: Life): Promise<void> {
  await at.dropCode(await hub.code(at.agentScript, "a"));
  await life.ready();
}

async function answers(at: Site): Promise<void> {
  await at.ask("plain", "afterwards");
  await at.settled();
  expect(await at.verdict()).toEqual([]);
}

describe("killed before the code was sent", () => {
  it.each(named(ACTIVATING.unsent))("%s: a person puts it back, and it is redeemed", async (_name, aim) => {
    for (let run = 0; run < RUNS; run += 1) {
      const at = await place(run);
      await died(at.start({ ...aim, pass: 1 }), aim);
      const next = at.start();
      await next.until("it says what is missing", () => next.state?.kind === "blocked");
      expect(calls(at)).toBe(0);
      await putBack(at);
      await next.ready();
      expect(calls(at)).toBe(1);
      await answers(at);
    }
  });
});

/** The secret is gone; nothing of that is silent. */
async function usedUp(at: Site): Promise<void> {
  const next = at.start();
  await next.until("it says what is missing", () => next.state?.kind === "blocked");
  // Not sent again by itself.
  expect(calls(at)).toBe(1);
  await putBack(at);
  await next.until("the code was refused", () => JSON.stringify(next.state).includes("rejected"));
  const [note = ""] = await filesLike(at, /^BOOTSTRAP\.md\.failed-.*\.json$/);
  expect(await readFile(note, "utf8")).toContain("possibly already consumed");
  await newCode(at, next);
  await answers(at);
}

describe("killed after the code was sent, before its secret was on disk", () => {
  it.each(named(ACTIVATING.spent))("%s: put back it is known as possibly used up", async (_name, aim) => {
    for (let run = 0; run < RUNS; run += 1) {
      const at = await place(run);
      await died(at.start({ ...aim, pass: 1 }), aim);
      expect(calls(at)).toBe(1);
      await usedUp(at);
    }
  });

  it("while the answer is on its way: put back it is known as possibly used up", async () => {
    for (let run = 0; run < RUNS; run += 1) {
      const at = await place(run);
      const code = (await readFile(at.paths.bootstrap, "utf8")).trim();
      const slow = at.proxy.harm(({ method }) => method === "POST", { kind: "trickle", everyMs: 1_000 }, 1);
      const life = at.start();
      await vi.waitUntil(() => slow.hits.length > 0, { timeout: 60_000 });
      life.kill();
      expect(await life.end).toMatchObject({ signal: "SIGKILL" });
      // Should the kill have come before the hub had it all, the code is used up now.
      await hub.redeem(code);
      await usedUp(at);
    }
  });
});

describe("killed when the credentials were on disk", () => {
  it.each(named(ACTIVATING.stored))("%s: the next start works", async (_name, aim) => {
    for (let run = 0; run < RUNS; run += 1) {
      const at = await place(run);
      await died(at.start({ ...aim, pass: 1 }), aim);
      await at.start().ready();
      expect(calls(at)).toBe(1);
      await answers(at);
    }
  });
});

describe("killed while a code that could not be sent was put back", () => {
  it.each(named(ACTIVATING.returned))("%s: the next start redeems it", async (_name, aim) => {
    for (let run = 0; run < RUNS; run += 1) {
      const at = await place(run);
      const outage = at.proxy.harm(() => true, { kind: "refuse" });
      await died(at.start({ ...aim, pass: 1 }), aim);
      outage.lift();
      await at.start().ready();
      expect(await filesLike(at, /^BOOTSTRAP\.md/)).toEqual([]);
      await answers(at);
    }
  });
});

describe("killed while a refused code was set aside", () => {
  it.each(named(ACTIVATING.refused))("%s: it is kept, and a new one is taken", async (_name, aim) => {
    for (let run = 0; run < RUNS; run += 1) {
      const at = await place(run, `ac_${"x".repeat(43)}`);
      await died(at.start({ ...aim, pass: 1 }), aim);
      const next = at.start();
      await next.until("it says what is missing", () => next.state?.kind === "blocked");
      expect(await filesLike(at, /^BOOTSTRAP\.md\.failed-[\d-]+$/)).toHaveLength(1);
      await newCode(at, next);
      await answers(at);
    }
  });
});
