/**
 * `openclaw channels add --channel agentrux ...` and its guided form: what they ask, and what they write.
 *
 * The activation code is never an argument, because arguments can be read by every user of the machine. It comes from a
 * file or from the environment and is dropped as `BOOTSTRAP.md`, which the gateway picks up.
 */

import type { ChannelPlugin } from "openclaw/plugin-sdk/channel-core";
import { type ChannelSetupWizard, defineChannelSetupContract } from "openclaw/plugin-sdk/channel-setup";
import type { OpenClawConfig } from "openclaw/plugin-sdk/core";
import { dropActivationCode, readActivationCode } from "../activation/drop.ts";
import { setAccountKeys } from "../config/edit.ts";
import { DEFAULT_ACCOUNT_ID } from "../config/places.ts";
import { resolveAccountConfig } from "../config/resolve.ts";
import { accountKeys, DEFAULT_BASE_URL } from "../config/schema.ts";
import { accountPaths } from "../credentials/home.ts";
import { CHANNEL_ID } from "../ids.ts";

/** The environment variable `--use-env` reads. */
const CODE_VARIABLE = "AGENTRUX_ACTIVATION_CODE";

const SETUP_KEYS = ["commandTopicId", "resultTopicId", "agentId", "baseUrl"] as const;
type SetupKey = (typeof SETUP_KEYS)[number];

interface CodeSource {
  readonly activationCodeFile?: string;
  readonly useEnv?: boolean;
}

function asksForCode({ activationCodeFile, useEnv }: CodeSource): boolean {
  return activationCodeFile !== undefined || useEnv === true;
}

function keysOf(input: Readonly<Partial<Record<SetupKey | "name", unknown>>>) {
  return Object.fromEntries([...SETUP_KEYS, "name" as const].map((key) => [key, input[key]]));
}

/** Package metadata says the same (`openclaw.channel.setup`, tested), so that help need not load the plugin. */
export const setupContract: NonNullable<ChannelPlugin["setupContract"]> = defineChannelSetupContract({
  fields: {
    commandTopicId: {
      kind: "string",
      cli: { flags: "--command-topic-id <id>", description: "Topic the agent takes commands from" },
    },
    resultTopicId: {
      kind: "string",
      cli: { flags: "--result-topic-id <id>", description: "Topic the replies are published to" },
    },
    agentId: { kind: "string", cli: { flags: "--agent-id <id>", description: "OpenClaw agent that does the work" } },
    baseUrl: { kind: "string", cli: { flags: "--base-url <url>", description: `Service (${DEFAULT_BASE_URL})` } },
    activationCodeFile: {
      kind: "string",
      cli: { flags: "--activation-code-file <path>", description: "File with the one-time activation code" },
    },
    useEnv: {
      kind: "boolean",
      cli: { flags: "--use-env", description: `Take the activation code from ${CODE_VARIABLE}` },
      envVars: [CODE_VARIABLE],
    },
  },
  adapter: {
    // What stands outside the accounts is the account `default`, and stays it when others are added.
    configPromotion: "preserve-root",
    resolveAccountId: ({ accountId }) => (accountId ?? DEFAULT_ACCOUNT_ID).trim().toLowerCase(),
    validateInput: ({ cfg, accountId, input }) =>
      resolveAccountConfig(setAccountKeys(cfg, accountId, keysOf(input)), accountId).problems.join("; ") || null,
    // Before anything is written: a code that cannot be used must not leave half a set-up behind.
    prepareAccountConfigInput: async ({ accountId, input }) => {
      if (asksForCode(input)) await readActivationCode(accountPaths(accountId), input.activationCodeFile);
      return input;
    },
    applyAccountConfig: ({ cfg, accountId, input }) => setAccountKeys(cfg, accountId, keysOf(input)),
    afterAccountConfigWritten: async ({ accountId, input, runtime }) => {
      const paths = accountPaths(accountId);
      if (!asksForCode(input)) {
        runtime.log(`To activate, write the one-time activation code to ${paths.bootstrap}.`);
        return;
      }
      await dropActivationCode(paths, await readActivationCode(paths, input.activationCodeFile));
      runtime.log(`The activation code is in ${paths.bootstrap}; a running gateway uses it at once.`);
    },
  },
});

function question(key: SetupKey, message: string, required: boolean) {
  return {
    inputKey: key,
    message,
    required,
    currentValue: ({ cfg, accountId }: { cfg: OpenClawConfig; accountId: string }) =>
      resolveAccountConfig(cfg, accountId)[key] || undefined,
    validate: ({ value }: { value: string }) => accountKeys[key].safeParse(value).error?.issues[0]?.message,
    applySet: ({ cfg, accountId, value }: { cfg: OpenClawConfig; accountId: string; value: string }) =>
      setAccountKeys(cfg, accountId, { [key]: value }),
  };
}

export const setupWizard: ChannelSetupWizard = {
  channel: CHANNEL_ID,
  status: {
    configuredLabel: "configured",
    unconfiguredLabel: "needs two topics and an agent",
    resolveConfigured: ({ cfg, accountId }) => resolveAccountConfig(cfg, accountId).problems.length === 0,
  },
  introNote: {
    title: "AgenTrux",
    lines: [
      "You need two topic ids (commands in, replies out) and a one-time activation code.",
      "The code is not asked for here: it goes into a file that is read once.",
    ],
  },
  credentials: [],
  textInputs: [
    question("commandTopicId", "Command topic id", true),
    question("resultTopicId", "Result topic id", true),
    question("agentId", "Agent id", true),
    question("baseUrl", "Service URL", false),
  ],
  completionNote: {
    title: "Activate",
    lines: [
      "Write the activation code to ~/.agentrux/BOOTSTRAP.md (mode 600);",
      "for an account <id> to ~/.agentrux/accounts/<id>/BOOTSTRAP.md.",
    ],
  },
};
