import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** By the ends of their paths. A long one that starts last is waited for alone. */
const LONGEST = ["e2e/random-kill.test.ts", "e2e/main.test.ts"];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const found = LONGEST.findIndex((end) => moduleId.endsWith(end));
      return found < 0 ? LONGEST.length : found;
    };
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  test: {
    // One more than there are cores: a third of the time a test waits for a disk, a timer or a process of its own.
    maxWorkers: availableParallelism() + 1,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/e2e/**", "test/crash/**"],
          testTimeout: 20_000,
          hookTimeout: 30_000,
        },
      },
      { test: { name: "hub", include: ["hub/test/**/*.test.ts"], testTimeout: 20_000, hookTimeout: 30_000 } },
      {
        test: {
          name: "crash",
          include: ["test/crash/**/*.test.ts"],
          globalSetup: "test/crash/support/bundled-account.ts",
          testTimeout: 300_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "e2e",
          // 1,000, as the random kills have it by themselves, would bring the whole of npm test close to 25 minutes.
          env: { GATEWAY_COMMANDS: process.env["GATEWAY_COMMANDS"] ?? "600" },
          include: ["test/e2e/**/*.test.ts"],
          exclude: ["test/e2e/crash.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 240_000,
          globalSetup: "test/support/packed-plugin.ts",
        },
      },
      {
        test: {
          name: "gateway-crash",
          include: ["test/e2e/crash.test.ts", "test/e2e/random-kill.test.ts"],
          testTimeout: 600_000,
          hookTimeout: 300_000,
          globalSetup: "test/support/packed-plugin.ts",
        },
      },
    ],
  },
});
