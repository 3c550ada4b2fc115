import { describe, expect, it } from "vitest";
import type { HostConfig } from "../../src/config/places.ts";
import type { ToolCall } from "../../src/guard/tools.ts";
import { gateToolCall } from "../../src/host/hooks.ts";

const cfg = (execPolicy?: object) => ({ channels: { agentrux: { execPolicy } } });
const topic = { requester: { channel: "agentrux", accountId: "default" } };
const exec = (params: Record<string, unknown>) => ({ toolName: "exec", params });
const places = (agentId: string) => ({
  workspace: `/nowhere/${agentId}`,
  homes: ["/nowhere"],
  open: [],
  openByName: [],
  closed: [],
  sealed: ["/nowhere/.agentrux"],
});
const gate = (call: ToolCall, origin: Parameters<typeof gateToolCall>[1], config: HostConfig) =>
  gateToolCall(call, origin, config, places);
const allowing = cfg({ enabled: true, allowedCommands: ["uptime"] });

describe("gateToolCall", () => {
  it("blocks exec for a topic turn by default", async () => {
    expect((await gate(exec({ command: "uptime" }), topic, cfg()))?.block).toBe(true);
  });

  it("lets an allowed command through, and nothing else", async () => {
    expect(await gate(exec({ command: "uptime" }), topic, allowing)).toBeUndefined();
    expect((await gate(exec({ command: "id" }), topic, allowing))?.block).toBe(true);
  });

  it("blocks an allowed command that widens where or how it runs", async () => {
    expect((await gate(exec({ command: "uptime", host: "node" }), topic, allowing))?.blockReason).toContain("host");
  });

  it("blocks commands on another machine, by the agent's own setting too", async () => {
    const elsewhere = (tools: object) => ({ ...allowing, ...tools });
    const call = exec({ command: "uptime" });
    const origin = { ...topic, agentId: "main" };
    expect((await gate(call, origin, elsewhere({ tools: { exec: { host: "node" } } })))?.block).toBe(true);
    const entries = { agents: { entries: { main: { tools: { exec: { host: "node" } } } } } };
    expect((await gate(call, origin, elsewhere(entries)))?.block).toBe(true);
    expect(await gate(call, origin, elsewhere({ tools: { exec: { host: "gateway" } } }))).toBeUndefined();
  });

  it("allows nothing while it is not proven whose policy counts", async () => {
    const origin = { requester: { channel: "agentrux" } };
    expect((await gate(exec({ command: "uptime" }), origin, allowing))?.block).toBe(true);
  });

  it("knows a topic turn by its session where the requester is not proven", async () => {
    const origin = { sessionKey: "agent:main:agentrux:group:0123" };
    expect((await gate(exec({ command: "uptime" }), origin, cfg()))?.block).toBe(true);
  });

  it("leaves the operator's own turns alone", async () => {
    expect(await gate(exec({ command: "rm x" }), { sessionKey: "agent:main:main" }, cfg())).toBeUndefined();
    expect(await gate(exec({ command: "rm x" }), { requester: { channel: "telegram" } }, cfg())).toBeUndefined();
  });

  it("keeps the files of a topic's turn where they belong, in the workspace of its agent", async () => {
    const read = (path: string) => ({ toolName: "read", params: { path } });
    const write = (path: string) => ({ toolName: "write", params: { path, content: "x" } });
    const own = { ...topic, agentId: "ops" };
    expect((await gate(read("~/.agentrux/credentials.json"), own, cfg()))?.block).toBe(true);
    expect(await gate(read("notes.md"), own, cfg())).toBeUndefined();
    expect((await gate(write("AGENTS.md"), own, cfg()))?.block).toBe(true);
    expect(await gate(write("/nowhere/ops/notes.md"), own, cfg())).toBeUndefined();
    expect((await gate(write("/nowhere/main/notes.md"), own, cfg()))?.block).toBe(true);
    expect(
      await gate(read("~/.agentrux/credentials.json"), { requester: { channel: "telegram" } }, cfg()),
    ).toBeUndefined();
  });

  it("leaves texts that our own tools publish alone", async () => {
    const call = { toolName: "agentrux_publish", params: { topic: "desk", payload: "~/.agentrux" } };
    expect(await gate(call, topic, cfg())).toBeUndefined();
  });

  it("blocks a patch of which it cannot tell the files", async () => {
    const call = { toolName: "apply_patch", params: { input: "x" } };
    expect((await gate(call, topic, cfg()))?.blockReason).toContain("names no file");
  });

  it("passes nothing where the host's folders cannot be told", async () => {
    const call = { toolName: "read", params: { path: "notes.md" } };
    const unknown = () => {
      throw new Error("no runtime");
    };
    await expect(gateToolCall(call, topic, cfg(), unknown)).rejects.toThrow("no runtime");
  });
});
