/**
 * What OpenClaw's own `security audit` and `doctor` say of the plugin, installed and unsafely configured. No gateway runs:
 * both are command lines that look at what lies on disk. The order of the tests is part of them.
 */

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { stopAllChildren } from "../../scripts/lib/children.ts";
import { openClaw, setConfig, tryOpenClaw } from "../../scripts/lib/openclaw.ts";
import { TestGateway } from "../support/gateway.ts";

vi.setConfig({ testTimeout: 480_000, hookTimeout: 480_000 });

/** They load every plugin; on a busy machine that takes a minute. */
const COMMAND_MS = 220_000;

/** Far away, and never called. */
const HUB = { url: "http://hub.example:8080" };
const UNSAFE = ["exec-on", "files-open", "files.mode", "pattern-wide", "plain-http", "senders-open"];

let dir: string;
let installed: TestGateway;

beforeAll(async () => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "agentrux-e2e-audit-"));
  const topics = {
    commandTopicId: "11111111-1111-4111-8111-111111111111",
    resultTopicId: "22222222-2222-4222-8222-222222222222",
  };
  const execPolicy = { enabled: true, allowedCommands: [".*"] };
  installed = await TestGateway.prepare(dir, HUB, topics, { execPolicy });
  fs.mkdirSync(installed.home.agentruxDir, { mode: 0o700 });
  fs.writeFileSync(installed.file("credentials.json"), "{}", { mode: 0o644 });
});

afterAll(async () => {
  await installed?.close();
  await stopAllChildren();
  fs.rmSync(dir, { recursive: true, force: true });
});

/** The plugin's own findings in OpenClaw's audit, by their ids. */
async function audited(...args: readonly string[]): Promise<readonly string[]> {
  const report = JSON.parse(await openClaw(installed.home, ["security", "audit", ...args, "--json"], COMMAND_MS)) as {
    readonly findings: readonly { readonly checkId: string; readonly title: string }[];
  };
  const own = report.findings.filter(({ title }) => title.startsWith("AgenTrux: "));
  return own.map(({ checkId }) => checkId.replace(/^channels\.agentrux\./, "")).toSorted();
}

async function doctor(): Promise<string> {
  const { stdout, stderr } = await tryOpenClaw(installed.home, ["doctor", "--non-interactive"], COMMAND_MS);
  return `${stdout}${stderr}`;
}

it("is not asked where everything stands under plugins.entries; the plugin's doctor says so, and how to change it", async () => {
  expect(await audited("--deep")).toEqual([]);
  const { code, stdout } = await tryOpenClaw(installed.home, ["agentrux", "doctor", "--offline", "--json"], COMMAND_MS);
  const { findings } = JSON.parse(stdout) as { readonly findings: readonly { id: string; cure: string }[] };
  const ids = findings.map(({ id }) => id.replace(/^security\./, ""));
  expect({ code, ids }).toEqual({ code: 1, ids: expect.arrayContaining(UNSAFE) as string[] });
  expect(findings.find(({ id }) => id === "security.not-audited")?.cure).toBe(
    "openclaw config set channels.agentrux.enabled true",
  );
});

it("lists each finding once as soon as that has been done, wherever the other keys stand", async () => {
  await openClaw(installed.home, ["config", "set", "channels.agentrux.enabled", "true"]);
  expect(await audited("--deep")).toEqual(UNSAFE);
  await setConfig(installed.home, [
    { path: "channels.agentrux.execPolicy", value: { enabled: true, allowedCommands: [".*"] } },
    { path: "channels.agentrux.allowFrom", value: ["scr_a"] },
  ]);
  expect(await audited()).toEqual(UNSAFE.filter((id) => id !== "senders-open"));
});

it("lets the host's doctor go through all its checks, and is among them", async () => {
  const said = await doctor();
  expect(said).not.toMatch(/run\s+failed/);
  for (const id of ["security.pattern-wide", "security.plain-http", "files.mode"]) expect(said).toContain(`[${id}]`);
});
