/** How long staged files stay. */

import { mkdirSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createSweep, STAGED_FOR_MS, STAGED_PREFIX } from "../../src/attachments/staging.ts";
import { folder } from "./support.ts";

const NOW = Date.UTC(2026, 0, 2);

function put(dir: string, name: string, ageMs: number, bytes = 10): void {
  const path = join(dir, name);
  writeFileSync(path, Buffer.alloc(bytes));
  utimesSync(path, new Date(NOW - ageMs), new Date(NOW - ageMs));
}

it("removes what has expired, of ours only, and counts the rest", async () => {
  const dir = folder();
  put(dir, `${STAGED_PREFIX}old.png`, STAGED_FOR_MS + 1_000);
  put(dir, `${STAGED_PREFIX}new.png`, STAGED_FOR_MS - 1_000, 7);
  put(dir, "telegram.png", STAGED_FOR_MS * 30);
  mkdirSync(join(dir, `${STAGED_PREFIX}folder`));
  symlinkSync(join(dir, "telegram.png"), join(dir, `${STAGED_PREFIX}link`));
  expect(await createSweep(dir, () => NOW)()).toBe(7);
  expect(readdirSync(dir).toSorted()).toEqual(
    [`${STAGED_PREFIX}folder`, `${STAGED_PREFIX}link`, `${STAGED_PREFIX}new.png`, "telegram.png"].toSorted(),
  );
});

it("looks again after a minute, also when the clock was set back", async () => {
  const dir = folder();
  let now = NOW;
  const sweep = createSweep(dir, () => now);
  expect(await sweep()).toBe(0);
  put(dir, `${STAGED_PREFIX}a`, 0);
  expect(await sweep()).toBe(0);
  now -= 3_600_000;
  expect(await sweep()).toBe(10);
});

it("is content without a folder", async () => {
  expect(await createSweep(join(folder(), "none"), () => NOW)()).toBe(0);
});
