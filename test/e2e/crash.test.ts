/**
 * The plugin in a real OpenClaw gateway that is killed: at each row of the table in SDK spec 17.2, then at moments nobody
 * chose while commands flow and the hub dies too; and the windows in which a gateway stops or reloads. After a crash
 * the host resumes turns by itself and answers through its outbound adapter; whichever side answers, each command has
 * exactly one terminal reply. GATEWAY_KILLS makes the random part longer.
 */

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { stopAllChildren } from "../../scripts/lib/children.ts";
import { CHANNEL_ID } from "../../scripts/lib/host-config.ts";
import type { Hub } from "../../scripts/lib/hub.ts";
import { openClaw, setConfig } from "../../scripts/lib/openclaw.ts";
import { diceOf, type Dice } from "../promises/support/random.ts";
import { type Asked, violations } from "../support/checker.ts";
import { CrashGateway } from "../support/crash-gateway.ts";
import { eventually, type TestGateway } from "../support/gateway.ts";
import { restartTestHub, startTestHub } from "../support/hub.ts";
import { TestTopics } from "../support/topics.ts";

const KILLS = Number(process.env["GATEWAY_KILLS"] ?? 6);
const SEED = Number(process.env["CRASH_SEED"] ?? Date.now() % 1_000_000);
const COMMANDS_PER_KILL = 50;
const CONVERSATIONS = 10;
/** The host resumes interrupted turns one after the other, some seconds after its start. */
const PATIENCE_MS = 240_000;
/** One kill in so many is the hub's. */
const HUB_SHARE = 3;

vi.setConfig({ testTimeout: 600_000 + KILLS * 60_000, hookTimeout: 480_000 });

let dir: string;
let hub: Hub;
let topics: TestTopics;
let crash: CrashGateway;
let gateway: TestGateway;
const asked: Asked[] = [];

beforeAll(async () => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "agentrux-e2e-crash-"));
  hub = await startTestHub(dir);
  topics = await TestTopics.create(hub, "main");
  crash = await CrashGateway.prepare(dir, hub, topics, { maxAttempts: 10, startFrom: "earliest" });
  gateway = crash.gateway;
  gateway.dropBootstrap(await hub.issueCode(topics.agentScriptId));
  await crash.start();
  await gateway.untilListening(topics);
});

afterAll(async () => {
  await gateway?.close();
  await stopAllChildren();
  fs.rmSync(dir, { recursive: true, force: true });
});

/** Publishes a command, until the hub has it. */
async function ask(message: string, conversation: string): Promise<Asked> {
  const requestId = `r${asked.length}`;
  const one: Asked = { requestId, conversation, message, status: "completed" };
  asked.push(one);
  await eventually("the hub takes a command", () =>
    topics.publish({ requestId, message, conversationKey: conversation }).catch(() => undefined),
  );
  return one;
}

async function results() {
  const events = await topics.client.eventsAfter(topics.resultTopicId, 0);
  return events.map(({ payload }) => payload);
}

/** Every broken promise, with what was answered there. */
async function verdict(): Promise<readonly string[]> {
  const all = await results();
  return violations(asked, all).map((broken) => {
    const replies = all.filter((result) => broken.startsWith(`${String(result["request_id"])} `));
    return [broken, ...replies.map(({ status, message }) => `${String(status)}: ${String(message)}`)].join("\n  ");
  });
}

async function allAnswered(): Promise<void> {
  const wanted = asked.length;
  await eventually(
    "everything is answered",
    async () => {
      const final = (await results().catch(() => [])).filter((result) => result["final"] === true);
      return new Set(final.map((result) => result["request_id"])).size >= wanted;
    },
    PATIENCE_MS,
  );
}

/** Waits until a turn with this text has reached the model. */
async function untilModelSees(text: string): Promise<void> {
  await eventually(`the model sees "${text}"`, () => gateway.model.requests.some((r) => r.text.includes(text)));
}

describe("killed with a turn under way", () => {
  it.each([
    ["before the host has the turn", "turn.begun"],
    ["when the host delivers the answer", "turn.delivering"],
    ["when the host is done and nothing is written", "turn.ended"],
    ["when the reply is about to be written", "journal.committing reply"],
    ["when the reply is written", "journal.committed reply"],
    ["when the reply is published and nobody knows", "reply.published"],
  ])("%s (%s)", async (row, place) => {
    crash.dieAt(place);
    await ask(`row: ${row}`, "rows");
    await ask(`after row: ${row}`, "rows");
    expect(await crash.died()).toEqual({ asOrdered: true, code: 137 });
    await crash.start();
    await allAnswered();
    expect(await verdict()).toEqual([]);
  });

  it("while the model is thinking: the host resumes it", async () => {
    await ask("HOLD:thinking", "rows");
    await ask("after the thinking", "rows");
    await untilModelSees("HOLD:thinking");
    await gateway.kill();
    gateway.model.release("thinking");
    await crash.start();
    await allAnswered();
    expect(await verdict()).toEqual([]);
    expect(gateway.model.requests.filter(({ text }) => text === "HOLD:thinking").length).toBeGreaterThan(1);
  });
});

describe("stopped or reloaded with a turn under way", () => {
  it("SIGTERM: the turn ends and is answered, what comes meanwhile waits on disk", async () => {
    await ask("HOLD:draining", "windows");
    await untilModelSees("HOLD:draining");
    const stopped = gateway.stop();
    await ask("while draining", "windows");
    await ask("while draining, elsewhere", "windows too");
    await sleep(1_000);
    gateway.model.release("draining");
    await stopped;
    await crash.start();
    await allAnswered();
    expect(await verdict()).toEqual([]);
    expect(gateway.model.requests.filter(({ text }) => text === "HOLD:draining")).toHaveLength(1);
  });

  it("a changed setting: the turn ends first, then the account starts anew", async () => {
    await ask("HOLD:reload", "windows");
    await untilModelSees("HOLD:reload");
    await setConfig(gateway.home, [{ path: `channels.${CHANNEL_ID}.maxConcurrency`, value: 2 }]);
    await ask("while the reload waits", "windows too");
    gateway.model.release("reload");
    await eventually("the account starts anew", () => starts() >= 2);
    await ask("after the reload", "windows");
    await allAnswered();
    expect(await verdict()).toEqual([]);
    expect(gateway.model.requests.filter(({ text }) => text === "HOLD:reload")).toHaveLength(1);
  });

  it("channels.stop and channels.start: no overlap, nothing lost", async () => {
    await ask("HOLD:restart", "windows");
    await untilModelSees("HOLD:restart");
    const before = starts();
    expect(await call("channels.stop")).toMatchObject({ stopped: false });
    await ask("while it restarts", "windows too");
    // The turn that is running owns the account until it ends.
    expect(await call("channels.start")).toMatchObject({ outcome: { status: "retry" } });
    gateway.model.release("restart");
    await eventually("the account is started", async () => {
      const { outcome } = await call("channels.start");
      return outcome?.status === "handed-off";
    });
    await eventually("the account starts anew", () => starts() > before);
    await ask("after the restart", "windows");
    await allAnswered();
    expect(await verdict()).toEqual([]);
    expect(gateway.model.requests.filter(({ text }) => text === "HOLD:restart")).toHaveLength(1);
  });
});

/** Asks the running gateway to do something with the channel. */
async function call(method: string): Promise<{ readonly outcome?: { readonly status: string } }> {
  const params = JSON.stringify({ channel: CHANNEL_ID });
  const answer = await openClaw(gateway.home, ["gateway", "call", method, "--params", params, "--json"]);
  return JSON.parse(answer.slice(answer.indexOf("{"))) as { outcome?: { status: string } };
}

/** How often the account was started in this life of the gateway. */
function starts(): number {
  return gateway.log().split("Gateway starting: topic=").length - 1;
}

describe("killed at moments nobody chose", () => {
  async function publish(dice: Dice): Promise<void> {
    for (let n = 0; n < COMMANDS_PER_KILL; n += 1) {
      const slow = dice.chance(0.1) ? "SLOW:700 " : "";
      await ask(`${slow}command ${asked.length}`, `random ${dice.int(1, CONVERSATIONS)}`);
      await sleep(dice.int(0, 60));
    }
  }

  it(`loses nothing and doubles nothing in ${KILLS} kills`, async () => {
    const dice = diceOf(SEED);
    const before = asked.length;
    const kills = { gateway: 0, hub: 0 };
    for (let n = 0; n < KILLS; n += 1) {
      const publishing = publish(dice);
      await sleep(dice.int(200, 8_000));
      if (n % HUB_SHARE === HUB_SHARE - 1) {
        await hub.kill();
        hub = await restartTestHub(hub);
        kills.hub += 1;
      } else {
        await gateway.kill();
        await crash.start();
        kills.gateway += 1;
      }
      await publishing;
    }
    await allAnswered();
    // What a kill has left half done would show up after a start.
    await gateway.stop();
    await crash.start();
    const broken = await verdict();
    process.stdout.write(
      `gateway: ${kills.gateway} random kills, ${kills.hub} of the hub, ${asked.length - before} commands, ` +
        `${broken.length} broken promises, seed ${SEED}\n`,
    );
    expect(broken).toEqual([]);
  });
});
