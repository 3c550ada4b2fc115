/**
 * The tool gate: calls of turns that came from a topic, decided by the guard.
 *
 * Registered in `registerCapabilities`, because agent runs take their hooks from a registry in which `registerFull` never
 * ran (SDK spec, section 4.1). The per-turn tool policy already leaves the denied tools out; this gate is the second
 * lock, and the only one for files, and for exec where the policy is on. The host takes a hook that throws for a refusal.
 */

import type { OpenClawPluginApi } from "openclaw/plugin-sdk/core";
import { execHost } from "../config/host-tools.ts";
import type { HostConfig } from "../config/places.ts";
import { resolveAccountConfig } from "../config/resolve.ts";
import { namedFiles } from "../guard/file-call.ts";
import { type FilePlaces, whyFilesRefused } from "../guard/file-places.ts";
import { type ToolCall, whyRefused } from "../guard/tools.ts";
import { filePlaces } from "./file-places.ts";
import { isTopicRun } from "./origin.ts";

const NO_EXEC = { enabled: false, allowedCommands: [] };

interface Origin {
  readonly agentId?: string;
  readonly sessionKey?: string;
  readonly requester?: { readonly channel?: string; readonly accountId?: string };
}

type Refusal = { block: true; blockReason: string };

/** Those judge their own arguments (see tool-gate.ts), which are texts for others more often than paths. */
const OWN_TOOL = /^(?:agentrux|flux)_/;

export async function gateToolCall(
  call: ToolCall,
  origin: Origin,
  config: HostConfig,
  places: (agentId: string) => FilePlaces = filePlaces,
): Promise<Refusal | undefined> {
  if (!isTopicRun({ channels: [origin.requester?.channel], sessionKey: origin.sessionKey })) return undefined;
  const { accountId } = origin.requester ?? {};
  const account = resolveAccountConfig(config, accountId);
  // Whose policy it is has to be proven, too.
  const policy = accountId === undefined ? NO_EXEC : account.execPolicy;
  const place = { platform: process.platform, host: execHost(config, origin.agentId) };
  const blockReason =
    whyRefused(call, policy, place) ??
    (await whyItsFilesAreRefused(call, () => places(origin.agentId ?? account.agentId)));
  return blockReason === undefined ? undefined : { block: true, blockReason };
}

async function whyItsFilesAreRefused(
  { toolName, params }: ToolCall,
  places: () => FilePlaces,
): Promise<string | undefined> {
  if (OWN_TOOL.test(toolName)) return undefined;
  const files = namedFiles(toolName, params);
  return files.ok ? whyFilesRefused(files, places()) : files.reason;
}

export function registerHooks(api: OpenClawPluginApi): void {
  api.on("before_tool_call", (event, ctx) => gateToolCall(event, ctx, api.runtime.config.current()));
}
