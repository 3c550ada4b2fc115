/** Owns what the plugin wants to know of the host's own tool settings. Tolerant: what is absent or odd is undefined. */

import type { HostConfig } from "./places.ts";

function at(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (found, key) => (typeof found === "object" && found !== null ? (found as Record<string, unknown>)[key] : undefined),
    value,
  );
}

/** A key of `tools`, the agent's own before the global one. */
function toolSetting(cfg: HostConfig, agentId: string | undefined, ...path: readonly string[]): unknown {
  const list = at(cfg.agents, "list");
  const listed: unknown = Array.isArray(list) ? list.find((agent) => at(agent, "id") === agentId) : undefined;
  const entry = agentId === undefined ? undefined : at(cfg.agents, "entries", agentId);
  return at(entry, "tools", ...path) ?? at(listed, "tools", ...path) ?? at(cfg.tools, ...path);
}

/** Where the agent's commands run, as configured: `auto`, `sandbox`, `gateway` or `node`. */
export function execHost(cfg: HostConfig, agentId: string | undefined): string | undefined {
  const host = toolSetting(cfg, agentId, "exec", "host");
  return typeof host === "string" ? host : undefined;
}

/** Whether the agent's file tools are held inside its workspace. */
export function filesHeldInWorkspace(cfg: HostConfig, agentId: string | undefined): boolean {
  return toolSetting(cfg, agentId, "fs", "workspaceOnly") === true;
}
