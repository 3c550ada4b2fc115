/**
 * The second lock before our tools: refuses calls of topic turns that the tools room would refuse, from what the host's
 * hook tells of the run. The first lock goes by the tool's own context; should the host leave the run's origin out of
 * one of them, the other still holds. Fail-closed: arguments that make no sense are refused too.
 */

import type { OpenClawPluginApi } from "openclaw/plugin-sdk/core";
import type { HostConfig } from "../config/places.ts";
import { resolveAccountConfig } from "../config/resolve.ts";
import { errorText } from "../errors.ts";
import { TOOLS } from "../tools/catalogue.ts";
import { parseArguments } from "../tools/run.ts";
import { requireAllowedInTopicTurn } from "../tools/topic-turn.ts";
import { isTopicRun } from "./origin.ts";
import { isWatchSession } from "./watch-runs.ts";

interface Call {
  readonly toolName: string;
  readonly params: unknown;
}

interface Run {
  readonly sessionKey?: string;
  readonly requester?: { readonly channel?: string; readonly accountId?: string };
}

export function gateOwnTool(
  { toolName, params }: Call,
  { sessionKey, requester }: Run,
  config: HostConfig,
): { block: true; blockReason: string } | undefined {
  const tool = TOOLS.find(({ name }) => name === toolName);
  if (!tool || !isTopicRun({ channels: [requester?.channel], sessionKey })) return undefined;
  try {
    const account = resolveAccountConfig(config, requester?.accountId);
    const turn = isWatchSession(sessionKey) ? { watch: true as const } : {};
    requireAllowedInTopicTurn(tool, parseArguments(tool, params), account, turn);
    return undefined;
  } catch (error) {
    return { block: true, blockReason: errorText(error) };
  }
}

/** To be registered where agent runs take their hooks from: `registerCapabilities` (SDK spec, section 4.1). */
export function registerToolGate(api: OpenClawPluginApi): void {
  const [first, ...others] = TOOLS.map(({ name }) => name);
  if (first === undefined) return;
  api.on("before_tool_call", (event, ctx) => gateOwnTool(event, ctx, api.runtime.config.current()), {
    matcher: [first, ...others],
  });
}
