/** Where an account's service is: the configured URL counts; where nobody configured one, that of the credentials. */

import type { AccountConfig } from "../config/account.ts";
import { DEFAULT_BASE_URL } from "../config/schema.ts";
import type { StoredCredentials } from "../credentials/schema.ts";

/** `credentials`, for the service they are to be used with. */
export function withConfiguredUrl(credentials: StoredCredentials, config: AccountConfig): StoredCredentials {
  if (!config.baseUrlIsSet || config.baseUrl === credentials.baseUrl) return credentials;
  return { ...credentials, baseUrl: config.baseUrl };
}

/**
 * The hub whose world state the account's agent may be sent to. Undefined for the public service, which has none and which
 * nobody chose for it: state and tokens must not go there by default.
 */
export function fluxHubUrl(credentials: StoredCredentials | undefined, config: AccountConfig): string | undefined {
  const chosen = config.baseUrlIsSet ? config.baseUrl : credentials?.baseUrl;
  return chosen === undefined || new URL(chosen).origin === DEFAULT_BASE_URL ? undefined : chosen;
}
