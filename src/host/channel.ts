/** The channel as the host sees it: configuration, status, the account's lifetime, outbound sends. */

import { type ChannelPlugin, createChannelPluginBase, createChatChannelPlugin } from "openclaw/plugin-sdk/channel-core";
import {
  createComputedAccountStatusAdapter,
  createDefaultChannelRuntimeState,
} from "openclaw/plugin-sdk/status-helpers";
import type { AccountConfig } from "../config/account.ts";
import { deleteAccount, setAccountEnabled } from "../config/edit.ts";
import { LIVE_PREFIXES } from "../config/live.ts";
import { DEFAULT_ACCOUNT_ID, listAccountIds } from "../config/places.ts";
import { resolveAccountConfig } from "../config/resolve.ts";
import { errorText } from "../errors.ts";
import { CHANNEL_ID, PLUGIN_ID } from "../ids.ts";
import { agentruxDoctor } from "./doctor.ts";
import { normalizeAddress, outbound } from "./outbound.ts";
import { find } from "./running.ts";
import { approvals, security } from "./security.ts";
import { setupContract, setupWizard } from "./setup.ts";

export interface Probe {
  readonly ok: boolean;
  readonly error?: string;
}

const config: ChannelPlugin<AccountConfig>["config"] = {
  listAccountIds,
  resolveAccount: resolveAccountConfig,
  // The host hands what it inspected to the channel's own adapters, such as `security`, in place of the account.
  inspectAccount: (cfg, accountId) => {
    const account = resolveAccountConfig(cfg, accountId);
    return { ...account, ...describe(account) };
  },
  defaultAccountId: () => DEFAULT_ACCOUNT_ID,
  isEnabled: (account) => account.enabled,
  // An account with a faulty key still starts, so that its status can say which key and why.
  isConfigured: (account) =>
    account.commandTopicId !== "" || account.resultTopicId !== "" || account.problems.length > 0,
  unconfiguredReason: (account) => account.problems[0] ?? "not configured",
  describeAccount: (account) => describe(account),
  setAccountEnabled: ({ cfg, accountId, enabled }) => setAccountEnabled(cfg, accountId, enabled),
  deleteAccount: ({ cfg, accountId }) => deleteAccount(cfg, accountId),
};

function describe(account: AccountConfig) {
  const { accountId, enabled, baseUrl, name } = account;
  return { accountId, name: name ?? accountId, enabled, configured: account.problems.length === 0, baseUrl };
}

const capabilities: ChannelPlugin<AccountConfig>["capabilities"] = { chatTypes: ["group"], media: true };

const base = createChannelPluginBase<AccountConfig>({
  id: CHANNEL_ID,
  config,
  capabilities,
  reload: {
    configPrefixes: [`channels.${CHANNEL_ID}`, `plugins.entries.${PLUGIN_ID}.config`],
    noopPrefixes: [...LIVE_PREFIXES],
    accountScopedRestart: true,
  },
  setupContract,
  meta: {
    label: "AgenTrux",
    selectionLabel: "AgenTrux (pub/sub topics)",
    docsPath: `/channels/${CHANNEL_ID}`,
    blurb: "authenticated pub/sub topics between agents and programs.",
  },
});

async function probeAccount({ account, timeoutMs }: { account: AccountConfig; timeoutMs: number }): Promise<Probe> {
  const running = find(account.accountId);
  if (!running) return { ok: false, error: account.problems[0] ?? "the account is not running in this process" };
  try {
    await running.probe(AbortSignal.timeout(timeoutMs));
    return { ok: true };
  } catch (error) {
    return { ok: false, error: errorText(error) };
  }
}

export const agentruxChannel: ChannelPlugin<AccountConfig, Probe> = createChatChannelPlugin<AccountConfig, Probe>({
  base: {
    ...base,
    setupWizard,
    approvalCapability: approvals,
    config,
    capabilities,
    doctor: agentruxDoctor,
    messaging: {
      targetPrefixes: [CHANNEL_ID],
      normalizeTarget: (raw: string) => normalizeAddress(raw) || undefined,
      targetResolver: {
        looksLikeId: (raw: string) => normalizeAddress(raw).startsWith("cmd:"),
        hint: "cmd:<open request>",
      },
    },
    status: createComputedAccountStatusAdapter<AccountConfig, Probe>({
      defaultRuntime: createDefaultChannelRuntimeState(DEFAULT_ACCOUNT_ID),
      probeAccount,
      resolveAccountSnapshot: ({ account }) => ({
        ...describe(account),
        extra: { baseUrl: account.baseUrl, ...find(account.accountId)?.health() },
      }),
    }),
    gateway: {
      startAccount: async (ctx) => (await import("./start.ts")).startAccount(ctx),
    },
  },
  security,
  threading: { topLevelReplyToMode: "off" },
  outbound,
});
