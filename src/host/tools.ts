/**
 * Gives the tools of the tools room to the host.
 *
 * Registered in `registerFull`: agent runs take their tools from a registry in which only that ran (SDK spec, section
 * 4.1). The factories are called for each run, so a tool a run may not use is not even offered; `runTool` and the gate
 * in `tool-gate.ts` refuse it all the same.
 */

import { randomUUID } from "node:crypto";
import type { AnyAgentTool, OpenClawConfig, OpenClawPluginApi } from "openclaw/plugin-sdk/core";
import { wrapExternalContent } from "openclaw/plugin-sdk/security-runtime";
import { sendFile } from "../attachments/direct.ts";
import { mayHaveWorld } from "../account/world.ts";
import type { AccountConfig } from "../config/account.ts";
import { DEFAULT_ACCOUNT_ID, listAccountIds } from "../config/places.ts";
import { resolveAccountConfig } from "../config/resolve.ts";
import { accountPaths } from "../credentials/home.ts";
import { AgentruxError } from "../errors.ts";
import { cleanLine, cleanText } from "../guard/text.ts";
import { CHANNEL_ID } from "../ids.ts";
import { TOOLS, WORLD_TOOLS } from "../tools/catalogue.ts";
import { parametersOf, parseArguments, runTool } from "../tools/run.ts";
import {
  type Progress,
  type Tool,
  TOOL_TIMEOUT_MS,
  type ToolContext,
  type ToolFiles,
  type TopicTurn,
  type Trace,
} from "../tools/tool.ts";
import { whyNeverInTopicTurn } from "../tools/topic-turn.ts";
import { isTopicRun } from "./origin.ts";
import { normalizeAddress } from "./outbound.ts";
import { outgoingPolicy } from "./outgoing.ts";
import { ownClient, ownWorld, releaseOwnClients } from "./own-client.ts";
import { find } from "./running.ts";
import { isWatchSession } from "./watch-runs.ts";

type Registered = Parameters<OpenClawPluginApi["registerTool"]>[0];
type Factory = Extract<Registered, (...args: never[]) => unknown>;
type HostToolContext = Parameters<Factory>[0];
type HostResult = Awaited<ReturnType<AnyAgentTool["execute"]>>;

/** What the host's harness may add to a tool's own time limit before it gives up. */
const HARNESS_GRACE_MS = 5_000;

/**
 * The account a run works with: the one its topic belongs to, otherwise the first that names the run's agent, otherwise
 * the default one.
 */
export function accountFor(cfg: OpenClawConfig, run: { topicAccountId?: string; agentId?: string }): AccountConfig {
  if (run.topicAccountId !== undefined) return resolveAccountConfig(cfg, run.topicAccountId);
  const accounts = listAccountIds(cfg).map((id) => resolveAccountConfig(cfg, id));
  return (
    accounts.find(({ enabled, agentId }) => enabled && agentId === run.agentId) ??
    accounts.find(({ enabled, accountId }) => enabled && accountId === DEFAULT_ACCOUNT_ID) ??
    accounts[0] ??
    resolveAccountConfig(cfg, DEFAULT_ACCOUNT_ID)
  );
}

function originOf(host: HostToolContext) {
  return { channels: [host.messageChannel, host.deliveryContext?.channel], sessionKey: host.sessionKey };
}

/** The turn, where it came from a topic or a watch, and the account it works with. */
function placeOf(host: HostToolContext, cfg: OpenClawConfig): { account: AccountConfig; turn?: TopicTurn } {
  const inTopicTurn = isTopicRun(originOf(host));
  const topicAccountId = inTopicTurn
    ? (host.agentAccountId ?? host.deliveryContext?.accountId ?? DEFAULT_ACCOUNT_ID)
    : undefined;
  const account = accountFor(cfg, {
    ...(topicAccountId === undefined ? {} : { topicAccountId }),
    ...(host.agentId === undefined ? {} : { agentId: host.agentId }),
  });
  if (!inTopicTurn) return { account };
  const { channel, to } = host.deliveryContext ?? {};
  const address = channel === CHANNEL_ID && to !== undefined ? normalizeAddress(to) : undefined;
  const turn = {
    ...(address === undefined ? {} : { address }),
    ...(isWatchSession(host.sessionKey) ? { watch: true as const } : {}),
  };
  return { account, turn };
}

function contextFor(api: OpenClawPluginApi, host: HostToolContext, cfg: OpenClawConfig): ToolContext {
  const { account, turn } = placeOf(host, cfg);
  const paths = accountPaths(account.accountId);
  return {
    account,
    paths,
    ...(turn === undefined ? {} : { turn }),
    service: async () => find(account.accountId)?.service ?? (await ownClient(account, paths)),
    world: async () => find(account.accountId)?.world ?? (await ownWorld(account, paths)),
    watches: () => find(account.accountId)?.watches,
    trace: async () => (turn === undefined ? undefined : await traceOf(account.accountId, turn.address)),
    health: () => find(account.accountId)?.health(),
    quote: (text, sender) =>
      wrapExternalContent(cleanText(text), { source: "api", sender: cleanLine(sender), includeWarning: false }).trim(),
    files: filesFor(api, account, host),
    ...(host.workspaceDir === undefined ? {} : { workspaceDir: host.workspaceDir }),
  };
}

/** What may be sent is decided by the folders of the agent that runs, which need not be the account's. */
function filesFor(api: OpenClawPluginApi, account: AccountConfig, host: HostToolContext): ToolFiles {
  const policy = outgoingPolicy(api.runtime, host.agentId ?? account.agentId, host.workspaceDir);
  return {
    async attach(address, file) {
      const running = find(account.accountId);
      if (running === undefined) throw new AgentruxError("stopped", "The account does not run in this process");
      return await running.attach(address, file, policy.rules());
    },
    send: (file, use) => sendFile(file, policy, use),
  };
}

/** Where the request cannot be found any more, a trace of its own: whatever it sets off still counts as passed on. */
async function traceOf(accountId: string, address: string | undefined): Promise<Trace> {
  const request = address === undefined ? undefined : await find(accountId)?.traceOf(address);
  return request === undefined ? { id: randomUUID(), hops: 1 } : { id: request.id, hops: request.hops + 1 };
}

function progressTo(onUpdate: ((partial: HostResult) => void) | undefined): Progress {
  return (line) =>
    onUpdate?.({ content: [], details: {}, progress: { text: line, visibility: "channel", privacy: "public" } });
}

function hostTool(
  api: OpenClawPluginApi,
  tool: Tool,
  host: HostToolContext,
  config: () => OpenClawConfig,
): AnyAgentTool | null {
  const { name, label, description } = tool;
  const { account, turn } = placeOf(host, config());
  if (turn !== undefined && whyNeverInTopicTurn(tool, account, turn) !== undefined) return null;
  if (WORLD_TOOLS.includes(tool) && !mayHaveWorld(account, find(account.accountId))) return null;
  if (tool.ownerOnly === true && host.senderIsOwner !== true) return null;
  const caller = { senderIsOwner: host.senderIsOwner === true };
  return {
    name,
    label,
    description,
    parameters: parametersOf(tool),
    ...(tool.quotesStrangers === true ? { resultContentSource: "network" as const } : {}),
    getExecutionTimeoutMs: (args) => limitOf(tool, args) + HARNESS_GRACE_MS,
    async execute(_callId, args, signal, onUpdate) {
      const context = contextFor(api, host, config());
      const until = signal ?? new AbortController().signal;
      const outcome = await runTool(tool, args, context, caller, until, progressTo(onUpdate));
      // A one-shot command line ends when nothing holds it any more.
      if (host.oneShotCliRun === true) await releaseOwnClients(context.paths);
      const content = [{ type: "text" as const, text: outcome.text }];
      // The host takes a call for failed by `details.ok`; `isError` is what MCP clients look for.
      return { content, details: outcome.details, ...(outcome.isError ? { isError: true } : {}) };
    },
  };
}

function limitOf(tool: Tool, args: unknown): number {
  try {
    return tool.timeoutMs?.(parseArguments(tool, args)) ?? TOOL_TIMEOUT_MS;
  } catch {
    return TOOL_TIMEOUT_MS;
  }
}

/** Registers every tool. */
export function registerTools(api: OpenClawPluginApi): void {
  for (const tool of TOOLS) {
    const factory: Factory = (host) =>
      hostTool(api, tool, host, () => host.getRuntimeConfig?.() ?? (api.runtime.config.current() as OpenClawConfig));
    api.registerTool(factory, { name: tool.name, ...(tool.optional === true ? { optional: true } : {}) });
  }
}
