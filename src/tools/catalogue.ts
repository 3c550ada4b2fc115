/** Every tool the plugin offers. The manifest's `contracts.tools` and `toolMetadata` say the same (tested). */

import { statusTool } from "./status.ts";
import type { Tool } from "./tool.ts";
import { topicsTool } from "./topics.ts";
import { uploadTools } from "./upload.ts";

export const TOOLS: readonly Tool[] = [statusTool, topicsTool, ...uploadTools];
