/** Owns what the isolated OpenClaw is told: the gateway's own settings, its model, and the plugin's. */

import path from "node:path";
import { SCRIPTED_MODEL_ID } from "./model.ts";
import type { ConfigSetting, OpenClawHome } from "./openclaw.ts";

/** Plugin id, as in the plugin's manifest. */
export const PLUGIN_ID = "agentrux-openclaw-plugin";
/** Channel id, as in the plugin's manifest. */
export const CHANNEL_ID = "agentrux";

const SCRIPTED_PROVIDER = "scripted";

/** Which language model the gateway's agent uses. */
export type ModelChoice =
  /** The scripted model, at this base URL. */
  | { readonly kind: "scripted"; readonly baseUrl: string }
  /** A real one, such as `anthropic/claude-opus-5`; its key is in the gateway's environment. */
  | { readonly kind: "real"; readonly ref: string; readonly keyVariable: string | undefined };

/** Settings with which a gateway starts on loopback, asks nothing, and calls nobody but its model. */
export function gatewaySettings(home: OpenClawHome, model: ModelChoice): readonly ConfigSetting[] {
  return [
    { path: "gateway.mode", value: "local" },
    { path: "gateway.bind", value: "loopback" },
    { path: "gateway.port", value: home.port },
    { path: "gateway.auth", value: { mode: "token", token: "${OPENCLAW_GATEWAY_TOKEN}" } },
    { path: "gateway.controlUi.enabled", value: false },
    { path: "logging.file", value: path.join(home.stateDir, "openclaw.log") },
    { path: "update.checkOnStart", value: false },
    { path: "discovery.mdns.mode", value: "off" },
    { path: "browser.enabled", value: false },
    { path: "cron.enabled", value: false },
    { path: "tools.toolSearch", value: false },
    { path: "agents.defaults.skipBootstrap", value: true },
    { path: "agents.defaults.heartbeat.every", value: "0m" },
    ...(model.kind === "scripted" ? scriptedModelSettings(model.baseUrl) : realModelSettings(model)),
  ];
}

function scriptedModelSettings(baseUrl: string): readonly ConfigSetting[] {
  return [
    { path: "plugins.allow", value: [PLUGIN_ID] },
    { path: "models.mode", value: "replace" },
    { path: `models.providers.${SCRIPTED_PROVIDER}`, value: scriptedProvider(baseUrl) },
    { path: "agents.defaults.model.primary", value: `${SCRIPTED_PROVIDER}/${SCRIPTED_MODEL_ID}` },
  ];
}

function realModelSettings(model: ModelChoice & { readonly kind: "real" }): readonly ConfigSetting[] {
  const provider = model.ref.slice(0, model.ref.indexOf("/"));
  const apiKey = { source: "env", provider: "default", id: model.keyVariable };
  return [
    ...(model.keyVariable === undefined ? [] : [{ path: `models.providers.${provider}`, value: { apiKey } }]),
    { path: "agents.defaults.model.primary", value: model.ref },
    // The embedded runtime takes the key as it is; the others ask for an account or a command line tool of their own.
    { path: "agents.defaults.models", value: { [model.ref]: { agentRuntime: { id: "openclaw" } } } },
  ];
}

function scriptedProvider(baseUrl: string): object {
  return {
    baseUrl,
    apiKey: "none-needed",
    api: "openai-completions",
    models: [
      {
        id: SCRIPTED_MODEL_ID,
        name: "Scripted model",
        reasoning: false,
        input: ["text", "image"],
        cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
        contextWindow: 128_000,
        maxTokens: 4_096,
      },
    ],
  };
}

/** The plugin's settings under the keys its published README names. */
export function pluginSettings(config: Readonly<Record<string, unknown>>): readonly ConfigSetting[] {
  return Object.entries(config).map(([key, value]) => ({ path: `plugins.entries.${PLUGIN_ID}.config.${key}`, value }));
}
