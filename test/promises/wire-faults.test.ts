/**
 * Faults on the wire between an account and a real hub. Each is one flow: commands are published while something is
 * wrong with the way, the way is mended, and a checker that knows nothing of the fault looks at what came of it.
 */

import { mkdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import { grant, revokeGrant } from "../../hub/src/admin/operations.ts";
import type { AccountState } from "../../src/account/state.ts";
import { echo, Place, type Turn } from "../account/support.ts";
import { AccountChild } from "../support/account-process.ts";
import { type Asked, violations, wholeTopic } from "../support/checker.ts";
import { type Fault, httpAnswer, Proxy } from "../support/proxy.ts";
import { allAnswered, ask, busiestSecond, Flow, type FlowOptions, until } from "../support/wire-flow.ts";

const DAY_MS = 86_400_000;
/** Two minutes in the long run. */
const SUSPENDED_MS = Number(process.env["SUSPEND_MS"] ?? 8_000);
/** Waits of the account that only a person would end become seconds. */
const FAST = 20;
/** Waits between attempts become short, and are still long beside the time a request takes. */
const BRISK = 4;
/** Short enough for a test, long enough for a busy machine. */
const IMPATIENT = { headersMs: 1_500, bodyIdleMs: 1_500, totalMs: 2_500 } as const;

/** What a service answers when it says no, in the words of either generation. */
function no(status: number, code: string, headers: Readonly<Record<string, string>> = {}): string {
  const said = { code, message: `scripted ${code}` };
  return httpAnswer(status, JSON.stringify({ error: said, detail: { error: code, message: said.message } }), headers);
}

const PAGE = "<!doctype html><html><head><title>Blocked</title></head><body>secret-path</body></html>";
const page = (status: number): string => httpAnswer(status, PAGE, { "content-type": "text/html" });
const instead = (text: string): Fault => ({ kind: "answer", text });
const afterwards = (text: string): Fault => ({ kind: "answer", text, afterwards: true });

vi.setConfig({ testTimeout: 90_000 + SUSPENDED_MS });

async function withFlow(options: FlowOptions, act: (flow: Flow) => Promise<void>): Promise<void> {
  const flow = await Flow.start(options);
  try {
    await act(flow);
  } finally {
    await flow.close();
  }
}

/** Everything asked is answered once and in order, and the account is well. */
const KEPT = { violations: [], state: { kind: "ready" } };

/** What came of a flow, once there is nothing left to do. */
async function outcome(flow: Flow): Promise<{ violations: readonly string[]; state: AccountState | undefined }> {
  await flow.settled();
  return { violations: await flow.verdict(), state: flow.running.state };
}

describe.concurrent("a slow or silent way", () => {
  describe.each(["a", "b"] as const)("in generation %s", (generation) => {
    it("latency of 200 ms", () =>
      withFlow({ generation }, async (flow) => {
        flow.proxy.harm(flow.everything, { kind: "delay", ms: 200 });
        await flow.ask(12);
        expect(await outcome(flow)).toEqual(KEPT);
      }));
  });

  const lively = { silenceMs: 1_500, baseMs: 50, capMs: 200 };

  it("a half-open stream is noticed by its silence, with no poll to help", () =>
    withFlow({ settings: { pollIntervalMs: 3_600_000 }, service: { stream: lively } }, async (flow) => {
      await flow.ask(6);
      await flow.settled();
      await until("a stream is open", () => flow.proxy.freeze(flow.streams) > 0);
      await flow.ask(12);
      expect(await outcome(flow)).toEqual(KEPT);
      expect(flow.running.lines.filter((line) => line.includes("the stream fell silent"))).not.toEqual([]);
    }));

  it("every connection half-open", () =>
    withFlow({ rate: BRISK, service: { timeouts: IMPATIENT, stream: lively } }, async (flow) => {
      const rule = flow.proxy.harm(flow.everything, { kind: "swallow" });
      flow.proxy.freeze(flow.everything);
      await flow.ask(12);
      expect(await flow.troubled("recovering")).toMatch(/fell silent|took too long/);
      await flow.bitten(rule, 4);
      rule.lift();
      expect(await outcome(flow)).toEqual(KEPT);
    }));

  it("every connection refused", () =>
    withFlow({ rate: BRISK }, async (flow) => {
      const rule = flow.proxy.harm(flow.everything, { kind: "refuse" });
      await flow.ask(12);
      expect(await flow.troubled("recovering")).toContain("the connection broke");
      await flow.bitten(rule, 4);
      rule.lift();
      expect(await outcome(flow)).toEqual(KEPT);
    }));

  it("a page that trickles in is read unharmed, one that never ends is given up", () =>
    withFlow({ rate: BRISK, service: { timeouts: { totalMs: 4_000 } } }, async (flow) => {
      const gentle = flow.proxy.harm(flow.pulls, { kind: "trickle", everyMs: 0 }, 3);
      await flow.ask(2);
      await flow.bitten(gentle, 3);
      await flow.settled();
      flow.proxy.harm(flow.pulls, { kind: "trickle", everyMs: 200 }, 2);
      await flow.ask(12);
      expect(await flow.troubled("recovering")).toContain("took too long");
      expect(await outcome(flow)).toEqual(KEPT);
    }));
});

describe.concurrent("pulling", () => {
  const passing: readonly (readonly [string, Fault, RegExp])[] = [
    ["a reset in mid-body", { kind: "reset", afterBytes: 9 }, /the connection broke/],
    ["a truncated body", { kind: "truncate", afterBytes: 9 }, /the connection broke|not a valid HTTP answer/],
    ["half a JSON document", instead(httpAnswer(200, '{"items":[{"event_id":"0198')), /not JSON/],
    ["a page of the wrong shape", instead(httpAnswer(200, '{"items":{"events":7}}')), /lacks or misstates/],
    ["500", instead(no(500, "INTERNAL")), /HTTP 500/],
    ["502 as HTML", instead(page(502)), /HTTP 502/],
    ["503", instead(no(503, "INTERNAL")), /HTTP 503/],
    ["504 without a body", instead(httpAnswer(504, "")), /HTTP 504/],
    ["an HTML 403 page", instead(page(403)), /HTTP 403 from something in front of the service/],
    ["an HTML page with 200", instead(page(200)), /not JSON/],
    ["a redirect", instead(httpAnswer(302, "", { location: "http://127.0.0.1:9/" })), /HTTP 302, a redirect/],
  ];

  describe.each(passing)("%s", (_name, fault, reason) => {
    it("passes", () =>
      withFlow({ rate: BRISK, generation: "b" }, async (flow) => {
        const rule = flow.proxy.harm(flow.pulls, fault, 4);
        await flow.ask(10);
        await flow.bitten(rule, 4);
        const told = await flow.troubled("recovering");
        expect(told).toMatch(reason);
        expect(told).not.toContain("secret-path");
        expect(await outcome(flow)).toEqual(KEPT);
      }));
  });

  const lasting: readonly (readonly [string, number, string])[] = [
    ["401", 401, "UNAUTHORIZED"],
    ["403", 403, "FORBIDDEN"],
    ["404", 404, "NOT_FOUND"],
    ["409", 409, "CONFLICT"],
    ["413", 413, "PAYLOAD_TOO_LARGE"],
  ];

  describe.each(lasting)("%s", (_name, status, code) => {
    it("is told as something to mend, and tried on", () =>
      withFlow({ rate: FAST }, async (flow) => {
        const rule = flow.proxy.harm(flow.pulls, instead(no(status, code)), 3);
        await flow.ask(10);
        expect(await flow.troubled("blocked")).toContain(`HTTP ${status}`);
        await flow.bitten(rule, 3);
        expect(await outcome(flow)).toEqual(KEPT);
      }));
  });

  it("a grant that is revoked and given again", () =>
    withFlow({ rate: FAST }, async (flow) => {
      const { hub, agentScript, keys } = flow.place;
      await flow.ask(6);
      await flow.settled();
      for (const { id } of await hub.deps.store.scripts.grants(agentScript)) await revokeGrant(hub.deps, id);
      await flow.ask(12);
      expect(await flow.troubled("blocked")).toContain("HTTP 403");
      await grant(hub.deps, agentScript, keys.commandTopicId, "read");
      await grant(hub.deps, agentScript, keys.resultTopicId, "write");
      expect(await outcome(flow)).toEqual(KEPT);
    }));
});

describe.concurrent("storms", () => {
  it("429 on every pull: what Retry-After asks for is waited", () =>
    withFlow({}, async (flow) => {
      const rule = flow.proxy.harm(flow.pulls, instead(no(429, "RATE_LIMITED", { "retry-after": "1" })));
      await flow.ask(10);
      await flow.bitten(rule, 4);
      rule.lift();
      expect(await flow.troubled("recovering")).toContain("HTTP 429");
      const gaps = rule.hits.slice(1).map(({ at }, index) => at - (rule.hits[index]?.at ?? 0));
      // A timer may fire a hair before its time.
      expect(Math.min(...gaps)).toBeGreaterThan(990);
      expect(await outcome(flow)).toEqual(KEPT);
    }));

  it("429 on every publish: one answer quiets all conversations", () =>
    withFlow({ generation: "b", conversations: 12 }, async (flow) => {
      const rule = flow.proxy.harm(flow.publishes, instead(no(429, "RATE_LIMITED", { "retry-after": "1" })));
      await flow.ask(12);
      await flow.bitten(rule, 8);
      rule.lift();
      // As many as may be under way when the first one is turned away.
      expect(busiestSecond(rule)).toBeLessThanOrEqual(4);
      expect(await outcome(flow)).toEqual(KEPT);
    }));

  it("503 on every token call: all who need a token wait together", async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const turn: Turn = async (request, signal) => {
      await held;
      return await echo(request, signal);
    };
    await withFlow({ rate: 2, turn, conversations: 6 }, async (flow) => {
      await flow.ask(6);
      await until("every turn runs", () => flow.running.turns.length === 6);
      const rule = flow.proxy.harm(flow.tokens, instead(no(503, "INTERNAL")));
      flow.proxy.harm(flow.pulls, instead(no(401, "UNAUTHORIZED")), 1);
      flow.proxy.freeze(flow.streams);
      await flow.ask(6);
      await flow.bitten(rule, 1);
      release();
      await flow.pass(8_000);
      rule.lift();
      expect(rule.hits.length).toBeLessThanOrEqual(10);
      expect(await flow.troubled("recovering")).toContain("HTTP 503");
      expect(await outcome(flow)).toEqual(KEPT);
    });
  });

  it("503 everywhere", () =>
    withFlow({ rate: 2 }, async (flow) => {
      const everything = flow.proxy.harm(flow.everything, instead(no(503, "INTERNAL")));
      flow.proxy.cut(flow.everything);
      await flow.ask(10);
      await flow.bitten(everything, 2);
      await flow.pass(3_000);
      everything.lift();
      expect(await flow.troubled("recovering")).toContain("HTTP 503");
      expect(busiestSecond(everything)).toBeLessThanOrEqual(15);
      expect(await outcome(flow)).toEqual(KEPT);
    }));

  describe.each(["a", "b"] as const)("in generation %s", (generation) => {
    it("401 everywhere does not spend the budget for tokens", () =>
      withFlow({ generation, rate: FAST }, async (flow) => {
        const tokensBefore = flow.proxy.seen.filter(flow.tokens).length;
        const rejected = flow.proxy.harm((request) => !flow.tokens(request), instead(no(401, "UNAUTHORIZED")));
        flow.proxy.freeze(flow.streams);
        await flow.ask(10);
        expect(await flow.troubled("blocked")).toContain("HTTP 401");
        await flow.pass(40_000);
        rejected.lift();
        const asked = flow.proxy.seen.filter(flow.tokens).length - tokensBefore;
        expect(asked).toBeGreaterThan(0);
        expect(asked).toBeLessThanOrEqual(10);
        expect(busiestSecond(rejected)).toBeLessThanOrEqual(15);
        expect(await outcome(flow)).toEqual(KEPT);
      }));
  });
});

/** The ways in which a reply that may have arrived can be told from one that has not. */
const SERVERS: readonly (readonly [string, FlowOptions])[] = [
  ["in generation A, which does not heed keys, by looking at the result topic", { generation: "a" }],
  ["in generation B, by the key", { generation: "b" }],
];
const HEEDING_A: FlowOptions = { generation: "a", heedsKeys: true };

const STORED: readonly (readonly [string, Fault])[] = [
  ["a reset in the answer", { kind: "reset", afterBytes: 5 }],
  ["a truncated answer", { kind: "truncate", afterBytes: 5 }],
  ["half an answer in JSON", afterwards(httpAnswer(201, '{"event_id":"01'))],
  ["502 as HTML", afterwards(page(502))],
  ["504", afterwards(no(504, "INTERNAL"))],
  ["a conflict of the key", afterwards(no(409, "IDEMPOTENCY_CONFLICT"))],
];

describe.concurrent.each([
  ...SERVERS,
  ["in generation A with a server that heeds keys, where results cannot be read", HEEDING_A] as const,
])("a reply that is stored unknown to us, %s", (_server, server) => {
  describe.each(STORED)("%s", (_name, fault) => {
    it("is not doubled", () =>
      withFlow({ ...server, rate: BRISK }, async (flow) => {
        const rule = flow.proxy.harm(flow.publishes, fault, 6);
        await flow.ask(12);
        await flow.bitten(rule, 6);
        expect(await outcome(flow)).toEqual(KEPT);
      }));
  });
});

describe.concurrent("a reply that is stored unknown to us, with many after it", () => {
  it.each([
    ["by a right clock", 0],
    ["by a clock a day ahead", DAY_MS],
    ["by a clock a day behind", -DAY_MS],
  ])("is found, %s", (_name, offMs) =>
    withFlow({ rate: BRISK, conversations: 8 }, async (flow) => {
      flow.clock.wallOffsetMs = offMs;
      const lost = flow.proxy.harm(flow.publishes, { kind: "reset", afterBytes: 5 }, 1);
      const hidden = flow.proxy.harm(flow.lookUps, { kind: "refuse" });
      await flow.ask(1);
      await flow.bitten(lost, 1);
      await flow.askOthers(230);
      await until("many others are answered", async () => (await flow.replies()).length > 230);
      hidden.lift();
      expect(await outcome(flow)).toEqual(KEPT);
    }),
  );
});

describe.concurrent.each(SERVERS)("publishing replies, %s", (_server, server) => {
  const faults: readonly (readonly [string, Fault, number])[] = [
    ["a connection reset before the request arrives", { kind: "refuse" }, BRISK],
    ["500", instead(no(500, "INTERNAL")), BRISK],
    ["503", instead(no(503, "INTERNAL")), BRISK],
    ["an HTML 403 page", instead(page(403)), BRISK],
    ["401", instead(no(401, "UNAUTHORIZED")), FAST],
    ["403", instead(no(403, "FORBIDDEN")), FAST],
    ["404", instead(no(404, "NOT_FOUND")), FAST],
    ["a conflict that has nothing to do with the key", instead(no(409, "CONFLICT")), FAST],
  ];

  describe.each(faults)("%s", (_name, fault, rate) => {
    it("loses no reply and doubles none", () =>
      withFlow({ ...server, rate }, async (flow) => {
        const rule = flow.proxy.harm(flow.publishes, fault, 6);
        await flow.ask(12);
        await flow.bitten(rule, 6);
        expect(await outcome(flow)).toEqual(KEPT);
      }));
  });

  it("413: the requester is told so, once", () =>
    withFlow({ ...server, rate: BRISK }, async (flow) => {
      const rule = flow.proxy.harm(flow.publishes, instead(no(413, "PAYLOAD_TOO_LARGE")), 1);
      await flow.ask(1, "failed");
      await flow.bitten(rule, 1);
      await flow.settled();
      await flow.ask(9);
      expect(await outcome(flow)).toEqual(KEPT);
    }));

  it("an answer that never comes", () =>
    withFlow({ ...server, rate: BRISK, service: { timeouts: IMPATIENT } }, async (flow) => {
      const rule = flow.proxy.harm(flow.publishes, { kind: "swallow" }, 3);
      await flow.ask(12);
      await flow.bitten(rule, 3);
      expect(await outcome(flow)).toEqual(KEPT);
    }));

  it("a long reply that breaks in several places arrives in order, once, with one end", () =>
    withFlow(
      {
        ...server,
        rate: BRISK,
        turn: async (request, signal) => {
          const short = await echo(request, signal);
          return short.kind === "replied" ? { ...short, text: short.text + "長".repeat(150_000) } : short;
        },
      },
      async (flow) => {
        const lost = flow.proxy.harm(flow.publishes, { kind: "reset", afterBytes: 5 }, 3);
        const unsent = flow.proxy.harm(flow.publishes, { kind: "refuse" }, 3);
        await flow.ask(5);
        await flow.bitten(lost, 3);
        await flow.bitten(unsent, 3);
        expect(await outcome(flow)).toEqual(KEPT);
      },
    ));

  it("a reply stored unknown to us before a restart", () =>
    withFlow({ ...server, rate: BRISK }, async (flow) => {
      const lost = flow.proxy.harm(flow.publishes, { kind: "reset", afterBytes: 5 }, 3);
      const closed = flow.proxy.harm(flow.publishes, { kind: "refuse" });
      flow.proxy.harm(flow.lookUps, { kind: "refuse" }, 3);
      await flow.ask(9);
      await flow.bitten(lost, 3);
      await flow.bitten(closed, 1);
      const restarted = flow.restart();
      closed.lift();
      await restarted;
      expect(await outcome(flow)).toEqual(KEPT);
    }));
});

describe.concurrent("tokens", () => {
  describe.each(["a", "b"] as const)("in generation %s", (generation) => {
    it("token calls that break in mid-answer", () =>
      withFlow({ generation, rate: BRISK }, async (flow) => {
        flow.proxy.harm(flow.pulls, instead(no(401, "UNAUTHORIZED")), 1);
        const rule = flow.proxy.harm(flow.tokens, { kind: "reset", afterBytes: 9 }, 2);
        await flow.ask(10);
        await flow.bitten(rule, 2);
        expect(await flow.troubled("recovering")).toContain("the connection broke");
        expect(await outcome(flow)).toEqual(KEPT);
      }));
  });
});

describe.concurrent("the wall clock jumps by a day", () => {
  describe.each([
    ["ahead", DAY_MS],
    ["back", -DAY_MS],
  ])("%s", (_name, jumpMs) => {
    it("in mid-flow, and over a restart with replies that wait", () =>
      withFlow({ rate: FAST }, async (flow) => {
        const first = flow.proxy.harm(flow.publishes, instead(no(503, "INTERNAL")), 6);
        await flow.ask(6);
        await flow.bitten(first, 3);
        flow.clock.wallOffsetMs += jumpMs;
        await flow.ask(6);
        await flow.settled();

        const second = flow.proxy.harm(flow.publishes, instead(no(503, "INTERNAL")));
        await flow.ask(6);
        await flow.bitten(second, 3);
        const restarted = flow.restart();
        flow.clock.wallOffsetMs += jumpMs;
        await restarted;
        second.lift();
        await flow.ask(3);
        expect(await outcome(flow)).toEqual(KEPT);
        expect(flow.proxy.seen.filter(flow.tokens).length).toBeLessThanOrEqual(4);
      }));
  });
});

describe.concurrent("a suspended process", () => {
  it("takes up where it was, and nothing is lost or doubled", async () => {
    const place = await Place.create();
    await grant(place.hub.deps, place.agentScript, place.keys.resultTopicId, "read");
    const monotonic = (): number => performance.now();
    const proxy = await Proxy.start(place.hub.url, { monotonic, drop: ["idempotency-key"] });
    // Slow enough that requests are under way whenever the process stops.
    proxy.harm(() => true, { kind: "delay", ms: 40 });
    await mkdir(place.paths.dir, { recursive: true, mode: 0o700 });
    await place.drop(await place.code("a"));
    const child = await AccountChild.start(place.dir, {
      directory: place.paths.dir,
      channel: { ...place.keys, baseUrl: proxy.url, pollIntervalMs: 1_000 },
      // Every limit runs out while it sleeps.
      service: { timeouts: IMPATIENT, stream: { silenceMs: 4_000 } },
    });
    try {
      const asked: Asked[] = [];
      await until("it is ready", () => child.states.at(-1)?.kind === "ready");
      await ask(place, asked, 20);
      await until("it has begun to answer", async () => (await place.replies()).length > 0);
      child.signal("SIGSTOP");
      await ask(place, asked, 10);
      await sleep(SUSPENDED_MS);
      child.signal("SIGCONT");
      await until("everything is answered", () => allAnswered(place, asked));
      await until("it is ready again", () => child.states.at(-1)?.kind === "ready");
      expect(child.states.filter(({ kind }) => kind === "blocked")).toEqual([]);
      expect(await child.stop()).toBe(0);
      expect(violations(asked, await wholeTopic(place.client, place.keys.resultTopicId))).toEqual([]);
    } finally {
      await child.stop();
      await place.close();
      await proxy.close();
    }
  });
});
