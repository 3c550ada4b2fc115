/** Checking client secrets, whichever of a client's names they come with. */
import { HYBRID_CLIENT_ID_PREFIX } from "agentrux-wire";
import type { HubDeps } from "../deps.ts";
import { HubError } from "../errors.ts";
import type { Credential } from "../store/port.ts";
import { secretMatches } from "./secrets.ts";

export type SecretCheck =
  | { readonly outcome: "valid"; readonly credential: Credential }
  /** The right secret, too late. */
  | { readonly outcome: "expired"; readonly credential: Credential }
  | { readonly outcome: "wrong" };

/** Checks a secret against every credential of a script. */
export async function checkScriptSecret(deps: HubDeps, scriptId: string, secret: string): Promise<SecretCheck> {
  return check(deps, await deps.store.credentials.ofScript(scriptId), secret);
}

/** Checks a secret by client id: `crd_…`, or `script_<script_id>` as the 0.15 hybrid client has it. */
export async function checkClientSecret(deps: HubDeps, clientId: string, secret: string): Promise<SecretCheck> {
  if (clientId.startsWith(HYBRID_CLIENT_ID_PREFIX)) {
    return checkScriptSecret(deps, clientId.slice(HYBRID_CLIENT_ID_PREFIX.length), secret);
  }
  const credential = await deps.store.credentials.get(clientId);
  return check(deps, credential === undefined || credential.revokedAt !== null ? [] : [credential], secret);
}

/** @throws HubError SUSPENDED when the script is disabled, UNAUTHORIZED when it is gone */
export async function assertActive(deps: HubDeps, scriptId: string): Promise<void> {
  const script = await deps.store.scripts.get(scriptId);
  if (script === undefined) throw new HubError("UNAUTHORIZED", "The script no longer exists");
  if (script.disabledAt !== null) throw new HubError("SUSPENDED", "The script is disabled");
}

function check(deps: HubDeps, candidates: readonly Credential[], secret: string): SecretCheck {
  const matching = candidates.find((credential) => secretMatches(secret, credential.secretHash));
  if (matching === undefined) return { outcome: "wrong" };
  const outcome = matching.expiresAt <= deps.clock.now() ? "expired" : "valid";
  return { outcome, credential: matching };
}
