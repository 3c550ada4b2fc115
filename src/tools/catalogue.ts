/** Every tool the plugin offers. The manifest's `contracts.tools` and `toolMetadata` say the same (tested). */

import { activateTool } from "./activate.ts";
import { publishTool } from "./publish.ts";
import { readTool } from "./read.ts";
import { redeemGrantTool } from "./redeem-grant.ts";
import { sendMessageTool } from "./send-message.ts";
import { statusTool } from "./status.ts";
import type { Tool } from "./tool.ts";
import { topicsTool } from "./topics.ts";
import { uploadTools } from "./upload.ts";

export const TOOLS: readonly Tool[] = [
  statusTool,
  topicsTool,
  readTool,
  publishTool,
  sendMessageTool,
  ...uploadTools,
  redeemGrantTool,
  activateTool,
];
