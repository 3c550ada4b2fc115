/** Owns whether an account shows the gateway's agents in the world: what it takes, and what is said where that is missing. */

import type { AccountPaths } from "../credentials/home.ts";
import { saveWorldProblem } from "../credentials/world-problem.ts";
import { errorText } from "../errors.ts";
import type { AgentStanding } from "../flux/agent-activity.ts";
import { startPresence } from "../flux/presence.ts";
import type { PresenceFacts } from "../flux/presence-state.ts";
import type { Clock } from "../replies/ports.ts";
import type { AccountOptions } from "./types.ts";
import type { AccountWorld } from "./world.ts";

/** The agents of the gateway, as the host knows them. */
export interface PresenceSource extends PresenceFacts {
  /** Every agent of the gateway, whoever it works for. */
  agents(): readonly (AgentStanding & { readonly agentId: string })[];
  /** Calls back after each change, until the result is called. */
  onChange(listener: () => void): () => void;
}

export interface AccountPresence {
  /** For the account's status. */
  health(): Readonly<Record<string, string | number>>;
  stop(): Promise<void>;
}

type PresenceOptions = AccountOptions & { readonly paths: AccountPaths };

/** A server that answers at all answers within this. */
const STOP_MS = 2_000;
/** What the account's own agent can do besides what the operator says. */
const ANSWERS_REQUESTS = "agentrux.requests";

/** Never throws: an account whose presence cannot be shown works without. */
export function openPresence(options: PresenceOptions, world: AccountWorld, clock: Clock): AccountPresence {
  const { config, log, paths, presence: source } = options;
  const { presence, namespace } = config.flux;
  let written = Promise.resolve();
  const note = (what: string | undefined): void => {
    const problem = what === undefined ? undefined : { at: new Date(clock.now()).toISOString(), what };
    // Whoever cannot read it there is told by the log and the channel's status.
    written = written.then(() => saveWorldProblem(paths, problem)).catch(() => undefined);
  };
  const off = (health: Readonly<Record<string, string>>): AccountPresence => {
    note(health["presenceError"]);
    return { health: () => health, stop: () => written };
  };
  if (!presence.enabled || namespace === undefined || source === undefined) return off({});
  if (world.client === undefined) {
    const presenceError = errorText(world.problem);
    log.warn(`[agentrux] The agents' presence is not published: ${presenceError}`);
    return off({ presence: "off", presenceError });
  }
  const { capabilities } = presence;
  const published = startPresence({
    version: source.version,
    ...(source.hostVersion === undefined ? {} : { hostVersion: source.hostVersion }),
    client: world.client,
    namespace,
    config: presence,
    agents: () =>
      source.agents().map((agent) => ({
        ...agent,
        capabilities: agent.agentId === config.agentId ? [...capabilities, ANSWERS_REQUESTS] : capabilities,
      })),
    onChange: (listener) => source.onChange(listener),
    clock,
    random: Math.random,
    log,
    onTrouble: note,
  });
  return {
    health() {
      const { publishedAt, error } = published.health();
      return {
        presence: "on",
        ...(publishedAt === undefined ? {} : { presencePublishedAt: publishedAt }),
        ...(error === undefined ? {} : { presenceError: error }),
      };
    },
    async stop() {
      await published.stop(STOP_MS);
      await written;
    },
  };
}
