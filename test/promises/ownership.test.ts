/** One gateway owns the journal; a second one stands by, and takes over when the first is gone. Each event runs once. */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { TopicEvent } from "../../src/service/types.ts";
import { tempDir } from "../journal/support.ts";
import type { FromService, ToService } from "./fixtures/gateway.ts";

const GATEWAY = fileURLToPath(new URL("./fixtures/gateway.ts", import.meta.url));
const COMMANDS = 60;

let dir: ReturnType<typeof tempDir>;
let children: ChildProcess[];
let published: string[];
let turns: { pid: number | undefined; eventId: string }[];

beforeEach(() => {
  dir = tempDir();
  children = [];
  published = [];
  turns = [];
});

afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  dir.remove();
});

function eventAt(n: number): TopicEvent {
  const payload = { message: `m${n}`, request_id: `r${n}`, conversation_key: `c${n % 3}` };
  return { topicId: "t", eventId: `evt_${n}`, cursor: String(n + 1), type: "openclaw.request", payload };
}

function answerTo(message: Extract<ToService, { ask: number }>): FromService {
  const { ask } = message;
  if (message.kind === "publish") {
    published.push(String(message.payload["request_id"]));
    return { ask };
  }
  if (message.kind === "find") return { ask, found: false };
  const from = message.after;
  return { ask, events: Array.from({ length: Math.min(5, COMMANDS - from) }, (_, n) => eventAt(from + n)) };
}

function gateway(): { child: ChildProcess; owns: Promise<unknown>; standsBy: Promise<unknown> } {
  const child = fork(GATEWAY, [dir.path, "b"], { execArgv: [], stdio: ["ignore", "ignore", "inherit", "ipc"] });
  children.push(child);
  const owns = Promise.withResolvers<void>();
  const standsBy = Promise.withResolvers<void>();
  child.on("message", (message: ToService) => {
    if (message.kind === "owner") owns.resolve();
    else if (message.kind === "standby") standsBy.resolve();
    else if (message.kind === "turn") turns.push({ pid: child.pid, eventId: message.eventId });
    else if (child.connected) child.send(answerTo(message));
  });
  return { child, owns: owns.promise, standsBy: standsBy.promise };
}

describe("two gateways over one folder", () => {
  it("run each event once: the second does nothing until the first is killed, then goes on where it was", async () => {
    const first = gateway();
    await first.owns;
    const second = gateway();
    await expect.poll(() => turns.length, { timeout: 20_000 }).toBeGreaterThan(10);
    expect(turns.every(({ pid }) => pid === first.child.pid)).toBe(true);
    first.child.kill("SIGKILL");
    await once(first.child, "exit");
    await second.owns;
    await expect.poll(() => new Set(published).size, { timeout: 20_000 }).toBe(COMMANDS);
    expect(turns.some(({ pid }) => pid === second.child.pid)).toBe(true);
    const runs = new Map<string, number>();
    for (const { eventId } of turns) runs.set(eventId, (runs.get(eventId) ?? 0) + 1);
    // Only what was under way when the first was killed ran again.
    expect([...runs.values()].filter((times) => times > 1).length).toBeLessThanOrEqual(4);
  }, 60_000);

  it("do not change hands while the owner is only suspended", async () => {
    const first = gateway();
    await first.owns;
    await expect.poll(() => turns.length, { timeout: 20_000 }).toBeGreaterThan(3);
    first.child.kill("SIGSTOP");
    const second = gateway();
    let taken = false;
    void second.owns.then(() => (taken = true));
    await second.standsBy;
    // It asks several times a second.
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(taken).toBe(false);
    first.child.kill("SIGCONT");
    await expect.poll(() => new Set(published).size, { timeout: 20_000 }).toBe(COMMANDS);
    expect(turns.every(({ pid }) => pid === first.child.pid)).toBe(true);
  }, 60_000);
});
