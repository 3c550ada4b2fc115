/** What a stranger's turn, a watch's turn and anybody's turn may do with the world state; both locks, and the fence. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { gateOwnTool } from "../../../src/host/tool-gate.ts";
import { nameWatchSession } from "../../../src/host/watch-runs.ts";
import { CHANNEL_ID } from "../../../src/ids.ts";
import { TOOLS } from "../../../src/tools/catalogue.ts";
import { requireInsideNamespace } from "../../../src/tools/fence.ts";
import type { TopicTurn } from "../../../src/tools/tool.ts";
import { requireAllowedInTopicTurn, whyNeverInTopicTurn } from "../../../src/tools/topic-turn.ts";
import { Agent, errorOf, never, World } from "./support.ts";

const tool = (name: string) => TOOLS.find((one) => one.name === name) ?? expect.fail(name);
const P = { a: 1 };

/** Calls by what they are. */
const READS: readonly [string, object][] = [
  ["flux_get", { entity: "other/x" }],
  ["flux_list", { prefix: "other/" }],
  ["flux_history", { entity: "other/x" }],
];
const WRITES: readonly [string, object][] = [
  ["flux_publish", { entity: "lab/x", properties: P }],
  ["flux_batch", { events: [{ entity: "lab/x", properties: P }] }],
  ["flux_delete", { entity: "lab/x" }],
];
const OUTSIDE: readonly [string, object][] = [
  ["flux_publish", { entity: "other/x", properties: P }],
  ["flux_publish", { id: "lab2/x", properties: P }],
  ["flux_publish", { entity: "lab", properties: P }],
  ["flux_publish", { entity: "lab/", properties: P }],
  ["flux_publish", { entity: "LAB/x", properties: P }],
  ["flux_publish", { entity: " lab/x", properties: P }],
  ["flux_publish", { entity: "/lab/x", properties: P }],
  ["flux_publish", { entity: "lab%2Fx", properties: P }],
  [
    "flux_batch",
    {
      events: [
        { entity: "lab/x", properties: P },
        { entity: "other/x", properties: P },
      ],
    },
  ],
  ["flux_delete", { entity: "other/x" }],
  ["flux_delete", { entity: ["lab/x", "other/x"] }],
  ["flux_delete", { entity_ids: ["lab/x", "x"] }],
];
const PREFIXES: readonly [string, object][] = [
  ["flux_delete", { prefix: "lab/" }],
  ["flux_delete", { prefix: "lab/x", confirm_count: 1 }],
];
const OUTSIDE_PREFIXES: readonly [string, object][] = [
  ["flux_delete", { prefix: "l" }],
  ["flux_delete", { prefix: "lab" }],
  ["flux_delete", { prefix: "other/", confirm_count: 1 }],
];
const NEVER: readonly [string, object][] = [
  ["flux_watch", { entity: "lab/x" }],
  ["flux_watch", {}],
  ["flux_unwatch", { id: "x" }],
  ["flux_connectors", {}],
  ["flux_namespace", { name: "lab" }],
  ["flux_namespace", { name: "new-one", create: true }],
  ["flux_admin_config", {}],
  ["flux_admin_config", { rate_limit_enabled: false }],
];

type Mode = "off" | "read" | "write";
const FENCED = { namespace: "lab" };

let world: World;
let agent: Agent;
beforeAll(async () => {
  world = await World.open(false);
  agent = await world.agent();
});
afterAll(async () => {
  await agent.close();
  await world.close();
});

const settings = (topicTurns: Mode, more: object = FENCED) => ({ url: world.hub.url, topicTurns, ...more });

/** How the two locks answer: the tool's own, and the hook's, by each sign of the turn's origin. */
async function refusals(
  name: string,
  args: object,
  flux: object,
  turn: TopicTurn,
): Promise<readonly (string | undefined)[]> {
  const outcome = await agent.call(tool(name), args, { turn, owner: true, flux });
  const error = outcome.isError ? errorOf(outcome) : undefined;
  const config = { channels: { [CHANNEL_ID]: { agentId: "main", flux } } };
  const watched = `agent:main:${CHANNEL_ID}:group:watch-1`;
  if (turn.watch === true) nameWatchSession(watched);
  const sessionKey = turn.watch === true ? watched : `agent:main:${CHANNEL_ID}:group:abc`;
  const origins = [{ sessionKey }, { sessionKey, requester: { channel: CHANNEL_ID, accountId: "default" } }];
  const gates = origins.map((origin) => gateOwnTool({ toolName: name, params: args }, origin, config)?.blockReason);
  return [error === undefined ? undefined : `${String(error["code"])}: ${String(error["message"])}`, ...gates];
}

const ALL_REFUSED = [expect.any(String), expect.any(String), expect.any(String)];
const ALL_PASS = [undefined, undefined, undefined];

describe("a turn that came from a topic", () => {
  const turn = {};

  it.each(READS)("reads by %s %j where topicTurns is read or write", async (name, args) => {
    expect(await refusals(name, args, settings("read"), turn)).toEqual(ALL_PASS);
    expect(await refusals(name, args, settings("write"), turn)).toEqual(ALL_PASS);
    expect(await refusals(name, args, settings("off"), turn)).toEqual([
      expect.stringMatching(/^not_allowed: The world state is closed/),
      expect.stringContaining("closed"),
      expect.stringContaining("closed"),
    ]);
  });

  it.each(WRITES)("writes by %s %j only where topicTurns is write, and inside a namespace", async (name, args) => {
    expect(await refusals(name, args, settings("write"), turn)).toEqual(ALL_PASS);
    expect(await refusals(name, args, settings("off"), turn)).toEqual(ALL_REFUSED);
    for (const reason of await refusals(name, args, settings("read"), turn)) expect(reason).toContain("may only read");
    for (const reason of await refusals(name, args, settings("write", {}), turn))
      expect(reason).toContain("none is configured");
  });

  it.each([...OUTSIDE, ...PREFIXES, ...OUTSIDE_PREFIXES])("never writes by %s %j", async (name, args) => {
    expect(await refusals(name, args, settings("write"), turn)).toEqual(ALL_REFUSED);
  });

  it.each(NEVER)("never uses %s %j", async (name, args) => {
    const reasons = await refusals(name, args, settings("write"), turn);
    for (const reason of reasons) expect(reason).toContain("not available during a turn that came from a topic");
  });

  it("reads by default, and does not write", async () => {
    const flux = { url: world.hub.url, namespace: "lab" };
    expect(await refusals("flux_get", { entity: "lab/x" }, flux, turn)).toEqual(ALL_PASS);
    expect(await refusals("flux_publish", { entity: "lab/x", properties: P }, flux, turn)).toEqual(ALL_REFUSED);
  });
});

describe("a turn that a watch started", () => {
  const turn = { watch: true } as const;

  it.each(READS)("reads by %s %j, whatever topicTurns says", async (name, args) => {
    for (const mode of ["off", "read", "write"] as const) {
      expect(await refusals(name, args, settings(mode), turn)).toEqual(ALL_PASS);
    }
  });

  it.each(WRITES)("writes by %s %j inside the namespace, and not without one", async (name, args) => {
    for (const mode of ["off", "read", "write"] as const) {
      expect(await refusals(name, args, settings(mode), turn)).toEqual(ALL_PASS);
    }
    for (const reason of await refusals(name, args, settings("write", {}), turn))
      expect(reason).toContain("none is configured");
  });

  it.each([...OUTSIDE, ...PREFIXES, ...OUTSIDE_PREFIXES])("never writes by %s %j", async (name, args) => {
    expect(await refusals(name, args, settings("write"), turn)).toEqual(ALL_REFUSED);
  });

  it.each(NEVER)("never uses %s %j", async (name, args) => {
    const reasons = await refusals(name, args, settings("write"), turn);
    for (const reason of reasons) expect(reason).toContain("not available during a turn that a watch started");
  });
});

describe("a turn of anybody else", () => {
  it.each([...OUTSIDE, ...OUTSIDE_PREFIXES])("is kept inside the namespace too: %s %j", async (name, args) => {
    const outcome = await agent.call(tool(name), args, { owner: true, flux: settings("read") });
    expect(errorOf(outcome)).toMatchObject({ code: "not_allowed", message: expect.stringContaining("outside lab/") });
  });

  it.each([...WRITES, ...PREFIXES])("may %s %j", async (name, args) => {
    await agent.call(tool("flux_publish"), { entity: "lab/x", properties: P });
    expect((await agent.call(tool(name), args, { flux: settings("off") })).isError).toBe(false);
  });

  it("writes anywhere where no namespace is configured", async () => {
    const outcome = await agent.call(tool("flux_publish"), { entity: "anywhere", properties: P });
    expect(outcome.isError).toBe(false);
  });

  it("is not asked by the hook", () => {
    const elsewhere = { requester: { channel: "telegram" }, sessionKey: "agent:main:main" };
    const config = { channels: { [CHANNEL_ID]: { agentId: "main", flux: settings("off") } } };
    for (const [name, args] of [...READS, ...WRITES, ...NEVER]) {
      expect(gateOwnTool({ toolName: name, params: args }, elsewhere, config)).toBeUndefined();
    }
  });
});

it("nothing has come out of all that but what was allowed", async () => {
  const { items } = await agent.client.list({}, never());
  expect(items.map(({ id }) => id).filter((id) => !id.startsWith("lab/"))).toEqual(["anywhere"]);
});

it("decides for every tool there is, and what is not to be used is not offered", () => {
  const rules = Object.fromEntries(
    TOOLS.filter(({ name }) => name.startsWith("flux_")).map(({ name, topicTurn }) => [name, topicTurn]),
  );
  expect(rules).toEqual({
    flux_publish: { world: "write" },
    flux_batch: { world: "write" },
    flux_get: { world: "read" },
    flux_list: { world: "read" },
    flux_history: { world: "read" },
    flux_delete: { world: "write" },
    flux_watch: "never",
    flux_unwatch: "never",
    flux_connectors: "never",
    flux_namespace: "never",
    flux_admin_config: "never",
  });
  const offered = (mode: Mode, more: object, turn: TopicTurn) =>
    Object.keys(rules).filter(
      (name) => whyNeverInTopicTurn(tool(name), agent.account(settings(mode, more)), turn) === undefined,
    );
  const reads = ["flux_get", "flux_list", "flux_history"];
  const both = ["flux_publish", "flux_batch", ...reads, "flux_delete"];
  expect(offered("off", FENCED, {})).toEqual([]);
  expect(offered("read", FENCED, {})).toEqual(reads);
  expect(offered("write", {}, {})).toEqual(reads);
  expect(offered("write", FENCED, {})).toEqual(both);
  expect(offered("off", {}, { watch: true })).toEqual(reads);
  expect(offered("off", FENCED, { watch: true })).toEqual(both);
});

it("every tool that writes says what", () => {
  for (const one of TOOLS) {
    const writes = typeof one.topicTurn === "object" && "world" in one.topicTurn && one.topicTurn.world === "write";
    expect([one.name, one.writes !== undefined]).toEqual([one.name, writes]);
  }
});

it("refusals repeat no more of an id than a line", () => {
  const long = `other/${"x".repeat(500)}\nsecond line`;
  expect(() => requireInsideNamespace([{ id: long }], "lab")).toThrow(/^"other\/x{1,80}/);
  try {
    requireInsideNamespace([{ id: long }], "lab");
  } catch (error) {
    expect((error as Error).message.length).toBeLessThan(220);
    expect((error as Error).message).not.toContain("\n");
  }
  const account = agent.account(settings("write"));
  expect(() => requireAllowedInTopicTurn(tool("flux_publish"), { entity: long }, account, {})).toThrow(/outside lab/);
});
