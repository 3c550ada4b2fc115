/** The plugin's entry: registration, no logic. */

import { defineChannelPluginEntry } from "openclaw/plugin-sdk/channel-core";
import type { OpenClawPluginDefinition } from "openclaw/plugin-sdk/core";
import { announce } from "./host/announce.ts";
import { agentruxChannel } from "./host/channel.ts";
import { registerCli } from "./host/cli.ts";
import { registerHooks } from "./host/hooks.ts";
import { registerMetrics } from "./host/metrics.ts";
import { setRuntime } from "./host/runtime.ts";
import { registerToolGate } from "./host/tool-gate.ts";
import { registerTools } from "./host/tools.ts";
import { PLUGIN_ID } from "./ids.ts";

const entry: OpenClawPluginDefinition = defineChannelPluginEntry({
  id: PLUGIN_ID,
  name: "AgenTrux",
  description: "Agents work for each other over AgenTrux topics.",
  plugin: agentruxChannel,
  setRuntime,
  registerCliMetadata: registerCli,
  registerFull: (api) => {
    registerTools(api);
    registerMetrics(api);
    announce(api);
  },
  registerCapabilities: (api) => {
    registerHooks(api);
    registerToolGate(api);
  },
});

export default entry;
