/**
 * Everything about the repository that can be judged without running it: types, lint (with the direction of
 * dependencies), format, unused code, and what would be published.
 */

import { spawnSync } from "node:child_process";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "..");

const steps = ["check:types", "check:lint", "check:format", "check:unused", "build", "check:package"] as const;

const failed: string[] = [];
for (const step of steps) {
  const started = performance.now();
  const done = spawnSync("npm", ["run", "--silent", step], { cwd: root, encoding: "utf8", timeout: 300_000 });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const ok = done.status === 0;
  console.log(`${ok ? "ok  " : "FAIL"}  ${step}  ${seconds} s`);
  if (!ok) {
    failed.push(step);
    console.log(`${done.stdout}${done.stderr}${done.error ? String(done.error) : ""}`.trimEnd());
  }
}
if (failed.length > 0) {
  console.log(`\nfailed: ${failed.join(", ")}`);
  process.exit(1);
}
