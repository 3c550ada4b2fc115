/**
 * Everything about the repository that can be judged without running it: types, lint (with the direction of
 * dependencies), format, unused code, and what would be published.
 */

import { spawnSync } from "node:child_process";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "..");

const steps: readonly (readonly [what: string, ...command: string[]])[] = [
  ["types", "tsc", "-p", "."],
  ["lint", "oxlint", "--type-aware", "--deny-warnings", "."],
  ["format", "oxfmt", "--check", "."],
  ["unused code", "knip"],
  ["build", "node", "scripts/build.ts"],
  ["package", "publint", "--strict", "."],
  ["package of the hub", "publint", "--strict", "hub"],
  ["published types", "attw", "--pack", ".", "--profile", "esm-only"],
  ["tarball", "node", "scripts/check-pack.ts"],
];

const failed: string[] = [];
for (const [what, command, ...args] of steps) {
  const started = performance.now();
  const done = spawnSync(
    command === "node" ? process.execPath : path.join(root, "node_modules/.bin", command ?? ""),
    args,
    {
      cwd: root,
      encoding: "utf8",
      timeout: 300_000,
    },
  );
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const ok = done.status === 0;
  console.log(`${ok ? "ok  " : "FAIL"}  ${what}  ${seconds} s`);
  if (!ok) {
    failed.push(what);
    console.log(`${done.stdout ?? ""}${done.stderr ?? ""}${done.error ? String(done.error) : ""}`.trimEnd());
  }
}
if (failed.length > 0) {
  console.log(`\nfailed: ${failed.join(", ")}`);
  process.exit(1);
}
