/**
 * A service client for tools that run where the account does not: an agent run of the command line without a gateway,
 * or a gateway in which the account cannot start. It is kept between calls, because each new one costs one of the few
 * calls a service allows for a secret, and dropped when it has not been used for a while or the credentials changed.
 */

import { withConfiguredUrl } from "../account/service-url.ts";
import type { AccountConfig } from "../config/account.ts";
import type { AccountPaths } from "../credentials/home.ts";
import { keptTokenFile } from "../credentials/kept-token.ts";
import { loadCredentials } from "../credentials/store.ts";
import { AgentruxError } from "../errors.ts";
import { type CredentialedClient, createServiceClient } from "../service/client.ts";

const IDLE_MS = 600_000;

interface Kept {
  readonly fingerprint: string;
  readonly client: CredentialedClient;
  readonly expiry: NodeJS.Timeout;
}

const kept = new Map<string, Kept>();

/** @throws AgentruxError `credentials_missing`, `credentials_malformed`, `config` or `insecure_url` */
export async function ownClient(account: AccountConfig, paths: AccountPaths): Promise<CredentialedClient> {
  const loaded = await loadCredentials(paths);
  if (loaded.kind === "missing") throw new AgentruxError("credentials_missing", "Not connected to AgenTrux.");
  if (loaded.kind === "malformed") throw new AgentruxError("credentials_malformed", loaded.reason);
  const credentials = withConfiguredUrl(loaded.credentials, account);
  const fingerprint = JSON.stringify(credentials);
  const known = kept.get(paths.dir);
  if (known?.fingerprint === fingerprint) {
    known.expiry.refresh();
    return known.client;
  }
  if (known) void drop(paths.dir, known);
  const tokenKeeper = keptTokenFile(paths.cliToken, credentials, () => Date.now());
  const client = createServiceClient(credentials, { tokenKeeper });
  // Not to keep a command line's process alive.
  const expiry = setTimeout(() => void drop(paths.dir, entry), IDLE_MS).unref();
  const entry: Kept = { fingerprint, client, expiry };
  kept.set(paths.dir, entry);
  return client;
}

/** Ends the client at once, for a process that is about to end. The next call may make another. */
export async function releaseOwnClient(paths: AccountPaths): Promise<void> {
  const known = kept.get(paths.dir);
  if (known) await drop(paths.dir, known);
}

async function drop(key: string, entry: Kept): Promise<void> {
  clearTimeout(entry.expiry);
  if (kept.get(key) === entry) kept.delete(key);
  await entry.client.close().catch(() => undefined);
}
