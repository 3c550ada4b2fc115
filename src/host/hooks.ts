/**
 * The tool gate: calls of turns that came from a topic, decided by the guard.
 *
 * Registered in `registerCapabilities`, because agent runs take their hooks from a registry in which `registerFull` never
 * ran (SDK spec, section 4.1). The per-turn tool policy already leaves the denied tools out; this gate is the second
 * lock, and the only one for exec where the policy is on. The host takes a hook that throws for a refusal.
 */

import type { OpenClawPluginApi } from "openclaw/plugin-sdk/core";
import { execHost } from "../config/host-tools.ts";
import type { HostConfig } from "../config/places.ts";
import { resolveAccountConfig } from "../config/resolve.ts";
import { type ToolCall, whyRefused } from "../guard/tools.ts";
import { isTopicRun } from "./origin.ts";

const NO_EXEC = { enabled: false, allowedCommands: [] };

interface Origin {
  readonly agentId?: string;
  readonly sessionKey?: string;
  readonly requester?: { readonly channel?: string; readonly accountId?: string };
}

export function gateToolCall(
  call: ToolCall,
  origin: Origin,
  config: HostConfig,
): { block: true; blockReason: string } | undefined {
  if (!isTopicRun({ channels: [origin.requester?.channel], sessionKey: origin.sessionKey })) return undefined;
  // Whose policy it is has to be proven, too.
  const accountId = origin.requester?.accountId;
  const policy = accountId === undefined ? NO_EXEC : resolveAccountConfig(config, accountId).execPolicy;
  const place = { platform: process.platform, host: execHost(config, origin.agentId) };
  const blockReason = whyRefused(call, policy, place);
  return blockReason === undefined ? undefined : { block: true, blockReason };
}

export function registerHooks(api: OpenClawPluginApi): void {
  api.on("before_tool_call", (event, ctx) => gateToolCall(event, ctx, api.runtime.config.current()));
}
