/**
 * Clients for tools that run where the account does not: an agent run of the command line without a gateway, or a gateway
 * in which the account cannot start. They are kept between calls, because each new service client costs one of the few
 * calls a service allows for a secret, and dropped when they have not been used for a while or what they were made of
 * changed.
 */

import { withConfiguredUrl } from "../account/service-url.ts";
import { fluxServerOf } from "../account/world.ts";
import type { AccountConfig } from "../config/account.ts";
import type { AccountPaths } from "../credentials/home.ts";
import { keptTokenFile } from "../credentials/kept-token.ts";
import { loadCredentials } from "../credentials/store.ts";
import { AgentruxError } from "../errors.ts";
import { createFluxClient, type FluxClient } from "../flux/client.ts";
import { type CredentialedClient, createServiceClient } from "../service/client.ts";

const IDLE_MS = 600_000;

interface Kept<C> {
  readonly fingerprint: string;
  readonly client: C;
  readonly expiry: NodeJS.Timeout;
}

/** Clients of one kind, by the account's folder. */
class KeptClients<C extends { close(): Promise<void> }> {
  readonly #kept = new Map<string, Kept<C>>();

  /** The kept client, or a new one where it was made of something else. */
  take(key: string, madeOf: unknown, make: () => C): C {
    const fingerprint = JSON.stringify(madeOf);
    const known = this.#kept.get(key);
    if (known?.fingerprint === fingerprint) {
      known.expiry.refresh();
      return known.client;
    }
    const client = make();
    void this.release(key);
    // Not to keep a command line's process alive.
    const expiry = setTimeout(() => void this.release(key), IDLE_MS).unref();
    this.#kept.set(key, { fingerprint, client, expiry });
    return client;
  }

  async release(key: string): Promise<void> {
    const known = this.#kept.get(key);
    if (known === undefined) return;
    clearTimeout(known.expiry);
    this.#kept.delete(key);
    await known.client.close().catch(() => undefined);
  }
}

const services = new KeptClients<CredentialedClient>();
const worlds = new KeptClients<FluxClient>();

/** @throws AgentruxError `credentials_missing`, `credentials_malformed`, `config` or `insecure_url` */
export async function ownClient(account: AccountConfig, paths: AccountPaths): Promise<CredentialedClient> {
  const loaded = await loadCredentials(paths);
  if (loaded.kind === "missing") throw new AgentruxError("credentials_missing", "Not connected to AgenTrux.");
  if (loaded.kind === "malformed") throw new AgentruxError("credentials_malformed", loaded.reason);
  const credentials = withConfiguredUrl(loaded.credentials, account);
  return services.take(paths.dir, credentials, () => {
    const tokenKeeper = keptTokenFile(paths.cliToken, credentials, () => Date.now());
    return createServiceClient(credentials, { tokenKeeper });
  });
}

/** @throws AgentruxError `config` where there is no world-state server, or `insecure_url` */
export async function ownWorld(account: AccountConfig, paths: AccountPaths): Promise<FluxClient> {
  const loaded = await loadCredentials(paths);
  const server = fluxServerOf(account, loaded.kind === "ok" ? loaded.credentials : undefined);
  return worlds.take(paths.dir, server, () => createFluxClient(server));
}

/** Ends the clients at once, for a process that is about to end. The next call may make others. */
export async function releaseOwnClients(paths: AccountPaths): Promise<void> {
  await Promise.all([services.release(paths.dir), worlds.release(paths.dir)]);
}
