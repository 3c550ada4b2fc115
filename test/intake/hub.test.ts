/** Intake against the real hub, in both generations. */

import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { createScript, createTopic, issueActivationCode } from "../../hub/src/admin/operations.ts";
import { startHub, type RunningHub } from "../../hub/src/server.ts";
import { activate } from "../../src/activation/activate.ts";
import { redeemOverHttp } from "../../src/activation/redeem.ts";
import { type AccountPaths, accountPaths } from "../../src/credentials/home.ts";
import { type Intake, startIntake } from "../../src/intake/intake.ts";
import type { StartPosition } from "../../src/intake/start-position.ts";
import type { AdmittedPage } from "../../src/intake/types.ts";
import { type CredentialedClient, createServiceClient } from "../../src/service/client.ts";
import { systemClock, systemSleep } from "../../src/service/clock.ts";
import type { Generation, TopicEvent } from "../../src/service/types.ts";
import { dropBootstrap } from "../activation/support.ts";
import { until } from "../credentials/support.ts";
import { openWaterline, RememberingLog } from "./support.ts";

const HOUR_MS = 3_600_000;
const NEVER = new AbortController().signal;

interface World {
  readonly topicId: string;
  readonly paths: AccountPaths;
  readonly client: CredentialedClient;
  /** Moves the hub's clock and lets its retention take what is too old. */
  readonly age: (ms: number) => Promise<void>;
  readonly stopHub: () => Promise<void>;
  readonly startHub: () => Promise<void>;
  readonly publish: (...messages: readonly string[]) => Promise<void>;
  readonly run: (overrides?: { pollIntervalMs?: number }) => Promise<Run>;
}

interface Run {
  readonly intake: Intake;
  readonly taken: TopicEvent[];
  readonly log: RememberingLog;
  readonly started: StartPosition[];
}

/** A hub, a topic, two activated scripts: ours reads, another publishes. */
async function world(generation: Generation): Promise<World> {
  const home = await mkdtemp(join(tmpdir(), "agentrux-intake-"));
  onTestFinished(() => rm(home, { recursive: true, force: true }));
  let ahead = 0;
  const clock = { now: () => Date.now() + ahead };
  const start = async (port: number) =>
    await startHub({ dataDir: join(home, "hub"), port, logLevel: "silent", clock, limits: { tokensPerHour: 1_000 } });
  let hub: RunningHub = await start(0);
  onTestFinished(() => hub.close());
  const topic = await createTopic(hub.deps, { name: "commands", retentionS: 3_600 });
  const enlist = async (name: string, rights: { read?: string[]; write?: string[] }) => {
    const script = await createScript(hub.deps, { name, ...rights });
    const { code } = await issueActivationCode(hub.deps, { script: script.id, generation });
    const paths = accountPaths("default", join(home, name));
    await dropBootstrap(paths, code);
    const activation = await activate({
      paths,
      baseUrl: hub.url,
      redeem: redeemOverHttp(hub.url),
      now: () => new Date(),
      signal: NEVER,
      log: new RememberingLog(),
    });
    if (activation.kind !== "ready") throw new Error(activation.reason);
    const client = createServiceClient(activation.credentials, { stream: { baseMs: 50, capMs: 200 } });
    onTestFinished(() => client.close());
    return { client, paths };
  };
  const { client, paths } = await enlist("agent", { read: ["commands"] });
  const requester = await enlist("requester", { write: ["commands"] });
  return {
    topicId: topic.id,
    paths,
    client,
    age: async (ms) => {
      ahead += ms;
      await hub.deps.store.events.sweep(clock.now(), 10_000);
    },
    stopHub: () => hub.close(),
    startHub: async () => {
      hub = await start(Number(new URL(hub.url).port));
    },
    publish: async (...messages) => {
      for (const message of messages) {
        await requester.client.publish({
          topicId: topic.id,
          type: "openclaw.request",
          payload: { message },
          signal: NEVER,
        });
      }
    },
    run: async (overrides = {}) => {
      await mkdir(paths.dir, { recursive: true });
      const taken: TopicEvent[] = [];
      const log = new RememberingLog();
      const started: StartPosition[] = [];
      const intake = startIntake({
        topicId: topic.id,
        client,
        waterline: await openWaterline(paths, generation),
        admit: async (page: AdmittedPage) => {
          taken.push(...page.events);
        },
        startFrom: "latest",
        excludeSelf: true,
        pollIntervalMs: overrides.pollIntervalMs ?? HOUR_MS,
        onStarted: (position) => started.push(position),
        onTrouble: () => {},
        onHealthy: () => {},
        log,
        clock: systemClock,
        sleep: systemSleep,
        random: Math.random,
      });
      onTestFinished(() => intake.stop());
      return { intake, taken, log, started };
    },
  };
}

const messages = (run: Run) => run.taken.map((event) => (event.payload as { message: string }).message);
const numbered = (count: number, from = 1) => Array.from({ length: count }, (_, index) => `m${from + index}`);
const settled = async (run: Run) => {
  await until(() => expect(run.intake.health()).toMatchObject({ lagging: false, connected: true }));
};

describe.each(["a", "b"] as const)("generation %s", (generation) => {
  it("skips what is older than the first start, counted, and takes what comes then by hints alone", async () => {
    const { run, publish } = await world(generation);
    await publish(...numbered(5));
    const first = await run();
    await settled(first);
    expect(first.started).toMatchObject([{ kind: "skipped", skipped: { count: 5 } }]);
    await publish("now");
    await until(() => expect(messages(first)).toEqual(["now"]));
  });

  it("takes, after a restart, what was published meanwhile, once and in order", async () => {
    const { run, publish } = await world(generation);
    const first = await run();
    await settled(first);
    await publish("before");
    await until(() => expect(messages(first)).toEqual(["before"]));
    await first.intake.stop();
    await publish(...numbered(250));
    const second = await run();
    await until(() => expect(messages(second)).toHaveLength(250));
    await settled(second);
    expect(messages(second)).toEqual(numbered(250));
    expect(second.started).toMatchObject([{ kind: "resumed" }]);
  });

  it("outlasts a restart of the hub without losing or repeating anything", async () => {
    const { run, publish, stopHub, startHub: startAgain } = await world(generation);
    const running = await run();
    await settled(running);
    await publish("one");
    await until(() => expect(messages(running)).toEqual(["one"]));
    await stopHub();
    await until(() => expect(running.intake.health().connected).toBe(false));
    running.intake.wake();
    await until(() => expect(running.intake.health().failures).toBeGreaterThan(0));
    await startAgain();
    await publish("two", "three");
    await until(() => expect(messages(running)).toEqual(["one", "two", "three"]));
    expect(running.log.lines.some((line) => line.startsWith("warn [agentrux] SSE disconnected"))).toBe(true);
  });

  it("takes a stream of events while it drains, each once", async () => {
    const { run, publish } = await world(generation);
    const running = await run();
    await settled(running);
    await Promise.all([publish(...numbered(100)), publish(...numbered(100, 101)), publish(...numbered(100, 201))]);
    await until(() => expect(messages(running)).toHaveLength(300));
    await settled(running);
    expect(new Set(messages(running)).size).toBe(300);
    const own = messages(running).filter((message) => Number(message.slice(1)) <= 100);
    expect(own).toEqual(numbered(100));
  });

  it("takes what is left when its position has aged out of the topic, in order", async () => {
    const { run, publish, age } = await world(generation);
    const first = await run();
    await settled(first);
    await publish("seen");
    await until(() => expect(messages(first)).toEqual(["seen"]));
    await first.intake.stop();
    await publish("lost to retention");
    await age(2 * HOUR_MS);
    await publish(...numbered(3));
    const second = await run();
    await until(() => expect(messages(second)).toEqual(numbered(3)));
    const told = second.log.lines.some((line) =>
      line.includes("Cursor expired (ttl); re-anchoring to oldest retained"),
    );
    expect(told).toBe(generation === "b");
  });

  it("finds by polling what no hint told", async () => {
    const { run, publish, client } = await world(generation);
    const deaf = vi
      .spyOn(client, "stream")
      .mockImplementation(
        ({ signal }) => new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true })),
      );
    const running = await run({ pollIntervalMs: 200 });
    await until(() => expect(running.intake.health().lagging).toBe(false));
    await publish("unannounced");
    await until(() => expect(messages(running)).toEqual(["unannounced"]));
    expect(deaf).toHaveBeenCalled();
  });
});
