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

  it.each(["workdir", "env", "host", "elevated", "pty", "background", "node", "security", "ask"])(
    "blocks an allowed command that sets %s",
    (name) => {
      expect(gateToolCall(exec({ command: "uptime", [name]: "x" }), topic, allowing)?.blockReason).toContain(name);
    },
  );

  it("knows a topic turn by its session where the requester is not proven", () => {
    const origin = { sessionKey: "agent:main:agentrux:group:0123" };
    expect(gateToolCall(exec({ command: "uptime" }), origin, cfg())?.block).toBe(true);
  });

  it("leaves the operator's own turns alone", () => {
    expect(gateToolCall(exec({ command: "rm x" }), { sessionKey: "agent:main:main" }, cfg())).toBeUndefined();
    expect(gateToolCall(exec({ command: "rm x" }), { requester: { channel: "telegram" } }, cfg())).toBeUndefined();
  });
});
