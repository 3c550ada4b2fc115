/** What every call of a tool is held to, whatever the tool does. */

import { describe, expect, it } from "vitest";
import { z } from "zod";
import { resolveAccountConfig } from "../../src/config/resolve.ts";
import { accountPaths } from "../../src/credentials/home.ts";
import { AgentruxError } from "../../src/errors.ts";
import { runTool } from "../../src/tools/run.ts";
import { statusTool } from "../../src/tools/status.ts";
import { defineTool, type Tool, type ToolContext } from "../../src/tools/tool.ts";

const none = () => Promise.reject(new Error("not in this test"));
const context: ToolContext = {
  account: resolveAccountConfig(
    {
      channels: {
        agentrux: {
          commandTopicId: "11111111-1111-4111-8111-111111111111",
          resultTopicId: "22222222-2222-4222-8222-222222222222",
          agentId: "main",
        },
      },
    },
    "default",
  ),
  paths: accountPaths("default", "/nowhere"),
  service: none,
  world: none,
  watches: () => undefined,
  health: () => undefined,
  trace: none,
  quote: (text) => text,
  files: { attach: none, send: none },
};

function toolThat(run: Tool["run"], more: Partial<Tool> = {}): Tool {
  const about = { name: "agentrux_test", label: "Test", description: "A test.", parameters: z.object({}) };
  return defineTool({ ...about, topicTurn: "always", run, ...more });
}

const call = (tool: Tool, signal = new AbortController().signal) =>
  runTool(tool, {}, context, { senderIsOwner: false }, signal);

const untilAborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });

describe("a call", () => {
  it("ends when its time is up, and says that its outcome is not known", async () => {
    const slow = toolThat((_args, _context, signal) => untilAborted(signal), { timeoutMs: () => 10 });
    const { isError, text, details } = await call(slow);
    expect({ isError, details }).toMatchObject({
      isError: true,
      details: { error: { code: "timeout", kind: "unknown" } },
    });
    expect(text).toContain("look with agentrux_read before doing it again");
  });

  it("ends when the run it belongs to ends, which is no timeout", async () => {
    const run = new AbortController();
    const outcome = call(
      toolThat((_args, _context, signal) => untilAborted(signal)),
      run.signal,
    );
    run.abort();
    const { isError, details } = await outcome;
    expect(isError).toBe(true);
    expect(details).not.toMatchObject({ error: { code: "timeout" } });
  });

  it("tells no code, token or signed address that stands in an error", async () => {
    const secrets = [`ac_${"x".repeat(43)}`, "eyJhbGciOi.eyJzdWIi", "signature=abc"];
    const message = `bad ${secrets[0]}, ${secrets[1]}, https://storage.example/o?${secrets[2]}`;
    for (const error of [new Error(message), new AgentruxError("server_error", message)]) {
      const outcome = await call(toolThat(() => Promise.reject(error)));
      for (const secret of secrets) expect(JSON.stringify(outcome)).not.toContain(secret);
    }
    const service = () => Promise.reject(new AgentruxError("unauthorized", message));
    const status = await runTool(
      statusTool,
      {},
      { ...context, service },
      { senderIsOwner: true },
      new AbortController().signal,
    );
    expect(status.details).toMatchObject({ connected: false, code: "unauthorized" });
    for (const secret of secrets) expect(JSON.stringify(status)).not.toContain(secret);
  });
});
