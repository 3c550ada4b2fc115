/** The host's runtime, as handed over at registration. */

import type { PluginRuntime } from "openclaw/plugin-sdk/channel-core";
import { createPluginRuntimeStore } from "openclaw/plugin-sdk/runtime-store";
import { PLUGIN_ID } from "../ids.ts";

export const { setRuntime, getRuntime, tryGetRuntime } = createPluginRuntimeStore<PluginRuntime>({
  pluginId: PLUGIN_ID,
  errorMessage: "the AgenTrux plugin is not registered with a gateway in this process",
});
