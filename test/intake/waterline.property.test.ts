import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Simulation } from "./simulation.ts";

const RUNS = 2_500;

const plan = fc.record({
  seed: fc.integer({ min: 0, max: 0xffff_ffff }),
  generation: fc.constantFrom("a" as const, "b" as const),
  start: fc.constantFrom("saved" as const, "earliest" as const, "latest" as const),
  lives: fc.array(fc.integer({ min: 1, max: 80 }), { minLength: 1, maxLength: 5 }),
});

describe("over crashes, failures, repeats, gaps, retention and any interleaving", () => {
  it("what is stored is never ahead of an event not taken, and in the end all are", { timeout: 60_000 }, async () => {
    const lives = fc.asyncProperty(plan, async (drawn) => {
      await new Simulation(drawn).run();
    });
    await expect(fc.assert(lives, { numRuns: RUNS })).resolves.toBeUndefined();
  });
});
