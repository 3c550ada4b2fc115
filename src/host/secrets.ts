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
import { SECRET_KEYS, UNRESOLVED_SECRET } from "../config/flux-secrets.ts";
import {
  accountPlace,
  channelPlace,
  countingPlace,
  type HostConfig,
  listAccountIds,
  placesOf,
  record,
} from "../config/places.ts";
import { accountIdProblem } from "../credentials/home.ts";
import { CHANNEL_ID } from "../ids.ts";

const PATHS = SECRET_KEYS.map((field) => `flux.${field}`);

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

/**
 * Every place is told of, also those that nobody reads: a reference the host has heard nothing of costs the channel its
 * replies. One that cannot be resolved costs an account its world state and nothing else, so its owner is not the account.
 */
export function collectRuntimeConfigAssignments({ config, defaults, context }: Collecting): void {
  const accounts = listAccountIds(config);
  const named = Object.keys(record(channelPlace(config).section["accounts"]));
  const places = [
    { ...channelPlace(config), accountId: "default" },
    ...named.map((accountId) => ({
      section: accountPlace(config, accountId).section,
      path: `channels.${CHANNEL_ID}.accounts${segment(accountId)}`,
      accountId,
    })),
  ];
  for (const { path, section, accountId } of places) {
    const flux = section["flux"];
    if (typeof flux !== "object" || flux === null) continue;
    const isOn = placesOf(config, accountId, "enabled").every((place) => place.section["enabled"] !== false);
    const starts = isOn && accounts.includes(accountId) && accountIdProblem(accountId) === undefined;
    for (const field of SECRET_KEYS) {
      const at = `${path}.flux.${field}`;
      collectSecretInputAssignment({
        value: Reflect.get(flux, field),
        path: at,
        expected: "string",
        defaults,
        context,
        active: starts && countingPlace(config, accountId, "flux")?.section === section,
        inactiveReason: `no account that is switched on reads ${path}.flux.`,
        owner: { ownerKind: "capability", ownerId: at, requiredForGateway: false, disposition: "isolate" },
        apply: (value) => void Reflect.set(flux, field, value),
        // A reference that stayed would cost every reply: the host wants all secrets of a channel before it runs a turn.
        applyUnavailable: () => void Reflect.set(flux, field, UNRESOLVED_SECRET),
      });
    }
  }
}

/** A part of a path in the host's own spelling, by which it knows the place again. */
function segment(name: string): string {
  return /^[A-Za-z_$][A-Za-z0-9_$:-]*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
}
