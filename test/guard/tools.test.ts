import { describe, expect, it } from "vitest";
import { DENIED_TOOLS, whyRefused } from "../../src/guard/tools.ts";

const on = { enabled: true, allowedCommands: ["uptime"] };
const here = { platform: "linux" };
const exec = (params: Record<string, unknown>, toolName = "exec") => ({ toolName, params });

describe("whyRefused", () => {
  it.each(DENIED_TOOLS)("never lets a topic use %s", (toolName) => {
    expect(whyRefused({ toolName, params: {} }, on, here)).toContain(toolName);
  });

  it("knows a tool whatever way its name is written", () => {
    expect(whyRefused({ toolName: " Sessions-Spawn ", params: {} }, on, here)).toBeDefined();
  });

  it.each(["read", "write", "web_fetch", "agentrux_publish", "flux_read"])("leaves %s alone", (toolName) => {
    expect(whyRefused({ toolName, params: { command: "rm x" } }, on, here)).toBeUndefined();
  });

  it.each(["exec", "bash", "shell", "Bash", "gateway_exec", "node-exec"])("holds %s to the policy", (toolName) => {
    expect(whyRefused(exec({ command: "uptime" }, toolName), on, here)).toBeUndefined();
    expect(whyRefused(exec({ command: "id" }, toolName), on, here)).toBeDefined();
    expect(whyRefused(exec({ command: "uptime" }, toolName), { ...on, enabled: false }, here)).toBeDefined();
  });

  it.each([
    "workdir",
    "env",
    "host",
    "elevated",
    "pty",
    "background",
    "node",
    "security",
    "ask",
    "stdin",
    "__proto__x",
  ])("refuses an allowed command that sets %s", (name) => {
    expect(whyRefused(exec({ command: "uptime", [name]: "x" }), on, here)).toContain(name);
  });

  it.each([0, -1, 100_000, Number.NaN, "5", null])("refuses a command that may run for ever: %j", (timeoutSeconds) => {
    expect(whyRefused(exec({ command: "uptime", timeoutSeconds: timeoutSeconds ?? 0 }), on, here)).toMatch(/timeout/);
  });

  it("takes what a plain exec call carries", () => {
    const params = { command: "uptime", title: "Uptime", timeoutSeconds: 30, yieldMs: 1_000, workdir: undefined };
    expect(whyRefused(exec(params), on, here)).toBeUndefined();
  });

  it("refuses where the shell is none it can read", () => {
    expect(whyRefused(exec({ command: "uptime" }), on, { platform: "win32" })).toMatch(/POSIX/);
    expect(whyRefused(exec({ command: "uptime" }), on, { platform: "linux", host: "node" })).toMatch(/machines/);
  });

  it("refuses programs in place of a command line", () => {
    const call = { toolName: "exec", toolKind: "code_mode_exec", params: { command: "uptime" } };
    expect(whyRefused(call, on, here)).toMatch(/code mode/);
  });

  it("lets message answer the request, and reach nobody else", () => {
    const message = (params: Record<string, unknown>) => whyRefused({ toolName: "message", params }, on, here);
    expect(message({ action: "send", message: "x" })).toBeUndefined();
    expect(message({ channel: "agentrux", target: "agentrux:cmd:0a~1", to: "" })).toBeUndefined();
    expect(message({ target: "telegram:1" })).toContain("target");
    expect(message({ channel: "telegram" })).toContain("channel");
    expect(message({ targets: ["cmd:0a~1", "telegram:1"] })).toContain("targets");
    expect(message({ accountId: "other" })).toContain("accountId");
  });
});
