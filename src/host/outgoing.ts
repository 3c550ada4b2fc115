/** Which files may leave this host with a reply or a tool call, by the host's own idea of an agent's folders. */

import { dirname, join } from "node:path";
import type { OpenClawConfig, OpenClawPluginApi } from "openclaw/plugin-sdk/core";
import { getAgentScopedMediaLocalRoots } from "openclaw/plugin-sdk/media-local-roots";
import { detectMime } from "openclaw/plugin-sdk/media-mime";
import { findOriginal } from "../attachments/original.ts";
import type { OutgoingPolicy } from "../attachments/outbound.ts";
import { baseDirectory } from "../credentials/home.ts";
import type { PathRules } from "../guard/path.ts";

/** Where the host puts copies of what an answer names, wherever that lies. */
const copiesIn = (runtime: Runtime): string => join(runtime.state.resolveStateDir(), "media", "outbound");

type Runtime = Pick<OpenClawPluginApi["runtime"], "agent" | "config" | "state">;

/**
 * The agent's workspace and the host's media folders are open. The rest of the host's state is closed, and so are what
 * other channels have received and the host's copies of whatever an answer named: a stranger must not have those sent.
 * Our own folder is sealed.
 *
 * @param workspaceDir The session's workspace where the host tells it, which is not the agent's own in a sandbox.
 */
function outgoingRules(runtime: Runtime, agentId: string, workspaceDir: string | undefined): PathRules {
  const cfg = runtime.config.current() as OpenClawConfig;
  const state = runtime.state.resolveStateDir();
  const workspace = workspaceDir ?? runtime.agent.resolveAgentWorkspaceDir(cfg, agentId);
  return {
    base: workspace,
    allowed: [workspace, ...getAgentScopedMediaLocalRoots(cfg, agentId, workspaceDir)],
    closed: [state, join(state, "media", "inbound"), copiesIn(runtime)],
    sealed: [baseDirectory()],
  };
}

export function outgoingPolicy(runtime: Runtime, agentId: string, workspaceDir?: string): OutgoingPolicy {
  return {
    rules: () => outgoingRules(runtime, agentId, workspaceDir),
    async originalOf(reference) {
      const rules = outgoingRules(runtime, agentId, workspaceDir);
      if (dirname(reference) !== copiesIn(runtime)) return reference;
      return (await findOriginal(reference, rules.base).catch(() => undefined)) ?? reference;
    },
    typeOf: (head, name) => detectMime({ buffer: Buffer.from(head), filePath: name }),
  };
}
