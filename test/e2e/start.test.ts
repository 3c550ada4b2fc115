/** The main job, as a newcomer runs it: cold, warm, interactive, twice at once, and interrupted. */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it, vi } from "vitest";

const START = path.join(import.meta.dirname, "../../scripts/start.ts");

/** A gateway takes its time on a busy machine. */
vi.setConfig({ testTimeout: 300_000 });

let dir: string;
const running = new Set<ChildProcessWithoutNullStreams>();

beforeAll(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "agentrux-start-"));
});
afterAll(async () => {
  await Promise.all([...running].map((child) => (child.kill("SIGTERM"), once(child, "close"))));
  fs.rmSync(dir, { recursive: true, force: true });
});

interface Run {
  readonly child: ChildProcessWithoutNullStreams;
  readonly out: { stdout: string; stderr: string };
  readonly code: Promise<number | null>;
}

function start(...args: readonly string[]): Run {
  const child = spawn(process.execPath, [START, "--model", "scripted", "--state", dir, ...args], { stdio: "pipe" });
  running.add(child);
  const out = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (out.stderr += text));
  const code = once(child, "close").then(([exitCode]) => {
    running.delete(child);
    return exitCode as number | null;
  });
  return { child, out, code };
}

async function untilPrinted(run: Run, text: string): Promise<void> {
  let ended = false;
  void run.code.then(() => (ended = true));
  while (!run.out.stdout.includes(text)) {
    if (ended) throw new Error(`ended before it printed "${text}":\n${run.out.stdout}\n${run.out.stderr}`);
    await sleep(20);
  }
}

/** Whether something answers at the hub's address that a run has printed. */
async function hubAnswers(run: Run): Promise<boolean> {
  const url = /hub listens on (http:\/\/\S+?);/.exec(run.out.stdout)?.[1];
  try {
    return (await fetch(`${url}/healthz`)).ok;
  } catch {
    return false;
  }
}

it("refuses options it does not know, and says which there are", async () => {
  const run = start("--colour");
  expect({ code: await run.code, ...run.out }).toEqual({
    code: 2,
    stdout: "",
    stderr: expect.stringMatching(/--colour[\s\S]*Usage:/) as string,
  });
});

it("answers a command in a folder that did not exist, with only the reply on stdout", async () => {
  const run = start("--ask", "ping");
  expect({ code: await run.code, ...run.out }).toEqual({
    code: 0,
    stdout: "pong\n",
    stderr: expect.stringContaining("Starting the gateway") as string,
  });
});

it("answers typed commands, keeps a second run out, and ends when the input does", async () => {
  const run = start();
  await untilPrinted(run, "type a command");
  expect(run.out.stdout).toContain("demo/main is ");
  expect(run.out.stdout).toContain('demo/remark says "It has become warm in room 1."');
  expect(await hubAnswers(run)).toBe(true);

  const second = start("--ask", "ping");
  expect(await second.code).toBe(1);
  expect(second.out).toMatchObject({ stdout: "", stderr: expect.stringContaining("another") as string });

  run.child.stdin.write("hello\n");
  await untilPrinted(run, "echo: hello");
  run.child.stdin.end("FAIL400\n\nping\n");
  expect({ code: await run.code, ...run.out }).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/echo: hello\n\[failed\] [^\n]+\npong\n$/) as string,
  });
  expect(await hubAnswers(run)).toBe(false);
});

it("prints a curl command that works, and stops everything when interrupted", async () => {
  const run = start();
  await untilPrinted(run, "type a command");
  const [header = "", url = ""] = /-H @(\S+) '(http:\S+)'/.exec(run.out.stdout)?.slice(1) ?? [];
  expect(fs.statSync(header).mode & 0o777).toBe(0o600);
  const [name = "", value = ""] = fs.readFileSync(header, "utf8").trim().split(": ");
  expect(run.out.stdout).not.toContain(value);
  const newest: unknown = await (await fetch(url, { headers: { [name]: value } })).json();
  expect(newest).toMatchObject({ items: [{ type: "openclaw.response", payload: { message: "pong" } }] });

  run.child.kill("SIGINT");
  expect(await run.code).toBe(130);
  expect(await hubAnswers(run)).toBe(false);
});
