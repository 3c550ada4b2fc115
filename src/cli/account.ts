/** Owns what a command needs of one account: its settings, files and credentials, and a service client of its own. */

import type { AccountConfig } from "../config/account.ts";
import { DEFAULT_ACCOUNT_ID, type HostConfig } from "../config/places.ts";
import { resolveAccountConfig } from "../config/resolve.ts";
import type { AccountPaths } from "../credentials/home.ts";
import { keptTokenFile } from "../credentials/kept-token.ts";
import type { StoredCredentials } from "../credentials/schema.ts";
import { loadCredentials, peekCredentials } from "../credentials/store.ts";
import { AgentruxError, isAgentruxError } from "../errors.ts";
import { type CredentialedClient, createServiceClient } from "../service/client.ts";
import type { Paint } from "./paint.ts";

/** What every command is given. */
export interface CliContext {
  readonly config: HostConfig;
  readonly account: AccountConfig;
  readonly paths: AccountPaths;
  readonly now: () => number;
  readonly paint: Paint;
  /** Shows what is under way, in place; undefined clears it. Does nothing where nobody watches. */
  readonly progress: (text: string | undefined) => void;
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal;
}

/**
 * An account's settings. One that is not configured (an operator's own credential, say) borrows the address and the topics
 * of the default account, so that it never sends a code or a secret to an address nobody chose.
 */
export function cliAccount(config: HostConfig, accountId: string): AccountConfig {
  const account = resolveAccountConfig(config, accountId);
  const fallback = resolveAccountConfig(config, DEFAULT_ACCOUNT_ID);
  const address = account.baseUrlIsSet ? account : fallback;
  return {
    ...account,
    baseUrl: address.baseUrl,
    baseUrlIsSet: address.baseUrlIsSet,
    commandTopicId: account.commandTopicId || fallback.commandTopicId,
    resultTopicId: account.resultTopicId || fallback.resultTopicId,
  };
}

/** The credentials as the gateway would use them: the configured address counts. @throws AgentruxError */
export async function usableCredentials({ account, paths }: CliContext): Promise<StoredCredentials> {
  const peeked = await peekCredentials(paths);
  const loaded = peeked.kind === "ok" ? peeked : await loadCredentials(paths);
  switch (loaded.kind) {
    case "missing":
      throw new AgentruxError(
        "credentials_missing",
        `The account ${account.accountId} is not activated: openclaw agentrux activate`,
      );
    case "malformed":
      throw new AgentruxError("credentials_malformed", `The credentials cannot be used: ${loaded.reason}`);
    case "ok":
      return account.baseUrlIsSet ? { ...loaded.credentials, baseUrl: account.baseUrl } : loaded.credentials;
  }
}

export interface ServiceOptions {
  /** Asks for a new token even where a kept one would do; it costs one of ten an hour. */
  readonly freshToken?: boolean;
}

/** Runs `use` with a client of the account's own credentials, and never with the gateway's tokens. */
export async function withService<T>(
  context: CliContext,
  use: (client: CredentialedClient, credentials: StoredCredentials) => Promise<T>,
  options: ServiceOptions = {},
): Promise<T> {
  const credentials = await usableCredentials(context);
  const kept = keptTokenFile(context.paths.cliToken, credentials, context.now);
  const tokenKeeper = options.freshToken === true ? { ...kept, load: () => Promise.resolve(undefined) } : kept;
  const client = createServiceClient(credentials, { tokenKeeper });
  try {
    return await use(client, credentials);
  } catch (error) {
    // A token's scope is fixed when it is issued: what was granted since then needs a new one.
    if (isAgentruxError(error, "forbidden")) await kept.clear();
    throw error;
  } finally {
    await client.close();
  }
}
