/** Owns which tools the plugin offers. The manifest's `contracts.tools` and `toolMetadata` say the same (tested). */

import { activateTool } from "./activate.ts";
import { fluxAdminConfigTool } from "./flux/admin-config.ts";
import { fluxBatchTool } from "./flux/batch.ts";
import { fluxConnectorsTool } from "./flux/connectors.ts";
import { fluxDeleteTool } from "./flux/delete.ts";
import { fluxGetTool } from "./flux/get.ts";
import { fluxHistoryTool } from "./flux/history.ts";
import { fluxListTool } from "./flux/list.ts";
import { fluxNamespaceTool } from "./flux/namespace.ts";
import { fluxPublishTool } from "./flux/publish.ts";
import { fluxUnwatchTool, fluxWatchTool } from "./flux/watch.ts";
import { publishTool } from "./publish.ts";
import { readTool } from "./read.ts";
import { redeemGrantTool } from "./redeem-grant.ts";
import { sendMessageTool } from "./send-message.ts";
import { statusTool } from "./status.ts";
import type { Tool } from "./tool.ts";
import { topicsTool } from "./topics.ts";
import { uploadTools } from "./upload.ts";

/** Those about the world state: not offered where there is no server for it. */
export const WORLD_TOOLS: readonly Tool[] = [
  fluxPublishTool,
  fluxBatchTool,
  fluxGetTool,
  fluxListTool,
  fluxHistoryTool,
  fluxDeleteTool,
  fluxWatchTool,
  fluxUnwatchTool,
  fluxConnectorsTool,
  fluxNamespaceTool,
  fluxAdminConfigTool,
];

export const TOOLS: readonly Tool[] = [
  statusTool,
  topicsTool,
  readTool,
  publishTool,
  sendMessageTool,
  ...uploadTools,
  redeemGrantTool,
  activateTool,
  ...WORLD_TOOLS,
];
