import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    // Vitest would leave a core free, which on a machine of two is half of it.
    maxWorkers: "100%",
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
          include: ["test/e2e/crash.test.ts"],
          testTimeout: 600_000,
          hookTimeout: 300_000,
          globalSetup: "test/support/packed-plugin.ts",
        },
      },
    ],
  },
});
