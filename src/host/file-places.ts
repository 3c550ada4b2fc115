/** Owns which folders of this machine a topic's turn may see and change, by the host's own idea of where they are. */

import { dirname, join } from "node:path";
import type { OpenClawConfig } from "openclaw/plugin-sdk/core";
import { resolveOAuthDir, resolveRequiredHomeDir } from "openclaw/plugin-sdk/state-paths";
import { baseDirectory, hostConfigElsewhere } from "../credentials/home.ts";
import { type FilePlaces, KEY_STORES } from "../guard/file-places.ts";
import { getRuntime } from "./runtime.ts";

/** What the host's state holds of skills and plugins: the agent is told to read there. */
const FOR_AGENTS = ["skills", "plugin-skills", "extensions", "npm"];

export function filePlaces(agentId: string): FilePlaces {
  const runtime = getRuntime();
  const state = runtime.state.resolveStateDir();
  const own = baseDirectory();
  const home = resolveRequiredHomeDir();
  const homes = [...new Set([dirname(own), home])];
  const config = hostConfigElsewhere(home);
  return {
    workspace: runtime.agent.resolveAgentWorkspaceDir(runtime.config.current() as OpenClawConfig, agentId),
    homes,
    open: FOR_AGENTS.map((name) => join(state, name)),
    // A request's own attachments are there, with those of others under names nobody can guess.
    openByName: [join(state, "media")],
    closed: [
      state,
      ...(config === undefined ? [] : [config]),
      resolveOAuthDir(),
      "/dev",
      ...homes.flatMap((home) => KEY_STORES.map((name) => join(home, name))),
    ],
    // The kernel shows the environment of a process there, and so the secrets in it.
    sealed: [own, "/proc"],
  };
}
