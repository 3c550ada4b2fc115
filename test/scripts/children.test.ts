import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ProcessGroup, runNode, startLongLived } from "../../scripts/lib/children.ts";

let dir: string;
let groups: ProcessGroup[];
beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "children-"));
  groups = [];
});
afterEach(async () => {
  await Promise.all(groups.map((group) => group.kill()));
  fs.rmSync(dir, { recursive: true, force: true });
});

function script(name: string, source: string): string {
  const file = path.join(dir, `${name}.mjs`);
  fs.writeFileSync(file, source);
  return file;
}

function start(file: string, takeFirstLine = false) {
  const started = startLongLived({
    name: "child",
    args: [file],
    env: process.env,
    logFile: path.join(dir, "child.log"),
    takeFirstLine,
  });
  groups.push(started.group);
  return started;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A process that has ended but was not collected yet still has its number.
    return !/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ENOENT" && process.platform !== "linux";
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}

/** A child that has a child of its own, prints both pids, and stays. */
const FAMILY = `
  import { spawn } from "node:child_process";
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
  console.log(JSON.stringify([process.pid, child.pid]));
  setInterval(() => {}, 1000);`;

async function family(source = FAMILY): Promise<{ group: ProcessGroup; pids: readonly number[] }> {
  const { group, firstLine } = start(script("family", source), true);
  return { group, pids: JSON.parse(await firstLine) as number[] };
}

describe("a long-lived child", () => {
  it("hands over its first line and keeps the rest in the log", async () => {
    const { group, firstLine } = start(script("lines", `console.log("first"); console.log("second");`), true);
    expect(await firstLine).toBe("first");
    expect(await group.exited).toBe(0);
    await until(() => fs.readFileSync(path.join(dir, "child.log"), "utf8") === "second\n");
    expect(fs.statSync(path.join(dir, "child.log")).mode & 0o777).toBe(0o600);
  });

  it("fails the first line when it ends without one, and passes on its exit code", async () => {
    const { group, firstLine } = start(script("dies", `process.exit(7);`), true);
    await expect(firstLine).rejects.toThrow("ended before it was ready");
    expect(await group.exited).toBe(7);
    expect(group.exitCode).toBe(7);
  });

  it("stops with its own children", async () => {
    const { group, pids } = await family();
    await group.stop();
    await until(() => !pids.some(isAlive));
    expect(group.exitCode).toBeDefined();
  });

  it("is killed when it does not stop by itself", async () => {
    const { group, pids } = await family(`process.on("SIGTERM", () => {});${FAMILY}`);
    await group.stop(100);
    await until(() => !pids.some(isAlive));
    expect(group.exitCode).toBeDefined();
  });

  it("ends when its owner is killed", async () => {
    const children = path.join(import.meta.dirname, "../../scripts/lib/children.ts");
    const owner = spawn(
      process.execPath,
      [
        "--input-type=module",
        "-e",
        `import { startLongLived } from ${JSON.stringify(children)};
         const { firstLine } = startLongLived({ name: "c", args: [${JSON.stringify(script("f", FAMILY))}], env: process.env,
           logFile: ${JSON.stringify(path.join(dir, "o.log"))}, takeFirstLine: true });
         console.log(await firstLine);`,
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    const [line] = (await once(owner.stdout.setEncoding("utf8"), "data")) as [string];
    const pids = JSON.parse(line) as number[];
    expect(pids.every(isAlive)).toBe(true);
    owner.kill("SIGKILL");
    await until(() => !pids.some(isAlive));
  });
});

describe("a command", () => {
  const options = { env: process.env, timeoutMs: 10_000 };

  it("gives its output and its code", async () => {
    const result = await runNode(["-e", `console.log("out"); console.error("err"); process.exitCode = 3`], options);
    expect(result).toEqual({ code: 3, stdout: "out\n", stderr: "err\n", timedOut: false });
  });

  it("is killed, with its children, when its time is over", async () => {
    const result = await runNode([script("family", FAMILY)], { ...options, timeoutMs: 500 });
    expect(result).toMatchObject({ code: 137, timedOut: true });
    const pids = JSON.parse(result.stdout) as number[];
    await until(() => !pids.some(isAlive));
  });
});
