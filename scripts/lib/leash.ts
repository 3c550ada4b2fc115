/**
 * Owns one promise: a long-lived child never outlives the process that started it, not even after a `kill -9`.
 *
 * Run as `node leash.ts <script> [args...]` in a process group of its own, with a pipe as stdin that its owner holds
 * open. The pipe closes when the owner ends, however it ends; the whole group is then asked to stop, and killed if it
 * does not. Signals sent to the group reach the child by themselves; the leash only waits, and passes on the exit code.
 */

import { spawn } from "node:child_process";
import { constants } from "node:os";

const GRACE_MS = 4_000;

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => undefined);

const child = spawn(process.execPath, process.argv.slice(2), { stdio: ["ignore", "inherit", "inherit"] });
child.on("error", (error) => {
  process.stderr.write(`cannot start ${process.argv[2]}: ${error.message}\n`);
  process.exit(127);
});
child.on("exit", (code, signal) => process.exit(signal === null ? (code ?? 1) : 128 + constants.signals[signal]));

process.stdin.on("error", releaseGroup);
process.stdin.on("end", releaseGroup);
process.stdin.resume();

function releaseGroup(): void {
  process.kill(-process.pid, "SIGTERM");
  setTimeout(() => process.kill(-process.pid, "SIGKILL"), GRACE_MS);
}
