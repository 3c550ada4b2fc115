/** The log's line that the plugin is there, as the published README shows it (behaviour spec 1.10). */

import type { OpenClawPluginApi } from "openclaw/plugin-sdk/core";

export function announce(api: OpenClawPluginApi): void {
  // The other modes build registries beside the gateway's own, many times over (SDK spec, section 4.1).
  if (api.registrationMode === "full") api.logger.info("[agentrux] Registered as ChannelPlugin");
}
