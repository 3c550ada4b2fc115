import { describe, expect, it } from "vitest";
import { gateToolCall } from "../../src/host/hooks.ts";

const cfg = (execPolicy?: object) => ({ channels: { agentrux: { execPolicy } } });
const topic = { requester: { channel: "agentrux", accountId: "default" } };
const exec = (params: Record<string, unknown>) => ({ toolName: "exec", params });
const allowing = cfg({ enabled: true, allowedCommands: ["uptime"] });

describe("gateToolCall", () => {
  it("blocks exec for a topic turn by default", () => {
    expect(gateToolCall(exec({ command: "uptime" }), topic, cfg())?.block).toBe(true);
  });

  it("lets an allowed command through, and nothing else", () => {
    expect(gateToolCall(exec({ command: "uptime" }), topic, allowing)).toBeUndefined();
    expect(gateToolCall(exec({ command: "id" }), topic, allowing)?.block).toBe(true);
  });

  it("blocks an allowed command that widens where or how it runs", () => {
    expect(gateToolCall(exec({ command: "uptime", host: "node" }), topic, allowing)?.blockReason).toContain("host");
  });

  it("blocks commands on another machine, by the agent's own setting too", () => {
    const elsewhere = (tools: object) => ({ ...allowing, ...tools });
    const call = exec({ command: "uptime" });
    const origin = { ...topic, agentId: "main" };
    expect(gateToolCall(call, origin, elsewhere({ tools: { exec: { host: "node" } } }))?.block).toBe(true);
    const entries = { agents: { entries: { main: { tools: { exec: { host: "node" } } } } } };
    expect(gateToolCall(call, origin, elsewhere(entries))?.block).toBe(true);
    expect(gateToolCall(call, origin, elsewhere({ tools: { exec: { host: "gateway" } } }))).toBeUndefined();
  });

  it("allows nothing while it is not proven whose policy counts", () => {
    const origin = { requester: { channel: "agentrux" } };
    expect(gateToolCall(exec({ command: "uptime" }), origin, allowing)?.block).toBe(true);
  });

  it("knows a topic turn by its session where the requester is not proven", () => {
    const origin = { sessionKey: "agent:main:agentrux:group:0123" };
    expect(gateToolCall(exec({ command: "uptime" }), origin, cfg())?.block).toBe(true);
  });

  it("leaves the operator's own turns alone", () => {
    expect(gateToolCall(exec({ command: "rm x" }), { sessionKey: "agent:main:main" }, cfg())).toBeUndefined();
    expect(gateToolCall(exec({ command: "rm x" }), { requester: { channel: "telegram" } }, cfg())).toBeUndefined();
  });
});
