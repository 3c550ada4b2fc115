/** Which files may leave this host with a reply or a tool call, by the host's own idea of an agent's folders. */

import { join } from "node:path";
import type { OpenClawConfig } from "openclaw/plugin-sdk/core";
import { getAgentScopedMediaLocalRoots } from "openclaw/plugin-sdk/media-local-roots";
import { detectMime } from "openclaw/plugin-sdk/media-mime";
import type { OutgoingPolicy } from "../attachments/outbound.ts";
import { baseDirectory } from "../credentials/home.ts";
import type { PathRules } from "../guard/path.ts";
import { getRuntime } from "./runtime.ts";

/**
 * The agent's workspace and the host's media folders are open. The rest of the host's state is closed, and so is what
 * other channels have received: a stranger must not have it sent. Our own folder is sealed.
 *
 * @param workspaceDir The session's workspace where the host tells it, which is not the agent's own in a sandbox.
 */
export function outgoingRules(agentId: string, workspaceDir?: string): PathRules {
  const runtime = getRuntime();
  const cfg = runtime.config.current() as OpenClawConfig;
  const state = runtime.state.resolveStateDir();
  const workspace = workspaceDir ?? runtime.agent.resolveAgentWorkspaceDir(cfg, agentId);
  return {
    base: workspace,
    allowed: [workspace, ...getAgentScopedMediaLocalRoots(cfg, agentId, workspaceDir)],
    closed: [state, join(state, "media", "inbound")],
    sealed: [baseDirectory()],
  };
}

export function outgoingPolicy(agentId: string, workspaceDir?: string): OutgoingPolicy {
  return {
    rules: () => outgoingRules(agentId, workspaceDir),
    typeOf: (head, name) => detectMime({ buffer: Buffer.from(head), filePath: name }),
  };
}
