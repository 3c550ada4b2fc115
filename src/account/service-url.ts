/** Where an account's service is: the configured URL counts; where nobody configured one, that of the credentials. */

import type { AccountConfig } from "../config/account.ts";
import type { StoredCredentials } from "../credentials/schema.ts";

/** `credentials`, for the service they are to be used with. */
export function withConfiguredUrl(credentials: StoredCredentials, config: AccountConfig): StoredCredentials {
  if (!config.baseUrlIsSet || config.baseUrl === credentials.baseUrl) return credentials;
  return { ...credentials, baseUrl: config.baseUrl };
}
