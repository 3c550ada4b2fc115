/** Who is known to be at work, from what the host and our own turns tell. */

import { beforeEach, describe, expect, it } from "vitest";
import { AgentActivity } from "../../src/flux/agent-activity.ts";
import { noteAgentEvent, showTurn, taskOfCommand, taskOfSession } from "../../src/host/agent-runs.ts";
import { nameWatchSession } from "../../src/host/watch-runs.ts";
import type { Command, TurnResult } from "../../src/replies/turn.ts";
import { FakeClock } from "../promises/support/fake-clock.ts";

let clock: FakeClock;
let activity: AgentActivity;

beforeEach(() => {
  clock = new FakeClock();
  activity = new AgentActivity(clock);
});

const lifecycle = (runId: string, phase: string, rest: object = {}, data: object = {}) =>
  noteAgentEvent(activity, { runId, stream: "lifecycle", data: { phase, ...data }, ...rest });

const topicSession = "agent:main:agentrux:group:0123abcd";
const command = (requestId: string) => ({ requestId, message: "THE-MARKER-TEXT" }) as Command;
const turn = (result: TurnResult | Error, during: () => void = () => undefined, requestId = "r-1") =>
  showTurn(activity, "main", { address: "cmd:1~1", command: command(requestId) }, async () => {
    await clock.advance(2_000);
    during();
    if (result instanceof Error) throw result;
    return result;
  });

describe("an agent", () => {
  it("is idle until a run begins, busy until its last run ends", async () => {
    expect(activity.of("main")).toEqual({ status: "idle", since: clock.now() });
    await clock.advance(1_000);
    lifecycle("a", "start", { agentId: "main", sessionKey: "agent:main:main" });
    const begun = clock.now();
    await clock.advance(1_000);
    lifecycle("b", "start", { sessionKey: "agent:main:cron:nightly" });
    lifecycle("a", "end");
    expect(activity.of("main")).toMatchObject({ status: "busy", task: "schedule", since: begun });
    await clock.advance(500);
    lifecycle("b", "error", {}, { error: "THE-MARKER-TEXT" });
    expect(activity.of("main")).toEqual({
      status: "idle",
      since: clock.now(),
      lastRun: { at: clock.now(), outcome: "failed", durationMs: 500 },
    });
    expect(activity.of("other").status).toBe("idle");
  });

  it("goes on being busy where a run is taken up again after a failed attempt", () => {
    lifecycle("a", "start", { agentId: "main" });
    lifecycle("a", "error");
    lifecycle("a", "start", { agentId: "main" });
    lifecycle("a", "finishing");
    expect(activity.of("main")).toMatchObject({ status: "busy", lastRun: { outcome: "failed" } });
    lifecycle("a", "end", {}, { aborted: true });
    expect(activity.of("main")).toMatchObject({ status: "idle", lastRun: { outcome: "stopped" } });
  });

  it("is not busy for ever over a run whose end was never told, and is as long as it gives a sign", async () => {
    lifecycle("lost", "start", { agentId: "main" });
    for (let hour = 0; hour < 3; hour++) {
      await clock.advance(3_600_000);
      noteAgentEvent(activity, { runId: "lost", stream: "tool", data: {} });
      expect(activity.of("main").status).toBe("busy");
    }
    await clock.advance(2 * 3_600_000 + 1);
    expect(activity.of("main")).toMatchObject({ status: "idle" });
    expect(activity.of("main").lastRun).toBeUndefined();
  });

  it("is told apart by its session where the host does not name it, and left out where nothing does", () => {
    lifecycle("a", "start", { sessionKey: "agent:helper:subagent:1" });
    lifecycle("b", "start");
    expect(activity.of("helper")).toMatchObject({ status: "busy", task: "sub-agent" });
    expect(activity.of("main").status).toBe("idle");
  });
});

describe("a turn of ours", () => {
  it.each<[TurnResult | Error, string | undefined]>([
    [{ kind: "replied", text: "x", media: [] }, "completed"],
    [{ kind: "silent" }, "completed"],
    [{ kind: "failed", reason: "THE-MARKER-TEXT" }, "failed"],
    [new Error("THE-MARKER-TEXT"), "failed"],
    [{ kind: "timeout" }, "timeout"],
    [{ kind: "not-started", reason: "aborted" }, "stopped"],
    [{ kind: "not-started", reason: "draining" }, undefined],
    [{ kind: "refused", reason: "loop_budget" }, undefined],
    [{ kind: "swallowed" }, undefined],
  ])("that ends with %j is %s", async (result, outcome) => {
    let during: object = {};
    await turn(result, () => (during = activity.of("main"))).catch(() => undefined);
    expect(during).toMatchObject({ status: "busy", task: "request r-1" });
    const after = activity.of("main");
    expect(after.status).toBe("idle");
    expect(after.lastRun).toEqual(outcome === undefined ? undefined : { at: clock.now(), outcome, durationMs: 2_000 });
    expect(JSON.stringify([during, after])).not.toContain("THE-MARKER-TEXT");
  });

  it("counts once: the host's word of the same run adds nothing and ends nothing", async () => {
    await turn({ kind: "timeout" }, () => {
      lifecycle("host", "start", { sessionKey: topicSession });
      expect(activity.of("main")).toMatchObject({ status: "busy", task: "request r-1" });
    });
    expect(activity.of("main").status).toBe("idle");
    lifecycle("host", "end", {}, { aborted: true });
    expect(activity.of("main").lastRun?.outcome).toBe("timeout");
  });

  it("is seen by the host's word where the host runs it by itself, as after a crash", () => {
    lifecycle("resumed", "start", { sessionKey: topicSession });
    expect(activity.of("main")).toMatchObject({ status: "busy", task: "request" });
  });
});

describe("a task", () => {
  it("shows a request's id only where it is a name", () => {
    expect(taskOfCommand({ requestId: "req_1.a:b-2" })).toBe("request req_1.a:b-2");
    for (const requestId of ["tell everybody that", "a\nb", "x".repeat(65), "<b>", ""]) {
      expect(taskOfCommand({ requestId })).toBe("request");
    }
    expect(taskOfCommand({ requestId: "r", isNotice: true })).toBe("event");
    expect(taskOfCommand({ requestId: "r", isNotice: true, watch: "heat" })).toBe("watch heat");
  });

  it("shows nothing of a session's key but its kind", () => {
    nameWatchSession("agent:main:agentrux:group:watched");
    const kinds = {
      "agent:main:main": "conversation",
      "agent:main:whatsapp:direct:+4912345": "conversation",
      "agent:main:cron:pay-rent:run:7": "schedule",
      "cron:pay-rent": "schedule",
      "agent:main:subagent:1": "sub-agent",
      [topicSession]: "request",
      "agent:main:agentrux:group:watched": "watch",
      "": "conversation",
    };
    for (const [key, kind] of Object.entries(kinds)) expect(taskOfSession(key)).toBe(kind);
    expect(taskOfSession(undefined)).toBe("conversation");
  });
});
