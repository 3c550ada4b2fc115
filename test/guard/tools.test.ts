import { describe, expect, it } from "vitest";
import { DENIED_TOOLS, whyRefused } from "../../src/guard/tools.ts";

/** Written out once more: a name that falls out of the list is a door that opens. */
const NEVER = [
  ..."process code_execution terminal computer mobile_ui nodes screen portal gateway cron automations plugins".split(
    " ",
  ),
  ..."openclaw secrets skill_workshop theme dashboard sessions sessions_list sessions_history sessions_search".split(
    " ",
  ),
  ..."sessions_send sessions_spawn sessions_yield subagents agents_wait conversations_list conversations_send".split(
    " ",
  ),
  ..."conversations_turn suggest_task dismiss_task ask_user github_identity_status github_publish".split(" "),
  ..."show_widget session_status browser canvas agents_list transcripts heartbeat_respond intent onepassword".split(
    " ",
  ),
  ..."file_fetch file_write dir_fetch dir_list node_inference crabbox talk_voice wiki_apply wiki_lint".split(" "),
];

const on = { enabled: true, allowedCommands: ["uptime"] };
const here = { platform: "linux" };
const exec = (params: Record<string, unknown>, toolName = "exec") => ({ toolName, params });

describe("whyRefused", () => {
  it.each(NEVER)("never lets a topic use %s", (toolName) => {
    expect(whyRefused({ toolName, params: {} }, on, here)).toContain(toolName);
    // The host leaves it out of the turn by the same list.
    expect(DENIED_TOOLS).toContain(toolName);
  });

  it("never lets a topic use any tool of a kind", () => {
    for (const toolName of ["workboard_dispatch", "workboard_of_tomorrow", "Workboard-Move"]) {
      expect(whyRefused({ toolName, params: {} }, on, here)).toContain("workboard_");
    }
    // The host reads the same pattern.
    expect(DENIED_TOOLS).toContain("workboard_*");
    expect(whyRefused({ toolName: "workboard", params: {} }, on, here)).toBeUndefined();
  });

  it("knows a tool whatever way its name is written", () => {
    expect(whyRefused({ toolName: " Sessions-Spawn ", params: {} }, on, here)).toBeDefined();
  });

  it.each(["read", "write", "web_fetch", "agentrux_publish", "flux_read"])("leaves %s alone", (toolName) => {
    expect(whyRefused({ toolName, params: { command: "rm x" } }, on, here)).toBeUndefined();
  });

  it.each(["exec", "bash", "shell", "Bash", "gateway_exec", "node-exec", "local_shell"])(
    "holds %s to the policy",
    (toolName) => {
      expect(whyRefused(exec({ command: "uptime" }, toolName), on, here)).toBeUndefined();
      expect(whyRefused(exec({ command: "id" }, toolName), on, here)).toBeDefined();
      expect(whyRefused(exec({ command: "uptime" }, toolName), { ...on, enabled: false }, here)).toBeDefined();
    },
  );

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

  it.each([0, -1, 1_801, 100_000, Number.NaN, "5", null])(
    "refuses a command that may run for ever: %j",
    (timeoutSeconds) => {
      expect(whyRefused(exec({ command: "uptime", timeoutSeconds: timeoutSeconds ?? 0 }), on, here)).toMatch(/timeout/);
    },
  );

  it("takes what a plain exec call carries", () => {
    const params = { command: "uptime", title: "Uptime", timeoutSeconds: 1_800, yieldMs: 1_000, workdir: undefined };
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
    for (const name of ["accountId", "to", "target", "chatId", "channelId", "recipient"]) {
      expect(message({ [name]: "other" })).toContain(name);
      expect(message({ [name]: "x:cmd:0a~1" })).toContain(name);
      expect(message({ [name]: "cmd:0a~1" })).toBeUndefined();
    }
    // Other tools may take parameters of these names.
    expect(whyRefused({ toolName: "read", params: { target: "telegram:1" } }, on, here)).toBeUndefined();
  });
});
