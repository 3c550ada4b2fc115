/**
 * Tells the host where under `channels.agentrux` a secret may be a reference, so that a gateway puts the secret in its
 * place before an account starts. The host loads this by its file's name (src/secret-contract-api.ts), before and without
 * the plugin, in gateways and in commands: it must stay light. For `plugins.entries` the manifest says it
 * (`configContracts.secretInputs`).
 */

import {
  collectSecretInputAssignment,
  createChannelSecretTargetRegistryEntries,
  type ResolverContext,
  type SecretDefaults,
  type SecretTargetRegistryEntry,
} from "openclaw/plugin-sdk/channel-secret-basic-runtime";
import {
  accountPlace,
  channelPlace,
  countingPlace,
  type HostConfig,
  listAccountIds,
  placesOf,
  record,
} from "../config/places.ts";
import { SECRET_KEYS, UNRESOLVED_SECRET } from "../config/flux.ts";
import { CHANNEL_ID } from "../ids.ts";

const PATHS = SECRET_KEYS.map((field) => `flux.${field}`);
/** What a path of the host's can hold unquoted; an account with another id does not start. */
const PLAIN_ID = /^[a-z0-9][a-z0-9_-]*$/;

export const secretTargetRegistryEntries: SecretTargetRegistryEntry[] = createChannelSecretTargetRegistryEntries({
  channelKey: CHANNEL_ID,
  account: PATHS,
  channel: PATHS,
});

interface Collecting {
  readonly config: HostConfig;
  readonly defaults: SecretDefaults | undefined;
  readonly context: ResolverContext;
}

/** A reference that cannot be resolved costs an account the world state and nothing else, so it is no matter of the account's. */
export function collectRuntimeConfigAssignments({ config, defaults, context }: Collecting): void {
  const accounts = listAccountIds(config);
  const named = Object.keys(record(channelPlace(config).section["accounts"])).filter((id) => PLAIN_ID.test(id));
  const places = [
    { ...channelPlace(config), accountId: "default" },
    ...named.map((accountId) => ({ ...accountPlace(config, accountId), accountId })),
  ];
  for (const { path, section, accountId } of places) {
    const flux = section["flux"];
    if (typeof flux !== "object" || flux === null) continue;
    const counts = countingPlace(config, accountId, "flux");
    const isOn = placesOf(config, accountId, "enabled").every((place) => place.section["enabled"] !== false);
    for (const field of SECRET_KEYS) {
      const at = `${path}.flux.${field}`;
      collectSecretInputAssignment({
        value: Reflect.get(flux, field),
        path: at,
        expected: "string",
        defaults,
        context,
        active: isOn && accounts.includes(accountId) && counts?.path === path,
        inactiveReason: `no account that is switched on reads ${path}.flux.`,
        owner: { ownerKind: "capability", ownerId: at, requiredForGateway: false, disposition: "isolate" },
        apply: (value) => void Reflect.set(flux, field, value),
        // A reference that stayed would cost every reply: the host wants all secrets of a channel before it runs a turn.
        applyUnavailable: () => void Reflect.set(flux, field, UNRESOLVED_SECRET),
      });
    }
  }
}
