/** Owns an account's part in the shared world state (Flux): which server that is, and the client its tools share. */

import type { AccountConfig } from "../config/account.ts";
import { usesFlux } from "../config/flux.ts";
import type { StoredCredentials } from "../credentials/schema.ts";
import { AgentruxError, errorText } from "../errors.ts";
import { createFluxClient, type FluxClient, type FluxServer } from "../flux/client.ts";
import { createOwnWrites, notingWrites, type OwnWrites } from "../flux/own-writes.ts";
import { fluxHubUrl } from "./service-url.ts";

/**
 * The server an account's agent uses: the configured one, else the account's own hub.
 *
 * @throws AgentruxError `config` where there is none, or a token is a reference that nobody has resolved.
 */
export function fluxServerOf(config: AccountConfig, credentials: StoredCredentials | undefined): FluxServer {
  const { token, adminToken, unresolved } = config.flux;
  const url = config.flux.url ?? fluxHubUrl(credentials, config);
  if (url === undefined) {
    throw new AgentruxError(
      "config",
      "There is no world-state server: set channels.agentrux.flux.url (the public AgenTrux service has none)",
    );
  }
  if (unresolved.length > 0) {
    const keys = unresolved.map((key) => `flux.${key}`).join(" and ");
    throw new AgentruxError(
      "config",
      `${keys} is a secret reference that is not resolved: only a running gateway does, and its log says why it could not`,
    );
  }
  return {
    url,
    ...(token === undefined ? {} : { token }),
    ...(adminToken === undefined ? {} : { adminToken }),
  };
}

/**
 * Whether the tools for the world state are worth an agent's attention. Where nobody can tell yet, because only the
 * credentials say which service it is and the account does not run here, they are.
 *
 * @param running The account, where it runs in this process.
 */
export function mayHaveWorld(config: AccountConfig, running: { readonly world: unknown } | undefined): boolean {
  if (config.flux.url !== undefined) return true;
  if (running !== undefined) return running.world !== undefined;
  return !config.baseUrlIsSet || fluxHubUrl(undefined, config) !== undefined;
}

export interface AccountWorld {
  /** Shared with the tools, so that their writes are known as our own. Absent where there is no server. */
  readonly client: FluxClient | undefined;
  /** What was written through it and has not been seen yet. */
  readonly own: OwnWrites;
  /** Why there is no client. */
  readonly problem: unknown;
  /** For the account's status: why there is none, where somebody wants one. */
  health(): Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** Opens the account's client. Never throws: an account without a world-state server lives without one. */
export function openWorld(
  config: AccountConfig,
  credentials: StoredCredentials,
  clock: { monotonic(): number },
): AccountWorld {
  const own = createOwnWrites(() => clock.monotonic());
  let client: FluxClient | undefined;
  let problem: unknown;
  try {
    client = notingWrites(createFluxClient(fluxServerOf(config, credentials)), own);
  } catch (error) {
    // Whoever uses the world is told.
    problem = error;
  }
  return {
    client,
    own,
    problem,
    health(): Record<string, string> {
      return problem !== undefined && usesFlux(config.flux) ? { worldError: errorText(problem) } : {};
    },
    close: async () => await client?.close(),
  };
}
