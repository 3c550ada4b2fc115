/** Agents that show themselves in the world: what is said and when, over virtual time, and what a real hub makes of it. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { FluxBatchResponse, FluxEventRequest } from "agentrux-wire";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type RunningHub, startHub } from "../../hub/src/server.ts";
import { AgentruxError } from "../../src/errors.ts";
import { AgentActivity } from "../../src/flux/agent-activity.ts";
import { createFluxClient, type FluxClient } from "../../src/flux/client.ts";
import { createOwnWrites, notingWrites } from "../../src/flux/own-writes.ts";
import { type Presence, type PresenceOptions, startPresence } from "../../src/flux/presence.ts";
import { systemClock } from "../../src/replies/ports.ts";
import { until } from "../account/support.ts";
import { FakeClock } from "../promises/support/fake-clock.ts";

const SERVER = { url: "http://127.0.0.1:1", token: "the-token-of-lab" };

type Publish = (events: readonly FluxEventRequest[]) => Promise<FluxBatchResponse>;

const allTaken: Publish = (events) =>
  Promise.resolve({ successful: events.length, failed: 0, results: events.map(() => ({ error: null })) });
const down: Publish = () => Promise.reject(new AgentruxError("network", "no route", { kind: "unknown" }));

/** A presence over virtual time, and everything it has sent. */
class Stage {
  readonly clock = new FakeClock();
  readonly activity = new AgentActivity(this.clock);
  readonly sent: (readonly FluxEventRequest[])[] = [];
  readonly lines: string[] = [];
  agents = ["main"];
  publish = allTaken;
  inFlight = 0;
  mostInFlight = 0;
  readonly presence: Presence;

  constructor(options: Partial<PresenceOptions> = {}) {
    const log = (line: string) => void this.lines.push(line);
    this.presence = startPresence({
      version: "1.2.3",
      hostVersion: "2026.9.6",
      client: { server: SERVER, publishBatch: (events) => this.#take(events) },
      namespace: "lab",
      config: { intervalMs: 30_000 },
      agents: () => this.agents.map((agentId) => ({ agentId, capabilities: ["python"], ...this.activity.of(agentId) })),
      onChange: (listener) => this.activity.onChange(listener),
      clock: this.clock,
      random: () => 0.5,
      log: { info: log, warn: log, error: log },
      ...options,
    });
  }

  async #take(events: readonly FluxEventRequest[]): Promise<FluxBatchResponse> {
    this.sent.push(events);
    this.inFlight += 1;
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight);
    try {
      return await this.publish(events);
    } finally {
      this.inFlight -= 1;
    }
  }

  begin(id = "run", agentId = "main"): void {
    this.activity.begin({ id, agentId, task: `request ${id}` });
  }

  /** What the last request says of an agent. */
  said(agentId = "main"): Readonly<Record<string, unknown>> | undefined {
    return this.sent.at(-1)?.find(({ payload }) => payload.entity_id === `lab/${agentId}`)?.payload.properties;
  }
}

describe("presence, over virtual time", () => {
  it("says everything of every agent at the start", async () => {
    const stage = new Stage();
    stage.agents = ["main", "helper"];
    await stage.clock.advance(0);
    const at = new Date(stage.clock.now()).toISOString();
    expect(stage.sent).toHaveLength(1);
    expect(stage.sent[0]).toEqual(
      ["main", "helper"].map((agentId) => ({
        stream: "agents.status",
        source: `openclaw/${agentId}`,
        timestamp: stage.clock.now(),
        ttlSeconds: 90,
        payload: {
          entity_id: `lab/${agentId}`,
          properties: {
            type: "agent",
            status: "idle",
            task: null,
            since: at,
            capabilities: ["python"],
            version: "1.2.3",
            host_version: "2026.9.6",
            ttl_s: 90,
            heartbeat_at: at,
          },
        },
      })),
    );
  });

  it("beats every interval with what has changed and nothing else, and tells all with every tenth beat", async () => {
    const stage = new Stage();
    await stage.clock.advance(0);
    for (let beat = 1; beat < 10; beat++) {
      await stage.clock.advance(30_000);
      expect(stage.sent).toHaveLength(beat + 1);
      expect(Object.keys(stage.said() ?? {})).toEqual(["heartbeat_at"]);
      expect(stage.sent.at(-1)?.[0]?.ttlSeconds).toBe(90);
    }
    await stage.clock.advance(30_000);
    expect(stage.said()).toMatchObject({ type: "agent", status: "idle" });
  });

  it("tells a change 250 ms later, of the agent it concerns alone, as the agent is by then", async () => {
    const stage = new Stage();
    stage.agents = ["main", "helper"];
    await stage.clock.advance(1_000);
    stage.begin("one");
    await stage.clock.advance(100);
    stage.activity.end("one", "completed");
    stage.begin("two");
    await stage.clock.advance(149);
    expect(stage.sent).toHaveLength(1);
    await stage.clock.advance(1);
    expect(stage.sent).toHaveLength(2);
    expect(stage.sent[1]).toHaveLength(1);
    expect(stage.said()).toEqual({
      status: "busy",
      task: "request two",
      since: expect.any(String) as string,
      last_run: { at: expect.any(String) as string, outcome: "completed", duration_ms: 100 },
      heartbeat_at: expect.any(String) as string,
    });
  });

  it("does not put a change off because others follow", async () => {
    const stage = new Stage();
    await stage.clock.advance(1_000);
    for (let at = 0; at < 1_000; at += 100) {
      stage.begin(`run-${at}`);
      stage.activity.end(`run-${at}`, "completed");
      await stage.clock.advance(100);
    }
    expect(stage.sent.length).toBeGreaterThanOrEqual(4);
    expect(stage.sent.length).toBeLessThanOrEqual(5);
  });

  it("asks nobody over a change that changes nothing to be seen, and still beats in time", async () => {
    const stage = new Stage();
    await stage.clock.advance(29_900);
    stage.begin();
    stage.activity.end("run");
    stage.begin("other", "unknown-agent");
    await stage.clock.advance(99);
    expect(stage.sent).toHaveLength(1);
    await stage.clock.advance(1);
    expect(stage.sent).toHaveLength(2);
    expect(stage.presence.health().publishedAt).toBe(stage.clock.now());
  });

  it("has one request under way, and sends what changed meanwhile with the next", async () => {
    const stage = new Stage();
    await stage.clock.advance(1_000);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    stage.publish = async (events) => {
      await promise;
      return allTaken(events);
    };
    stage.begin();
    await stage.clock.advance(250);
    for (let run = 0; run < 100; run++) stage.begin(`run-${run}`);
    stage.activity.end("run", "completed");
    await stage.clock.advance(5_000);
    expect(stage.sent).toHaveLength(2);
    resolve(undefined);
    await stage.clock.advance(250);
    expect(stage.sent).toHaveLength(3);
    expect(stage.said()).toMatchObject({ task: "request run-0", last_run: { outcome: "completed" } });
    expect(stage.mostInFlight).toBe(1);
  });

  it("tries again after a pause, ever more rarely, and then says everything; the log hears of it twice", async () => {
    const stage = new Stage();
    await stage.clock.advance(1_000);
    stage.publish = down;
    stage.begin();
    await stage.clock.advance(250);
    expect(stage.presence.health().error).toBe("no route");
    const after = stage.sent.length;
    for (let change = 0; change < 20; change++) stage.activity.end("run", "completed");
    await stage.clock.advance(7_499);
    expect(stage.sent.length - after).toBe(3);
    stage.publish = allTaken;
    await stage.clock.advance(60_000);
    const [back] = stage.sent.slice(after + 3);
    expect(back?.[0]?.payload.properties).toMatchObject({ type: "agent", status: "idle", version: "1.2.3" });
    expect(Object.keys(stage.said() ?? {})).toEqual(["heartbeat_at"]);
    expect(stage.presence.health().error).toBeUndefined();
    expect(stage.lines.filter((line) => line.includes("cannot be published"))).toHaveLength(1);
    expect(stage.lines.filter((line) => line.includes("published again"))).toHaveLength(1);
  });

  it("is in no hurry where only a person can help, and takes one refused event of a batch for a refusal", async () => {
    const stage = new Stage();
    stage.publish = (events) =>
      Promise.resolve({
        successful: 0,
        failed: events.length,
        results: events.map(() => ({
          error: "authorization failed: Forbidden: the-token-of-lab is \u0000not for this",
        })),
      });
    await stage.clock.advance(200_000);
    expect(stage.sent).toHaveLength(1);
    expect(stage.presence.health()).toEqual({
      error: "authorization failed: Forbidden: [redacted] is not for this",
    });
    await stage.clock.advance(100_000);
    expect(stage.sent).toHaveLength(2);
  });

  it("waits as long as the server asks", async () => {
    const stage = new Stage();
    stage.publish = () =>
      Promise.reject(
        new AgentruxError("rate_limited", "slow down", { kind: "refused", retryable: true, retryAfterMs: 50_000 }),
      );
    await stage.clock.advance(49_999);
    expect(stage.sent).toHaveLength(1);
    await stage.clock.advance(1);
    expect(stage.sent).toHaveLength(2);
  });

  it("says everything anew after a silence in which the entity may have expired", async () => {
    const stage = new Stage();
    await stage.clock.advance(0);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    stage.publish = async (events) => {
      await promise;
      return allTaken(events);
    };
    await stage.clock.advance(30_000);
    await stage.clock.advance(200_000);
    resolve(undefined);
    await stage.clock.settle();
    await stage.clock.advance(0);
    expect(stage.said()).toMatchObject({ type: "agent", status: "idle" });
  });

  it.each([
    ["the machine was suspended", 600_000],
    ["the clock was set back", -600_000],
  ])("says everything anew after %s, with the next beat or change", async (_how, passed) => {
    const beating = new Stage();
    const changing = new Stage();
    for (const { clock } of [beating, changing]) {
      await clock.advance(0);
      await clock.advance(30_000);
      clock.wallOffset += passed;
    }
    await beating.clock.advance(30_000);
    changing.begin("one");
    await changing.clock.advance(250);
    expect(beating.said()).toMatchObject({ type: "agent", status: "idle" });
    expect(changing.said()).toMatchObject({ type: "agent", status: "busy" });
    await beating.clock.advance(30_000);
    expect(Object.keys(beating.said() ?? {})).toEqual(["heartbeat_at"]);
  });

  it("follows the gateway's list of agents: who is taken off it goes offline", async () => {
    const stage = new Stage();
    stage.agents = ["main", "helper"];
    await stage.clock.advance(0);
    stage.agents = ["main", "new"];
    await stage.clock.advance(30_000);
    expect(stage.said("new")).toMatchObject({ status: "idle", type: "agent" });
    expect(stage.said("helper")).toMatchObject({ status: "offline" });
    await stage.clock.advance(30_000);
    expect(stage.said("helper")).toBeUndefined();
  });

  it("says offline once when it is stopped, for a day, and nothing after", async () => {
    const stage = new Stage();
    stage.begin();
    await stage.clock.advance(1_000);
    await Promise.all([stage.presence.stop(2_000), stage.presence.stop(2_000)]);
    expect(stage.sent).toHaveLength(2);
    expect(stage.sent[1]?.[0]?.ttlSeconds).toBe(86_400);
    expect(stage.said()).toMatchObject({ status: "offline", task: null, ttl_s: 86_400 });
    stage.begin("later");
    await stage.clock.advance(200_000);
    expect(stage.sent).toHaveLength(2);
    expect(stage.clock.pending).toBe(0);
  });

  it("stops in time where the server hangs, and where it was never heard of says nothing", async () => {
    let given: AbortSignal | undefined;
    const publishBatch = (_: unknown, signal: AbortSignal) => hanging((given = signal));
    const stage = new Stage({ client: { server: SERVER, publishBatch } });
    await stage.clock.advance(0);
    const stopped = stage.presence.stop(2_000);
    await stage.clock.advance(1_999);
    expect(given?.aborted).toBe(false);
    await stage.clock.advance(1);
    expect(given?.aborted).toBe(true);
    await stopped;
    expect(stage.clock.pending).toBe(0);
    expect(stage.lines).toEqual([]);
  });
});

/** A request that only its signal ends. */
function hanging(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("cut off"))));
}

/** Short enough for a test, long enough for a busy machine: gone after 3 s without a heartbeat. */
const INTERVAL_MS = 1_000;

describe("presence, at a real hub", () => {
  let dir: string;
  let hub: RunningHub;
  let client: FluxClient;
  let activity: AgentActivity;
  const presences: Presence[] = [];
  const clients: FluxClient[] = [];
  const signal = () => AbortSignal.timeout(10_000);

  const open = (auth = false, port = 0) =>
    startHub({ dataDir: path.join(dir, "hub"), port, logLevel: "silent", flux: { auth } });
  const connect = (token?: string): FluxClient => {
    const made = createFluxClient({ url: hub.url, ...(token === undefined ? {} : { token }) });
    clients.push(made);
    return made;
  };
  const show = (over: FluxClient, lines: string[] = []): Presence => {
    const log = (line: string) => void lines.push(line);
    const presence = startPresence({
      version: "1.2.3",
      client: over,
      namespace: "lab",
      config: { intervalMs: INTERVAL_MS },
      agents: () => [{ agentId: "main", capabilities: [], ...activity.of("main") }],
      onChange: (listener) => activity.onChange(listener),
      clock: systemClock,
      random: Math.random,
      log: { info: log, warn: log, error: log },
    });
    presences.push(presence);
    return presence;
  };
  const seen = async (id = "lab/main") => (await client.entity(id, signal()))?.properties;
  const untilSeen = (what: string, fits: (properties: Readonly<Record<string, unknown>>) => boolean) =>
    until(what, async () => {
      const properties = await seen();
      return properties !== undefined && fits(properties);
    });

  beforeEach(async () => {
    dir = await mkdtemp(path.join(tmpdir(), "agentrux-presence-"));
    hub = await open();
    client = connect();
    activity = new AgentActivity(systemClock);
  });

  afterEach(async () => {
    await Promise.all(presences.splice(0).map((presence) => presence.stop(1_000)));
    await Promise.all(clients.splice(0).map((one) => one.close()));
    await hub.close();
    await rm(dir, { recursive: true, force: true });
  });

  it("appears, is busy while it works, and has a last run", async () => {
    show(client);
    await untilSeen("it appears", ({ type, status }) => type === "agent" && status === "idle");
    activity.begin({ id: "r", agentId: "main", task: "request r-1" });
    await untilSeen("it is busy", ({ status, task }) => status === "busy" && task === "request r-1");
    activity.end("r", "completed");
    await untilSeen("it is idle again", ({ status, task }) => status === "idle" && task === null);
    expect(await seen()).toMatchObject({ last_run: { outcome: "completed" }, ttl_s: 3, version: "1.2.3" });
  });

  it("lives longer than its time to live while it beats, and is gone after it when it does not", async () => {
    const dying = createFluxClient({ url: hub.url });
    show(dying);
    await untilSeen("it appears", ({ status }) => status === "idle");
    const first = (await client.entity("lab/main", signal()))?.expiresAt ?? "";
    await until("the limit has passed", () => Date.now() > Date.parse(first) + 500);
    const alive = await client.entity("lab/main", signal());
    expect(Date.parse(alive?.expiresAt ?? "")).toBeGreaterThan(Date.parse(first));
    // As a kill would: no word of farewell.
    await dying.close();
    await until("it is gone", async () => (await client.entity("lab/main", signal())) === undefined);
  });

  it("is offline after a stop, for a day", async () => {
    const presence = show(client);
    await untilSeen("it appears", ({ status }) => status === "idle");
    await presence.stop(2_000);
    const left = await client.entity("lab/main", signal());
    expect(left?.properties).toMatchObject({ status: "offline", task: null, version: "1.2.3" });
    expect(Date.parse(left?.expiresAt ?? "") - Date.now()).toBeGreaterThan(86_000_000);
  });

  it("comes back whole by itself after the hub was away", async () => {
    const lines: string[] = [];
    const presence = show(client, lines);
    await untilSeen("it appears", ({ status }) => status === "idle");
    const port = Number(new URL(hub.url).port);
    await hub.close();
    activity.begin({ id: "r", agentId: "main", task: "conversation" });
    await until("it has noticed", () => presence.health().error !== undefined);
    await rm(path.join(dir, "hub"), { recursive: true, force: true });
    hub = await open(false, port);
    await untilSeen(
      "it is back",
      ({ status, type, version }) => status === "busy" && type === "agent" && version !== "",
    );
    expect(presence.health().error).toBeUndefined();
    expect(lines.filter((line) => line.includes("cannot be published"))).toHaveLength(1);
  });

  it("needs the token of its namespace where the hub asks for one", async () => {
    await hub.close();
    hub = await open(true);
    const operator = createFluxClient({ url: hub.url, adminToken: hub.adminToken });
    clients.push(operator);
    client = operator;
    const { token } = await operator.createNamespace("lab", false, signal());
    const stranger = show(connect("wrong-token-wrong-token"));
    await until("it is refused", () => stranger.health().error !== undefined);
    expect(await seen()).toBeUndefined();
    expect(stranger.health().error).not.toContain("wrong-token");
    show(connect(token));
    await untilSeen("it appears", ({ status }) => status === "idle");
  });

  it("is known as our own writing, so that no watch wakes the agent over it", async () => {
    const own = createOwnWrites(() => performance.now());
    show(notingWrites(client, own));
    await untilSeen("it appears", ({ status }) => status === "idle");
    const written = (await seen()) ?? {};
    expect(own.recognise("lab/main", "status", written["status"])).toBe(true);
  });
});
