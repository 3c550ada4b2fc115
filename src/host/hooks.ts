/**
 * The tool gate: exec calls of turns that came from a topic, decided by the account's `execPolicy`.
 *
 * Registered in `registerCapabilities`, because agent runs take their hooks from a registry in which `registerFull` never
 * ran (SDK spec, section 4.1). The per-turn tool policy already takes exec away where it is off; this gate is the second
 * lock, and the only one where it is on.
 */

import type { OpenClawPluginApi } from "openclaw/plugin-sdk/core";
import { resolveAccountConfig } from "../config/resolve.ts";
import { decideExec } from "../guard/exec.ts";
import { isTopicRun } from "./origin.ts";

/** What an exec call may carry besides its command; everything else changes where or how it runs. */
const EXEC_PARAMS = new Set(["command", "timeoutSeconds", "yieldMs"]);

interface ToolCall {
  readonly toolName: string;
  readonly params: Readonly<Record<string, unknown>>;
}

interface Origin {
  readonly sessionKey?: string;
  readonly requester?: { readonly channel?: string; readonly accountId?: string };
}

export function gateToolCall(
  call: ToolCall,
  origin: Origin,
  config: Parameters<typeof resolveAccountConfig>[0],
): { block: true; blockReason: string } | undefined {
  if (!isTopicRun({ channels: [origin.requester?.channel], sessionKey: origin.sessionKey })) return undefined;
  const policy = resolveAccountConfig(config, origin.requester?.accountId).execPolicy;
  const extra = Object.keys(call.params).find((name) => !EXEC_PARAMS.has(name));
  if (policy.enabled && extra !== undefined) {
    return { block: true, blockReason: `exec for a topic request may not set "${extra.slice(0, 40)}"` };
  }
  const decision = decideExec(policy, call.params["command"]);
  return decision.allowed ? undefined : { block: true, blockReason: decision.reason };
}

export function registerHooks(api: OpenClawPluginApi): void {
  api.on("before_tool_call", (event, ctx) => gateToolCall(event, ctx, api.runtime.config.current()), {
    matcher: ["exec"],
  });
}
