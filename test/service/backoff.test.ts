import * as fc from "fast-check";
import { expect, test } from "vitest";
import { AgentruxError } from "../../src/errors.ts";
import { fullJitter, retryDelayMs, slowJitter } from "../../src/service/backoff.ts";
import { hourlyBudget } from "../../src/service/budget.ts";

const limits = { baseMs: 1_000, capMs: 60_000 };
const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test("a wait lies between nothing and its ceiling, which doubles up to the cap", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2_000 }), chance, (attempt, random) => {
      const wait = fullJitter(attempt, limits, () => random);
      expect(wait).toBeGreaterThanOrEqual(0);
      expect(wait).toBeLessThan(Math.min(60_000, 1_000 * 2 ** attempt));
    }),
  );
  expect([0, 1, 2, 6, 7].map((attempt) => fullJitter(attempt, limits, () => 0.5))).toEqual([
    500, 1_000, 2_000, 30_000, 30_000,
  ]);
});

test("the slow wait keeps to the upper half", () => {
  expect([0, 0.5, 0.999].map((random) => slowJitter(60_000, () => random))).toEqual([30_000, 45_000, 59_970]);
});

test("what the service asks for is the least", () => {
  const asked = new AgentruxError("rate_limited", "", { retryAfterMs: 5_000 });
  expect(retryDelayMs(asked, 0, limits, () => 0.5)).toBe(5_000);
  expect(retryDelayMs(asked, 9, limits, () => 0.5)).toBe(30_000);
  expect(retryDelayMs(new Error("other"), 0, limits, () => 0.5)).toBe(500);
});

test("no hour sees more calls than the budget, and the wait it names is the right one", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 600_000 }), { maxLength: 200 }), (pauses) => {
      let now = 0;
      const taken: number[] = [];
      const budget = hourlyBudget(10, () => now);
      for (const pause of pauses) {
        now += pause;
        now += budget.waitMs();
        expect(budget.waitMs()).toBe(0);
        budget.take();
        taken.push(now);
      }
      for (const start of taken) {
        expect(taken.filter((at) => at >= start && at < start + 3_600_000).length).toBeLessThanOrEqual(10);
      }
    }),
  );
});
